"""NodeSet2 XML to nodes, one file at a time (Part 6, Annex F); see `node_reader` for each node.

Values and type definitions stay XML here; `link` turns them into bytes and definitions, since
that takes the data types of all files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from asyncua import ua
from lxml import etree

from biogate_nodesets.elements import NS, Element, elements, line_of, located, text_of
from biogate_nodesets.errors import NodesetError
from biogate_nodesets.names import FileNames
from biogate_nodesets.node_reader import NodeReader, ParsedNode


class Required(NamedTuple):
    """A model that a file says it needs; the date is empty where the file gives none."""

    uri: str
    publication_date: str


@dataclass(slots=True)
class NodesetFile:
    """One parsed file; NodeIds have the model's namespace indices."""

    path: Path
    uri: str
    version: str
    publication_date: str
    required: tuple[Required, ...]
    names: FileNames
    nodes: list[ParsedNode]


def load_file(
    path: Path, indices: Mapping[str, int], intern: dict[ua.NodeId, ua.NodeId]
) -> NodesetFile:
    """Parse one file; `indices` maps namespace URIs to the model's indices.

    Raises NodesetError, with file and line, for whatever is not understood completely.
    """
    root = _parse(path)
    names = _file_names(path, root, indices, intern)
    model, required = _model(path, root)
    reader = NodeReader(path, names)
    nodes = [
        parsed for element in elements(root) if (parsed := reader.top_level(element)) is not None
    ]
    return NodesetFile(
        path,
        model.get("ModelUri", ""),
        model.get("Version", ""),
        model.get("PublicationDate", ""),
        required,
        names,
        nodes,
    )


def _parse(path: Path) -> Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        tree = etree.parse(str(path), parser)
    except OSError as error:
        raise NodesetError(f"cannot be read: {error}", file=path) from error
    except etree.XMLSyntaxError as error:
        raise NodesetError(f"is not XML: {error.msg}", file=path, line=error.lineno or 0) from error
    if tree.docinfo.internalDTD is not None:
        raise NodesetError("has a DOCTYPE, which a nodeset does not need", file=path, line=1)
    root = tree.getroot()
    if root.tag != NS + "UANodeSet":
        raise NodesetError(f"starts with {root.tag}, not with {NS}UANodeSet", file=path, line=1)
    return root


def _file_names(
    path: Path, root: Element, indices: Mapping[str, int], intern: dict[ua.NodeId, ua.NodeId]
) -> FileNames:
    mapped = [0]
    for uri in root.iterfind(f"{NS}NamespaceUris/{NS}Uri"):
        if text_of(uri) not in indices:
            raise NodesetError(
                f"refers to namespace {text_of(uri)}, which is not loaded",
                file=path,
                line=line_of(uri),
                do="load the nodeset that defines it, too",
            )
        mapped.append(indices[text_of(uri)])
    names = FileNames(mapped, intern)
    with located(path, root):
        names.add_aliases(
            {
                alias.get("Alias", ""): text_of(alias)
                for alias in root.iterfind(f"{NS}Aliases/{NS}Alias")
            }
        )
    return names


def _model(path: Path, root: Element) -> tuple[Element, tuple[Required, ...]]:
    models = root.findall(f"{NS}Models/{NS}Model")
    if len(models) != 1:
        raise NodesetError(f"describes {len(models)} models, not one", file=path, line=1)
    # ISA95 names what it needs without Version and PublicationDate: no date means any.
    required = tuple(
        Required(element.get("ModelUri", ""), element.get("PublicationDate", ""))
        for element in models[0].iterfind(NS + "RequiredModel")
    )
    return models[0], required
