"""What can go wrong with nodesets, said so that the reader can act on it."""

from __future__ import annotations

from pathlib import Path


class NodesetError(Exception):
    """A nodeset is malformed, incomplete or contradicts another one.

    The message says where (`file:line`), which node, what is wrong and what to do.
    """

    def __init__(
        self, what: str, *, file: Path | None = None, line: int = 0, node: str = "", do: str = ""
    ) -> None:
        self.what, self.file, self.line, self.node, self.do = what, file, line, node, do
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        subject = f"node {node}: " if node else ""
        advice = f" ({do})" if do else ""
        super().__init__(f"{place}{subject}{what}{advice}")


class NodesetSourceError(Exception):
    """A nodeset file could not be had, or is not the pinned one. The message says what to do."""
