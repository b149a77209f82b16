"""A signature, as the record of what was signed for holds it."""

from __future__ import annotations

from dataclasses import dataclass

from biogate_security.filetime import to_iso
from biogate_security.log_text import safe_text

_MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Signing:
    """One person's: account, printed name, meaning, and when (FILETIME ticks)."""

    user: str
    printed_name: str
    meaning: str
    time: int

    @property
    def shown(self) -> str:
        """What 21 CFR 11.50 asks for: name, time and meaning, in one line."""
        name = safe_text(self.printed_name, _MAX_NAME)
        return f"{self.meaning}: {name} {to_iso(self.time)[:19]}Z"


@dataclass(frozen=True, slots=True)
class Signature:
    """What was signed for, by whom, and why; `second` approved it."""

    first: Signing
    reason: str
    second: Signing | None = None

    @property
    def meaning(self) -> str:
        """Both signings, for the record."""
        both = [self.first] if self.second is None else [self.first, self.second]
        return "; ".join(each.shown for each in both)

    @property
    def second_user(self) -> str:
        """The account of the second person, "" where there is none."""
        return "" if self.second is None else self.second.user
