"""Patterns for parts of the model: which nodes a rule is about.

A part is a path of names, levels joined by "/" (see `Resource.part`). In a pattern, `*` stands
for any text within one level. A pattern is about the parts that it matches and all below them:
`BR101` is the whole unit, `BR101/*` all of it but the unit's own node, `*/pH` each unit's pH.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SEPARATOR = "/"
_MOST_LEVELS = 16


@dataclass(frozen=True, slots=True)
class PartPattern:
    """One pattern. Raises ValueError for an empty level, or more than 16 of them."""

    text: str
    _covers: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _leads: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        levels = self.text.split(SEPARATOR)
        if "" in levels or len(levels) > _MOST_LEVELS:
            raise ValueError(
                f"{self.text!r} is no pattern: write 1 to {_MOST_LEVELS} names joined by /, "
                "with * for any text within a name"
            )
        expressions = [_level(level) for level in levels]
        covers = SEPARATOR.join(expressions) + f"(?:{SEPARATOR}.*)?"
        ways = [SEPARATOR.join(expressions[:depth]) for depth in range(1, len(levels))]
        object.__setattr__(self, "_covers", re.compile(covers, re.DOTALL))
        object.__setattr__(self, "_leads", re.compile("|".join(ways) or r"(?!)", re.DOTALL))

    def covers(self, part: str) -> bool:
        """True when the part, or something above it, is one that the pattern names."""
        return self._covers.fullmatch(part) is not None

    def leads_through(self, part: str) -> bool:
        """True when a part that the pattern names may lie below `part`."""
        return self._leads.fullmatch(part) is not None


def _level(level: str) -> str:
    """`*` never crosses a level. What stands between two of them is found once, from the left, and
    never looked for again (atomic groups), so that no pattern takes longer than its text is."""
    first, *others = (re.escape(text) for text in re.split(r"\*+", level))
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{text})" for text in others[:-1])
    return f"{first}{middle}[^/]*{others[-1]}"
