"""Changes that wait for a second person: bounded, and forgotten after a while. No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from biogate.opcua.stack import ua
from biogate.signatures.signature import Signature, Signing
from biogate_security.policy import Subject

MAX_PENDING, MAX_PER_USER = 200, 20
EXPIRES_S = 900.0
_ID_BYTES = 8

Perform = Callable[[Signature], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class PendingChange:
    """What `first` asks for. `shown` is the new value as text; `perform` makes the change."""

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


class FullError(Exception):
    """Too many changes wait already."""


class PendingChanges:
    """`clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changes: dict[str, PendingChange] = {}

    def __iter__(self) -> Iterator[PendingChange]:
        now_s = self._clock()
        return iter([change for change in self._changes.values() if change.expires_s > now_s])

    def new_id(self) -> str:
        """An id that nobody guesses."""
        return secrets.token_hex(_ID_BYTES)

    def check_room(self, user: str) -> None:
        """Raises FullError."""
        waiting = list(self)
        if len(waiting) >= MAX_PENDING:
            raise FullError(f"{MAX_PENDING} changes wait for approval already")
        if sum(change.first.user == user for change in waiting) >= MAX_PER_USER:
            raise FullError(f"{MAX_PER_USER} changes of {user} wait for approval already")

    def add(self, change: PendingChange) -> None:
        """Let it wait. Raises FullError."""
        self.check_room(change.first.user)
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
