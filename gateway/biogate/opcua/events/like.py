"""Patterns of the Like operator (Part 4, 7.7.3, table "Wildcard characters").

`%` stands for any string, `_` for any character, `[abc]` for one of these, `[a-f]` for one of a
range, `[^abc]` for any other; `\\` takes the meaning from the character after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_PATTERN = 1000


class _Segment(NamedTuple):
    """What lies between two `%`: it has one length and no choices."""

    regex: re.Pattern[str]
    length: int


def matches(text: str, pattern: str) -> bool:
    """True when all of `text` fits; case counts. A pattern longer than MAX_PATTERN fits nothing.

    Since the leftmost place where a segment fits is as good as any, nothing is tried twice.
    """
    if len(pattern) > MAX_PATTERN:
        return False
    first, *rest = _segments(pattern)
    if first.regex.match(text) is None:
        return False
    if not rest:
        return first.length == len(text)
    position = first.length
    for segment in rest[:-1]:
        found = segment.regex.search(text, position)
        if found is None:
            return False
        position = found.end()
    start = len(text) - rest[-1].length
    return start >= position and rest[-1].regex.match(text, start) is not None


@lru_cache(maxsize=256)
def _segments(pattern: str) -> tuple[_Segment, ...]:
    segments: list[list[str]] = [[]]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "%":
            segments.append([])
            position += 1
        else:
            token, position = _token(pattern, position)
            segments[-1].append(token)
    return tuple(_Segment(re.compile("".join(s), re.DOTALL), len(s)) for s in segments)


def _token(pattern: str, position: int) -> tuple[str, int]:
    """The regular expression of one character of the text, and where the next one starts."""
    character = pattern[position]
    if character == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    if character == "[":
        end = pattern.find("]", position + 1)
        if end > position + 1 and pattern[position + 1 : end] != "^":
            return _class(pattern[position + 1 : end]), end + 1
    return ("." if character == "_" else re.escape(character)), position + 1


def _class(content: str) -> str:
    """A list of characters and ranges; a range whose ends are the wrong way round is empty."""
    negated = content.startswith("^")
    content = content[1:] if negated else content
    parts: list[str] = []
    position = 0
    while position < len(content):
        low = content[position]
        if content[position + 1 : position + 2] == "-" and position + 2 < len(content):
            high = content[position + 2]
            position += 3
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            parts.append(re.escape(low))
            position += 1
    if not parts:
        return "." if negated else "(?!.)."
    return f"[{'^' if negated else ''}{''.join(parts)}]"
