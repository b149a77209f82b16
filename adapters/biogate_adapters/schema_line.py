"""The line-protocol section of a device profile: one request line, one reply line, in ASCII."""

from __future__ import annotations

from string import Formatter
from typing import Literal

from pydantic import Field, field_validator

from biogate_adapters.schema import (
    Fact,
    Finding,
    ProfileFacts,
    SignalFacts,
    StatusName,
    WriteLimits,
)


def _template(text: str, allowed: frozenset[str]) -> str:
    """The template, when it uses only `allowed` fields and nothing that reaches into objects."""
    for _, name, _, _ in Formatter().parse(text):
        if name is not None and name not in allowed:
            raise ValueError(
                f"{{{name}}} is not known here; allowed: "
                + ", ".join(f"{{{item}}}" for item in sorted(allowed))
            )
    return text


class LineTransport(Fact):
    """Framing of the lines."""

    terminator: str = Field(min_length=1)
    """Ends a request and a reply."""
    strip: str = ""
    """Characters that may appear anywhere in a reply and mean nothing."""
    units: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    """Unit letters that a device can have."""
    error_replies: tuple[str, ...] = ()
    """Replies by which the device says that it does not understand."""
    max_reply_bytes: int = Field(default=256, ge=1, le=65536)
    """A longer reply is none."""


class Flag(Fact):
    """A word after the values; it may qualify signals, which take its status."""

    meaning: str
    """For people."""
    signals: tuple[str, ...] = ()
    """Signals that the flag qualifies."""
    status: StatusName | None = None
    """Their status while the flag is shown."""


class Poll(Fact):
    """The request that brings all signals, and the reply's fields.

    A reply is: unit letter, numbers, then words: the text fields, then flags. The count of the
    numbers tells which layout it is.
    """

    request: str
    """The request line; `{unit}` stands for the unit letter."""
    layouts: tuple[tuple[str, ...], ...] = Field(min_length=1)
    """Names of the numbers in a reply, for each count of them that can come."""
    texts: tuple[str, ...] = ()
    """Names of the words after the numbers."""
    flags: dict[str, Flag] = Field(default_factory=dict)
    """The words that may follow, by how the device writes them."""
    flags_field: str = "flags"
    """The field name by which a signal shows the flags themselves."""

    @field_validator("request")
    @classmethod
    def _known_fields(cls, text: str) -> str:
        return _template(text, frozenset({"unit"}))


class LineWrite(WriteLimits, Fact):
    """A write command whose reply is a poll frame."""

    request: str
    """The command line; `{unit}` and `{value}` (with a format: `{value:.2f}`) stand in it."""
    step: float = Field(gt=0)
    """Resolution of what is sent, in the signal's unit."""

    @field_validator("request")
    @classmethod
    def _known_fields(cls, text: str) -> str:
        return _template(text, frozenset({"unit", "value"}))


class LineSignal(SignalFacts):
    """One field of the reply."""

    field: str
    """Name of the field: one of a layout, of `texts`, or `flags_field`."""
    format: str = ""
    """How a simulated device prints it (Python's format language)."""
    write: LineWrite | None = None
    """Present where the signal is a set-point: the command, and what may be written."""


class LineProfile(ProfileFacts):
    """A device that speaks request/response lines."""

    protocol: Literal["line"]
    """Which engine speaks to the device."""
    line: LineTransport
    """How lines are framed."""
    poll: Poll
    """How all signals are read at once."""
    points: dict[str, LineSignal] = Field(alias="signals", min_length=1)
    """The signals by name."""

    def problems(self) -> list[Finding]:
        """What is wrong between the parts of the profile: (path, message)."""
        found: list[Finding] = []
        fields = {name for layout in self.poll.layouts for name in layout}
        fields |= {*self.poll.texts, self.poll.flags_field}
        for name, point in self.points.items():
            path = ("signals", name)
            found += [((*path, *below), text) for below, text in point.problems()]
            if point.field not in fields:
                allowed = ", ".join(sorted(fields))
                found.append(((*path, "field"), f"no such field; the reply has: {allowed}"))
            textual = point.field in {*self.poll.texts, self.poll.flags_field}
            if textual != (point.data_type == "String"):
                found.append(((*path, "data_type"), "text fields are String, numbers are not"))
        if len({len(layout) for layout in self.poll.layouts}) < len(self.poll.layouts):
            found.append((("poll", "layouts"), "two layouts have the same count of numbers"))
        for flag, fact in self.poll.flags.items():
            found += [
                (("poll", "flags", flag, "signals"), f"there is no signal {name!r}")
                for name in fact.signals
                if name not in self.points
            ]
        return found
