"""A reply line → named numbers, texts and flags (no I/O)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from biogate_adapters.schema_line import Poll

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)")


class FrameError(ValueError):
    """A reply that is no frame of this device."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A parsed reply; `numbers` and `texts` by field name."""

    numbers: dict[str, float]
    texts: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def parse_frame(text: str, poll: Poll, unit: str) -> Frame:
    """The frame in a reply of the device `unit`.

    Raises FrameError when another unit answered, or the fields are none of the layouts.
    """
    sender, *words = text.split() or [""]
    if sender != unit:
        raise FrameError(f"the reply is not from unit {unit}: {text!r}")
    count = next((n for n, word in enumerate(words) if not _NUMBER.fullmatch(word)), len(words))
    layout = next((layout for layout in poll.layouts if len(layout) == count), None)
    if layout is None:
        known = ", ".join(str(len(layout)) for layout in poll.layouts)
        raise FrameError(f"{count} numbers in the reply, expected {known}: {text!r}")
    rest = words[count:]
    return Frame(
        numbers=dict(zip(layout, map(float, words), strict=False)),
        texts=dict(zip(poll.texts, rest, strict=False)),
        flags=tuple(rest[len(poll.texts) :]),
    )
