"""YAML 1.2 text → plain data plus the place of every key and value.

The scanner, parser and composer are ruamel.yaml's. Scalars are read by the core schema of YAML 1.2
(section 10.3.2), so that `None`, `no` and `1:30` are text. What a configuration file never needs is
refused with its place: duplicate keys, keys that are not text, custom tags, merge keys.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from biogate_adapters.problems import DocumentError, KeyPath, Mark, Problem, path_text

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 50

_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"(?:~|null|Null|NULL|)"), lambda _: None),
    (re.compile(r"(?:true|True|TRUE)"), lambda _: True),
    (re.compile(r"(?:false|False|FALSE)"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"0o[0-7]{1,20}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,16}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(?:nan|NaN|NAN)"), lambda _: float("nan")),
)
_CORE_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_CORE_TAG + name for name in ("map", "seq", "int", "float", "bool", "null")}


@dataclass(slots=True)
class Document:
    """A parsed file. `data` holds dict, list, str, int, float, bool and None only.

    `values` and `keys` give the place of the value, and of its key, at each path.
    """

    file: str
    data: object = None
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(
        self, path: KeyPath, message: str, *, allowed: str = "", hint: str = "", key: bool = False
    ) -> None:
        """Add a problem at the value of `path` (or its key; or the nearest place above it)."""
        self.problems.append(self.problem(path, message, allowed=allowed, hint=hint, key=key))

    def problem(
        self, path: KeyPath, message: str, *, allowed: str = "", hint: str = "", key: bool = False
    ) -> Problem:
        """A problem at the value of `path` (or its key; or the nearest place above it)."""
        mark = self.mark(path, key=key)
        text = path_text(path)
        return Problem(self.file, mark.line, mark.column, text, message, allowed, hint)

    def mark(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The place of the value at `path`, or of its key."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        for length in range(len(path), -1, -1):
            found = first.get(path[:length]) or second.get(path[:length])
            if found:
                return found
        return Mark(1, 1)

    def has(self, path: KeyPath) -> bool:
        """True where the file has a value at `path`, right or wrong."""
        return path in self.values


def parse_document(content: bytes, file: str) -> Document:
    """Read a whole file.

    Raises DocumentError when the text is not YAML at all; lesser problems are left in `.problems`
    so that the rest of the file can still be checked.
    """
    text = _decode(content, file)
    places = _Places(text)
    document = Document(file)
    root = _compose(text, places, file)
    document.data = None if root is None else _Builder(document, places).build(root, (), ())
    return document


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        message = f"the file has {len(content)} bytes; at most {MAX_BYTES} are read"
        raise _error(file, Mark(1, 1), message)
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        place = _Places(before).at(len(before))
        raise _error(file, place, message, "save the file as UTF-8") from error


def _error(file: str, mark: Mark, message: str, hint: str = "") -> DocumentError:
    return DocumentError([Problem(file, mark.line, mark.column, "", message, hint=hint)])


class _Places:
    """Character offsets as lines and columns; line breaks as YAML 1.2 has them (5.4)."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\r\n|\r|\n", text))]

    def at(self, offset: int) -> Mark:
        """The place of the character at `offset`."""
        line = bisect_right(self._starts, offset)
        return Mark(line, offset - self._starts[line - 1] + 1)


def _compose(text: str, places: _Places, file: str) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
    except ReaderError as error:
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _error(file, places.at(error.position), message) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reasons = " ".join(str(part) for part in (error.context, error.problem) if part)
        place = places.at(mark.index) if mark else Mark(1, 1)
        raise _error(file, place, f"not valid YAML: {reasons}") from error
    except YAMLError as error:
        raise _error(file, Mark(1, 1), f"not valid YAML: {error}") from error
    except RecursionError as error:
        raise _error(file, Mark(1, 1), "nested too deeply to be read") from error


class _Builder:
    """Walks the node graph once; aliases are copied, within a budget of nodes and depth."""

    def __init__(self, document: Document, places: _Places) -> None:
        self._document = document
        self._places = places
        self._nodes = 0

    def build(self, node: Node, path: KeyPath, above: tuple[int, ...]) -> object:
        self._nodes += 1
        self._document.values[path] = self._places.at(node.start_mark.index)
        if self._nodes > MAX_NODES:
            self._refuse(path, f"more than {MAX_NODES} values (anchors and aliases counted)")
        if id(node) in above:
            self._refuse(path, "an alias that contains itself")
        if len(above) > MAX_DEPTH:
            self._refuse(path, f"nested deeper than {MAX_DEPTH} levels")
        inner = (*above, id(node))
        if isinstance(node, MappingNode):
            self._check_tag(node, path)
            return self._mapping(node, path, inner)
        if isinstance(node, SequenceNode):
            self._check_tag(node, path)
            return [self.build(item, (*path, i), inner) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _refuse(self, path: KeyPath, message: str) -> None:
        raise DocumentError([*self._document.problems, self._document.problem(path, message)])

    def _check_tag(self, node: Node, path: KeyPath) -> None:
        if node.tag not in _PLAIN_TAGS:
            self._document.report(path, f"tag {node.tag} has no meaning here", hint="remove it")

    def _mapping(
        self, node: MappingNode, path: KeyPath, inner: tuple[int, ...]
    ) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            mark = self._places.at(key_node.start_mark.index)
            where = (*path, key)
            if key in data:
                line = self._document.keys[where].line
                message = f"duplicate key: {key} is already given in line {line}"
                self._report_key(mark, where, message, "remove one of them")
                continue
            self._document.keys[where] = mark
            data[key] = self.build(value_node, where, inner)
        return data

    def _key(self, node: Node, path: KeyPath) -> str | None:
        """The key's text, or None (and a problem) where it is not text."""
        message = ""
        if not isinstance(node, ScalarNode):
            message = "a key must be plain text"
        elif node.tag == _CORE_TAG + "merge":
            message = "merge keys (<<) are not part of YAML 1.2: write the keys out"
        elif not isinstance(_scalar_value(node), str):
            message = f"key {node.value!r} is not text: names begin with a letter"
        if not message:
            return str(node.value)
        self._report_key(self._places.at(node.start_mark.index), path, message)
        return None

    def _report_key(self, mark: Mark, path: KeyPath, message: str, hint: str = "") -> None:
        """A key that is refused has no entry in `keys`: its place is told here."""
        file, text = self._document.file, path_text(path)
        problem = Problem(file, mark.line, mark.column, text, message, hint=hint)
        self._document.problems.append(problem)

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        if not str(node.tag).startswith(_CORE_TAG):
            self._check_tag(node, path)
            return node.value
        return _scalar_value(node)


def _scalar_value(node: ScalarNode) -> object:
    """Quoted and block scalars are text; plain ones follow the core schema."""
    if node.style:
        return node.value
    for pattern, construct in _CORE_SCHEMA:
        if pattern.fullmatch(node.value):
            return construct(node.value)
    return node.value
