"""Several parsed files to one Model: references on both ends, definitions, values."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asyncua import ua

from biogate_nodesets.datatypes import DataTypes
from biogate_nodesets.definitions import Definitions
from biogate_nodesets.errors import NodesetError
from biogate_nodesets.load import NodesetFile, load_file
from biogate_nodesets.model import Model, Reference
from biogate_nodesets.node_reader import ParsedNode
from biogate_nodesets.repair import ORPHANS, repair
from biogate_nodesets.values import ValueEncoder

_log = logging.getLogger(__name__)


def build(paths: Iterable[Path], namespaces: Sequence[str]) -> Model:
    """Load files, in the order in which they depend on each other, and link them.

    `namespaces` is the complete NamespaceArray. Raises NodesetError.
    """
    indices = {uri: index for index, uri in enumerate(namespaces)}
    intern: dict[ua.NodeId, ua.NodeId] = {}
    return link([load_file(path, indices, intern) for path in paths], namespaces)


def link(files: Sequence[NodesetFile], namespaces: Sequence[str]) -> Model:
    """Join parsed files to one Model. Raises NodesetError for anything that does not fit."""
    _check_required(files)
    model = Model(list(namespaces), {})
    for file in files:
        for parsed in file.nodes:
            if parsed.node.node_id in model.nodes:
                raise _error(file, parsed, "is defined twice")
            model.nodes[parsed.node.node_id] = parsed.node
    _complete_references(files, model)
    _define_data_types(files, model)
    _encode_values(files, model)
    indices = {uri: index for index, uri in enumerate(namespaces)}
    for mend in repair(model.nodes, indices):
        _log.debug("repaired i=%d of %s: %s", mend.identifier, mend.uri, mend.why)
    return model


def _error(file: NodesetFile, parsed: ParsedNode, what: str, do: str = "") -> NodesetError:
    return NodesetError(
        what, file=file.path, line=parsed.line, node=parsed.node.node_id.to_string(), do=do
    )


def _check_required(files: Sequence[NodesetFile]) -> None:
    dates = {file.uri: file.publication_date for file in files}
    for file in files:
        for required in file.required:
            if required.uri not in dates:
                raise NodesetError(
                    f"requires {required.uri}, which is not loaded",
                    file=file.path,
                    do="load that nodeset, too",
                )
            if dates[required.uri] < required.publication_date:
                raise NodesetError(
                    f"requires {required.uri} of {required.publication_date[:10]} or later; "
                    f"loaded is that of {dates[required.uri][:10]}",
                    file=file.path,
                    do="load a newer version of it",
                )


def _complete_references(files: Sequence[NodesetFile], model: Model) -> None:
    """Put every reference on both ends, once."""
    seen: set[tuple[ua.NodeId, ua.NodeId, ua.NodeId]] = set()
    written = [
        (file, parsed, reference)
        for file in files
        for parsed in file.nodes
        for reference in parsed.node.references
    ]
    for file in files:
        for parsed in file.nodes:
            parsed.node.references = []
    for file, parsed, reference in written:
        here, there = parsed.node, model.nodes.get(reference.target)
        if there is None or reference.type not in model.nodes:
            missing = reference.target if there is None else reference.type
            raise _error(file, parsed, f"refers to {missing.to_string()}, which does not exist")
        source, target = (here, there) if reference.forward else (there, here)
        key = (source.node_id, reference.type, target.node_id)
        if key in seen:
            continue
        seen.add(key)
        source.references.append(Reference(reference.type, target.node_id, forward=True))
        target.references.append(Reference(reference.type, source.node_id, forward=False))
    _check_parents(files)


def _check_parents(files: Sequence[NodesetFile]) -> None:
    orphans = {(file.uri, number) for file in files for number in ORPHANS.get(file.uri, ())}
    for file in files:
        for parsed in file.nodes:
            node = parsed.node
            if parsed.parent is None or (file.uri, node.node_id.Identifier) in orphans:
                continue
            if not any(reference.target == parsed.parent for reference in node.references):
                parent = parsed.parent.to_string()
                raise _error(file, parsed, f"has the parent {parent} but no reference to it")


def _define_data_types(files: Sequence[NodesetFile], model: Model) -> None:
    definitions = Definitions(
        model,
        {p.node.node_id: p.definition for f in files for p in f.nodes if p.definition is not None},
    )
    for file in files:
        for parsed in file.nodes:
            if parsed.node.node_class is ua.NodeClass.DataType:
                with _located(file, parsed):
                    definition = definitions.definition(parsed.node.node_id)
                    parsed.node.data_type_definition = definition


def _encode_values(files: Sequence[NodesetFile], model: Model) -> None:
    types = DataTypes(model)
    for file in files:
        encoder = ValueEncoder(types, file.names)
        for parsed in file.nodes:
            if parsed.value is not None:
                with _located(file, parsed):
                    parsed.node.value = encoder.variant(parsed.value)


@contextmanager
def _located(file: NodesetFile, parsed: ParsedNode) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise _error(file, parsed, str(error)) from error
