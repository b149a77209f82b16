"""Checkpoints: a signed statement of how many records there are and what they hash to.

The form is C2SP tlog-checkpoint: origin, size, base64 root, then lines of our own (`time`; `every`,
after how many records the next one is due at the latest; and `next-key` where the log's key
changes: the old key so vouches for the new one).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from biogate_security.audit_store.merkle import HASH_BYTES
from biogate_security.audit_store.notes import Note, SigningKey, VerifyingKey, sign_note
from biogate_security.filetime import from_iso, to_iso

_TIME, _EVERY, _NEXT_KEY = "time ", "every ", "next-key "


def origin_of(log_id: str) -> str:
    """The name of a log, by which its checkpoints and keys are called."""
    return f"urn:biogate:audit:{log_id}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`size` records have the Merkle root `root`; signed at `time` (ticks, by the log's clock).

    `note` is the whole in its signed form, to be kept elsewhere; whether to believe it is for
    `KeyRing.believes`. `every` is None in notes of earlier versions.
    """

    origin: str
    size: int
    root: bytes
    time: int
    note: str
    next_key: VerifyingKey | None = None
    every: int | None = None

    @classmethod
    def sign(
        cls,
        origin: str,
        size: int,
        root: bytes,
        time: int,
        *keys: SigningKey,
        announce: bool = False,
        every: int | None = None,
    ) -> Self:
        """A new checkpoint; with `announce` the last key is named as the next one."""
        next_key = keys[-1].verifying if announce else None
        lines = [origin, str(size), base64.b64encode(root).decode(), f"{_TIME}{to_iso(time)}"]
        if every is not None:
            lines.append(f"{_EVERY}{every}")
        if next_key is not None:
            lines.append(f"{_NEXT_KEY}{next_key}")
        note = sign_note("".join(f"{line}\n" for line in lines), *keys)
        return cls(origin, size, root, time, note, next_key, every)

    @classmethod
    def parse(cls, note: str) -> Self:
        """Take a note apart. Raises ValueError for what is no checkpoint of an audit log."""
        lines = Note.parse(note).text.splitlines()
        if len(lines) < 4 or not all(lines):
            raise ValueError("not a checkpoint: origin, size, root and time")
        origin, size, root, *more = lines
        times, every, keys = (
            [line.removeprefix(kind) for line in more if line.startswith(kind)]
            for kind in (_TIME, _EVERY, _NEXT_KEY)
        )
        if len(times) != 1 or len(every) > 1 or len(keys) > 1:
            raise ValueError("not a checkpoint: it says one time, and nothing twice")
        return cls(
            origin,
            _size(size),
            _root(root),
            from_iso(times[0]),
            note,
            VerifyingKey.parse(keys[0]) if keys else None,
            _size(every[0]) if every else None,
        )


class KeyRing:
    """The keys whose word counts. A key that a trusted one announced is trusted from then on."""

    def __init__(self, keys: tuple[VerifyingKey, ...]) -> None:
        self._keys = {key.key_id: key for key in keys}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def believes(self, checkpoint: Checkpoint) -> bool:
        """Whether a trusted key signed it. Learns the next key, where that one signed it too."""
        note = Note.parse(checkpoint.note)
        if not any(
            key.name == checkpoint.origin and key.signed(note) for key in self._keys.values()
        ):
            return False
        following = checkpoint.next_key
        if following is not None and following.signed(note):
            self._keys[following.key_id] = following
        return True


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or text != str(int(text)):
        raise ValueError("not a checkpoint: the size is no number")
    return int(text)


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a checkpoint: the root: {error}") from error
    if len(root) != HASH_BYTES:
        raise ValueError("not a checkpoint: the root has not 32 bytes")
    return root
