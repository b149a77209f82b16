"""What is wrong with a file that a person wrote: every mistake with its place, all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a document down to one value."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text file; the first character is line 1, column 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is (file and place, path in the document), what, and what is allowed.

    `hint` is a suggestion ("did you mean ...?") or what to do; `allowed` and `hint` may be empty.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        parts = [f"{self.path}: {self.message}" if self.path else self.message]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.hint:
            parts.append(self.hint)
        return where + "; ".join(parts)


class DocumentError(ValueError):
    """A file that cannot be used; `problems` are all its mistakes in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_text(path: KeyPath) -> str:
    """`("opcua", "security_modes", 1)` → `opcua.security_modes[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`did you mean X?` for the known word nearest to `word` (case ignored), else nothing."""
    folded = str(word).casefold()
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    near += [name for name in by_folded if len(folded) > 2 and name.startswith(folded)]
    return f"did you mean {by_folded[near[0]]}?" if near else ""


def listed(names: Iterable[str]) -> str:
    """Names as one readable list; "nothing" when there are none."""
    return ", ".join(names) or "nothing"
