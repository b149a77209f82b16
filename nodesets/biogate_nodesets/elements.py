"""Small steps through lxml elements, with their types and places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from lxml import etree

from biogate_nodesets.errors import NodesetError

Element = etree._Element

NS = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"


def elements(parent: Element) -> Iterator[Element]:
    """Yield the child elements, without comments and the like."""
    return (child for child in parent if isinstance(child.tag, str))


def local(element: Element) -> str:
    """Return the tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_of(element: Element) -> str:
    """Return the text before the first child."""
    return element.text or ""


def line_of(element: Element) -> int:
    """Return the line in the file."""
    return cast(int | None, element.sourceline) or 0


def attribute(element: Element, name: str) -> str:
    """Return an attribute; raise ValueError when it is missing."""
    text = element.get(name)
    if text is None:
        raise ValueError(f"{local(element)} lacks the attribute {name}")
    return text


def boolean(text: str) -> bool:
    """Parse an xs:boolean; raise ValueError."""
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueError(f"{text!r} is not a Boolean (true or false)")


@contextmanager
def located(path: Path, element: Element, node: str = "") -> Iterator[None]:
    """Turn a ValueError into a NodesetError that says where."""
    try:
        yield
    except ValueError as error:
        raise NodesetError(str(error), file=path, line=line_of(element), node=node) from error
