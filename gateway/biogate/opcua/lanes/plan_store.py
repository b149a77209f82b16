"""Requests that were answered before, recognised by their bytes: comparing is all that it takes.

What was learned from a request is a *plan*: how to answer the same bytes without decoding them.
Short ones are found by hash, long ones by comparison with those of the same length, beginning and
end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from biogate.opcua.lanes.header import PARAMETERS

if TYPE_CHECKING:
    from biogate.opcua.session import Session

_SHORT = 256
_SAMPLE = 64
_ALIKE = 8
_OWN_BYTES = 2 << 20
_ALL_BYTES = 32 << 20


class Plan(Protocol):
    """`parameters`: the bytes of the request from the store's `begin` on. `key`: the `rights.key`
    that the plan was made under, without which it is void. `size`: the bytes that it takes in
    memory."""

    @property
    def parameters(self) -> bytes: ...

    @property
    def key(self) -> tuple[int, int, int]: ...

    @property
    def size(self) -> int: ...


P = TypeVar("P", bound=Plan)


def same_bytes(plan: Plan, message: bytes) -> bool:
    """True when the request has the very parameters of the plan's."""
    return message.endswith(plan.parameters)


class PlanStore(Generic[P]):
    """The plans of all sessions for one kind of request.

    A session keeps those that it used last, up to `own_bytes`; all sessions together have
    `all_bytes`, and whoever has most gives up plans first. Requests are compared from `begin` on.
    `matches` tells whether a plan is for a request of the same length; where other bytes than the
    plan's will do, `short` must be 0.
    """

    def __init__(
        self,
        own_bytes: int = _OWN_BYTES,
        all_bytes: int = _ALL_BYTES,
        *,
        matches: Callable[[P, bytes], bool] = same_bytes,
        short: int = _SHORT,
        begin: int = PARAMETERS,
    ) -> None:
        self._matches = matches
        self._short = short
        self._begin = begin
        self._own_bytes = own_bytes
        self._all_bytes = all_bytes
        self._of: dict[Session, _Plans[P]] = {}

    @property
    def size(self) -> int:
        """The bytes that all plans take."""
        return sum(plans.size for plans in self._of.values())

    def find(self, session: Session, message: bytes) -> P | None:
        """The plan for a request with a header of the usual shape, if it still holds."""
        plans = self._of.get(session)
        if plans is None:
            return None
        plan = plans.find(message)
        if plan is None:
            return None
        if plan.key != session.rights.key:
            plans.drop(plan)
            return None
        return plan

    def learn(self, session: Session, plan: P) -> None:
        """Remember a plan; one that is too large alone is not."""
        if plan.size > self._own_bytes or session.closed:
            return
        plans = self._of.get(session)
        if plans is None:
            plans = self._of[session] = _Plans(self._matches, self._short, self._begin)
        plans.add(plan)
        plans.shrink(self._own_bytes)
        while (excess := self.size - self._all_bytes) > 0:
            largest = max(self._of.values(), key=lambda other: other.size)
            largest.shrink(largest.size - excess)

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._of.pop(session, None)


class _Plans(Generic[P]):
    """One session's, least recently used first."""

    def __init__(self, matches: Callable[[P, bytes], bool], short: int, begin: int) -> None:
        self.size = 0
        self._begin = begin
        self._matches = matches
        self._short_length = short
        self._sample = _SAMPLE if short else 0
        self._order: OrderedDict[P, None] = OrderedDict()
        self._short: dict[bytes, P] = {}
        self._long: dict[tuple[int, bytes], list[P]] = {}

    def find(self, message: bytes) -> P | None:
        if len(message) - self._begin <= self._short_length:
            plan = self._short.get(message[self._begin :])
        else:
            alike = self._long.get(self._key(message), ())
            plan = next((p for p in alike if self._matches(p, message)), None)
        if plan is not None:
            self._order.move_to_end(plan)
        return plan

    def _key(self, message: bytes) -> tuple[int, bytes]:
        """What long requests are told apart by before they are compared."""
        sample, begin = self._sample, self._begin
        if not sample:
            return len(message), b""
        return len(message), message[begin : begin + sample] + message[-sample:]

    def add(self, plan: P) -> None:
        message = bytes(self._begin) + plan.parameters
        known = self.find(message)
        if known is not None:
            self.drop(known)
        if len(plan.parameters) <= self._short_length:
            self._short[plan.parameters] = plan
        else:
            alike = self._long.setdefault(self._key(message), [])
            alike.append(plan)
            if len(alike) > _ALIKE:
                self.drop(alike[0])
        self._order[plan] = None
        self.size += plan.size

    def drop(self, plan: P) -> None:
        self.size -= plan.size
        del self._order[plan]
        if len(plan.parameters) <= self._short_length:
            del self._short[plan.parameters]
            return
        key = self._key(bytes(self._begin) + plan.parameters)
        self._long[key].remove(plan)
        if not self._long[key]:
            del self._long[key]

    def shrink(self, size: int) -> None:
        """Drop plans until they take no more than `size` bytes."""
        while self.size > max(size, 0):
            self.drop(next(iter(self._order)))
