"""What new passwords are asked for, kept in the data folder: also the command line holds to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from biogate_security.private_file import write_private

MINIMUM_LENGTH = 12
FILE = "password-rules.json"


class CharacterKind(StrEnum):
    """Kinds of characters that may be asked for (PasswordOptionsMask, Part 18, 5.2.2)."""

    UPPER = "upper"
    LOWER = "lower"
    DIGIT = "digit"
    SPECIAL = "special"


_IS: Mapping[CharacterKind, Callable[[str], bool]] = {
    CharacterKind.UPPER: str.isupper,
    CharacterKind.LOWER: str.islower,
    CharacterKind.DIGIT: str.isdecimal,
    CharacterKind.SPECIAL: lambda each: not each.isalnum() and not each.isspace(),
}
_WORDS: Mapping[CharacterKind, str] = {
    CharacterKind.UPPER: "an upper-case letter",
    CharacterKind.LOWER: "a lower-case letter",
    CharacterKind.DIGIT: "a digit",
    CharacterKind.SPECIAL: "a special character (no letter, digit or space)",
}


class DemandsError(ValueError):
    """The data folder's file cannot be understood; the message says which and why."""


@dataclass(frozen=True, slots=True)
class PasswordDemands:
    """At least `minimum_length` characters, and one of each of `kinds`."""

    minimum_length: int = MINIMUM_LENGTH
    kinds: frozenset[CharacterKind] = frozenset()

    def missing(self, password: str) -> str:
        """The kinds of characters that it lacks, in words; "" for none."""
        lacking = (kind for kind in self.kinds if not any(map(_IS[kind], password)))
        return in_words(lacking)

    def keep(self, folder: Path) -> None:
        """Write it into the data folder, where it is not there already. Raises OSError."""
        path = folder / FILE
        kept = {"minimum_length": self.minimum_length, "require": sorted(self.kinds)}
        content = f"{json.dumps(kept)}\n".encode()
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)

    @classmethod
    def of(cls, folder: Path) -> PasswordDemands:
        """What the last start of a gateway asked for; the least where there was none.

        Raises DemandsError, OSError.
        """
        path = folder / FILE
        try:
            kept = json.loads(path.read_bytes())
            kinds = frozenset(map(CharacterKind, kept["require"]))
            length = kept["minimum_length"]
            if type(length) is not int or length < MINIMUM_LENGTH:
                raise ValueError(f"minimum_length is {length!r}")
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError, TypeError) as error:
            raise DemandsError(
                f"{path} does not say what passwords are asked for ({error}): remove it, and the "
                "next start writes it from the site file"
            ) from error
        return cls(length, kinds)


def in_words(kinds: Iterable[CharacterKind]) -> str:
    """Kinds of characters as people say them, in one order; "" for none."""
    wanted = frozenset(kinds)
    return ", ".join(words for kind, words in _WORDS.items() if kind in wanted)
