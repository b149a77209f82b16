"""Changes that wait for ApplyChanges, of one session at a time (Part 12, 7.10.2)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes
from biogate_security.pki_update import OwnUpdate, PkiUpdate
from biogate_security.trust_content import Group, TrustContent


@dataclass(slots=True)
class Transaction:
    """What one session has asked for since it began. Times are FILETIME ticks."""

    session: Hashable
    started: int
    own: OwnUpdate | None = None
    lists: dict[Group, TrustContent] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to apply."""
        return self.own is None and not self.lists

    @property
    def update(self) -> PkiUpdate:
        """All of it."""
        return PkiUpdate(self.own, dict(self.lists))


@dataclass(frozen=True, slots=True)
class Ended:
    """The last transaction, for TransactionDiagnostics (7.10.17). `result` is a StatusCode."""

    started: int
    ended: int
    result: int
    lists: tuple[Group, ...]
    certificate: bool
    message: str = ""


class Transactions:
    """At most one at a time."""

    def __init__(self) -> None:
        self.current: Transaction | None = None
        self.last: Ended | None = None

    def join(self, session: Hashable, now: int) -> Transaction:
        """The session's transaction, begun if there is none.

        Raises StatusError Bad_TransactionPending while another session has one.
        """
        current = self.current
        if current is None:
            self.current = current = Transaction(session, now)
        elif current.session != session:
            raise StatusError(StatusCodes.BadTransactionPending)
        return current

    def require_none(self) -> None:
        """Raises StatusError Bad_TransactionPending where there is one, whoever's."""
        if self.current is not None:
            raise StatusError(StatusCodes.BadTransactionPending)

    def of(self, session: Hashable) -> Transaction:
        """The session's. Raises StatusError Bad_NothingToDo, or Bad_SessionIdInvalid for another's
        (7.10.9, 7.10.11)."""
        if self.current is None:
            raise StatusError(StatusCodes.BadNothingToDo)
        if self.current.session != session:
            raise StatusError(StatusCodes.BadSessionIdInvalid)
        return self.current

    def end(self, now: int, result: int, message: str = "") -> None:
        """It is over, whatever came of it."""
        current, self.current = self.current, None
        if current is not None:
            lists = tuple(current.lists)
            certificate = current.own is not None
            self.last = Ended(current.started, now, result, lists, certificate, message)

    def drop_if_empty(self) -> None:
        """A session that changed its mind does not keep the others waiting."""
        if self.current is not None and self.current.empty:
            self.current = None
