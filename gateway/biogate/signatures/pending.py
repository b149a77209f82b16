"""Changes that wait for a second person: bounded, and forgotten after a while. No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from biogate.opcua.stack import ua
from biogate.signatures.signature import Signature, Signing
from biogate_security.policy import Subject

MAX_PENDING, MAX_PER_USER = 200, 20
MAX_BYTES, MAX_BYTES_PER_USER = 8 << 20, 1 << 20
"""Of the encoded values that wait."""
EXPIRES_S = 900.0
_ID_BYTES = 8

Perform = Callable[[Signature, Subject], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class PendingChange:
    """What `first` asks for. `new` is the new value as text, `size` the bytes of it; `perform`
    makes the change, as a subject that has the rights for it."""

    id: str
    node: ua.NodeId
    subject: Subject
    first: Signing
    reason: str
    old: str
    new: str
    meanings: tuple[str, ...]
    approvers: frozenset[str]
    expires_s: float
    perform: Perform
    size: int = 0


class FullError(Exception):
    """Too many changes wait already."""


class PendingChanges:
    """`clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changes: dict[str, PendingChange] = {}
        self._unrecorded: dict[str, PendingChange] = {}

    def __iter__(self) -> Iterator[PendingChange]:
        now_s = self._clock()
        return iter([change for change in self._changes.values() if change.expires_s > now_s])

    def new_id(self) -> str:
        """An id that nobody guesses."""
        return secrets.token_hex(_ID_BYTES)

    def hold(self, change: PendingChange) -> None:
        """Keep a place for it: nobody finds it before `add`. Raises FullError."""
        user = change.first.user
        waiting = [*self, *self._unrecorded.values()]
        own = [each for each in waiting if each.first.user == user]
        if len(waiting) >= MAX_PENDING:
            raise FullError(f"{MAX_PENDING} changes wait for approval already")
        if len(own) >= MAX_PER_USER:
            raise FullError(f"{MAX_PER_USER} changes of {user} wait for approval already")
        left = min(MAX_BYTES - _size(waiting), MAX_BYTES_PER_USER - _size(own))
        if change.size > left:
            raise FullError("the values that wait for approval are too large together")
        self._unrecorded[change.id] = change

    def let_go(self, change: PendingChange) -> None:
        """Give up a place that was kept."""
        self._unrecorded.pop(change.id, None)

    def add(self, change: PendingChange) -> None:
        """Let it wait, or again. What has a place has it for good now."""
        self.let_go(change)
        self._changes[change.id] = change

    def find(self, change_id: str) -> PendingChange | None:
        """The change that waits under an id."""
        return next((change for change in self if change.id == change_id), None)

    def take(self, change_id: str) -> PendingChange | None:
        """The change, which waits no longer: of two who approve it, one does."""
        change = self.find(change_id)
        if change is not None:
            del self._changes[change_id]
        return change

    def expired(self) -> list[PendingChange]:
        """Those whose time is over; they are forgotten."""
        now_s = self._clock()
        over = [change for change in self._changes.values() if change.expires_s <= now_s]
        for change in over:
            del self._changes[change.id]
        return over


def _size(changes: Iterable[PendingChange]) -> int:
    return sum(change.size for change in changes)
