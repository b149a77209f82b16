"""NodeIds and qualified names as a NodeSet2 file writes them (Part 6, F.3 and F.14)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncua import ua

from biogate_nodesets.model import make_node_id

_NODE_ID = re.compile(r"(?:ns=(\d+);)?([isgb])=(.*)", re.DOTALL)
_QUALIFIED = re.compile(r"(\d+):(.*)", re.DOTALL)

_IDENTIFIER: dict[str, Callable[[str], Any]] = {
    "i": int,
    "s": str,
    "g": UUID,
    "b": lambda text: base64.b64decode(text, validate=True),
}


class FileNames:
    """Turns the texts of one file into NodeIds and names of the model.

    `indices[n]` is the model's namespace index for the file's index n. NodeIds are interned,
    so that the same text gives the same object. All methods raise ValueError on bad text.
    """

    def __init__(self, indices: Sequence[int], intern: dict[ua.NodeId, ua.NodeId]) -> None:
        self._indices = indices
        self._intern = intern
        self._known: dict[str, ua.NodeId] = {}

    def add_aliases(self, aliases: Mapping[str, str]) -> None:
        """Let an alias stand for a NodeId in every later text."""
        for alias, text in aliases.items():
            self._known[alias] = self.node_id(text)

    def index(self, file_index: int) -> int:
        """Return the model's namespace index for the file's."""
        if file_index >= len(self._indices):
            raise ValueError(
                f"namespace index {file_index} is not in the file's NamespaceUris "
                f"(0-{len(self._indices) - 1})"
            )
        return self._indices[file_index]

    def node_id(self, text: str) -> ua.NodeId:
        """Return the NodeId for `i=85`, `ns=1;s=name` or an alias."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._parse(text.strip())
        return known

    def _parse(self, text: str) -> ua.NodeId:
        match = _NODE_ID.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is neither a NodeId nor an alias of this file")
        namespace, kind, identifier = match.groups()
        try:
            parsed = _IDENTIFIER[kind](identifier)
        except (ValueError, binascii.Error):
            raise ValueError(f"{text!r} is not a NodeId: bad identifier") from None
        parsed_id = make_node_id(parsed, self.index(int(namespace or 0)))
        return self._intern.setdefault(parsed_id, parsed_id)

    def qualified_name(self, text: str) -> ua.QualifiedName:
        """Return the name for `1:Lock`; without a number the namespace is 0."""
        match = _QUALIFIED.fullmatch(text)
        if match is None:
            return ua.QualifiedName(text, 0)
        return ua.QualifiedName(match[2], self.index(int(match[1])))
