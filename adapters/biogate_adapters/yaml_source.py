"""YAML 1.2 text → plain data, and the line and column of every key and value in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError


class SourceError(Exception):
    """The text is no YAML 1.2 document; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed document that remembers where everything stands."""

    data: object
    _tree: object

    def place(self, path: Sequence[str | int]) -> tuple[int, int]:
        """(line, column), from 1, of the value at `path`, or of the nearest thing above it."""
        node, place = self._tree, (1, 1)
        for step in path:
            if isinstance(node, CommentedMap) and step in node:
                line, column = node.lc.value(step)
            elif isinstance(node, CommentedSeq) and str(step).isdigit() and int(step) < len(node):
                step = int(step)
                line, column = node.lc.item(step)
            else:
                break
            node, place = node[step], (line + 1, column + 1)
        return place


def parse(text: str) -> Source:
    """Parse one document. Raises SourceError, for duplicate keys too."""
    loader = YAML(typ="rt", pure=True)
    try:
        tree = loader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = (error.problem or error.context or "not valid YAML").splitlines()[0]
        raise SourceError(
            message, (mark.line if mark else 0) + 1, (mark.column if mark else 0) + 1
        ) from error
    except YAMLError as error:
        raise SourceError(str(error).splitlines()[0], 1, 1) from error
    return Source(_plain(tree), tree)


def _plain(node: object) -> object:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
