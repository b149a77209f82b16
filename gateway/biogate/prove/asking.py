"""Carry planned attempts out on a connection, and judge what comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from biogate.prove.attempt import (
    LIMITS,
    REFUSALS,
    TOO_OFTEN,
    Attempt,
    Expected,
    Result,
    Verdict,
    judge,
)
from biogate.prove.client import Connection, RefusedError, as_double
from biogate.prove.parts import Part
from biogate.prove.plan import Planned

NOT_FOR_A_PLANT = "it would change the plant: only with --allow-writes"
_MINUTE_S = 60.0


@dataclass(slots=True)
class AttemptLog:
    """Results in the order in which they came, numbered."""

    results: list[Result] = field(default_factory=list)

    def add(self, attempt: Attempt, status: str, verdict: Verdict, detail: str = "") -> Result:
        """Note one."""
        result = Result(f"A{len(self.results) + 1:04}", attempt, status, verdict, detail)
        self.results.append(result)
        return result

    def judged(
        self, attempt: Attempt, status: str, refusals: frozenset[str] = REFUSALS, detail: str = ""
    ) -> Result:
        """Note one with the verdict that its status makes."""
        return self.add(attempt, status, judge(attempt.expected, status, refusals), detail)

    def left_out(self, attempt: Attempt, why: str) -> Result:
        """Note one that could not be made."""
        return self.add(attempt, "", Verdict.NOT_COVERED, why)


class Sent:
    """How many writes and calls were sent through each conduit in the last minute."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}

    def count(self, conduit: str) -> None:
        """Note that one more was sent."""
        self._times.setdefault(conduit, []).append(time.monotonic())

    def lately(self, conduit: str) -> int:
        """How many were."""
        horizon = time.monotonic() - _MINUTE_S
        return sum(sent > horizon for sent in self._times.get(conduit, ()))


class Asking:
    """One connection's attempts.

    `values` are present values by part, for writes that change nothing; `namespaces` has the URIs
    of all that any zone sees.
    """

    def __init__(
        self,
        connection: Connection,
        log: AttemptLog,
        *,
        values: MutableMapping[str, Any],
        namespaces: Sequence[str],
        sent: Sent,
        effects: bool,
        may_move: bool,
    ) -> None:
        """`effects`: whether writes that should be let are made; `may_move`: other values, too."""
        self.connection = connection
        self.log = log
        self.sent = sent
        self.effects = effects
        self.may_move = may_move
        self._values = values
        self._namespaces = namespaces
        self._nothing: Mapping[str, str] = {}

    async def ask(self, planned: Planned) -> Result:
        """Make an attempt; a connection that breaks is an answer, too."""
        attempt = planned.attempt
        if not self._nothing:
            self._nothing = await self.connection.answers_to_nothing()
        why_not = self._unwise(planned)
        if why_not:
            return self.log.left_out(attempt, why_not)
        try:
            status = await self._status(planned)
        except RefusedError as error:
            status = error.status
        if self._is_exhausted(planned, status):
            return self.log.left_out(attempt, "the conduit's rate was used up by the attempts")
        return await self._judge(planned, status)

    def value_of(self, part: Part) -> Any:
        """The present value as a Variant; None where nobody could read it."""
        return self._values.get(part.name)

    def note_value(self, part: Part, value: float) -> None:
        """The value was changed."""
        self._values[part.name] = as_double(value, self._values.get(part.name))

    async def write(self, part: Part, value: float | None = None) -> str:
        """Status of writing a number in the type that the variable has; None: its own value."""
        node = self.connection.node(part.node, self._namespaces)
        present = self.value_of(part)
        try:
            written = present if value is None else as_double(value, present)
            return await self.connection.write(node, written)
        except RefusedError as error:
            return error.status

    async def _judge(self, planned: Planned, status: str) -> Result:
        attempt = planned.attempt
        if attempt.expected is Expected.REFUSED and not planned.visible and status in REFUSALS:
            expected = await self._as_nothing(planned)
            if status != expected:
                detail = f"a node that does not exist gives {expected}: this tells that it does"
                return self.log.add(attempt, status, Verdict.LEAKS, detail)
        refusals = REFUSALS | LIMITS | TOO_OFTEN if attempt.expected is Expected.LET else REFUSALS
        return self.log.judged(attempt, status, refusals)

    async def _as_nothing(self, planned: Planned) -> str:
        """What the same action gives on a node that does not exist."""
        if planned.attempt.action == "call":
            owner = self.connection.node(planned.part.owner, self._namespaces)
            return await self.connection.call_nothing(owner)
        return self._nothing[planned.attempt.action]

    def _unwise(self, planned: Planned) -> str:
        """Why an attempt is not made; "" where it may be."""
        attempt, part = planned.attempt, planned.part
        if attempt.action == "write" and self.value_of(part) is None:
            return "its present value is not known, and no other is written to try"
        if attempt.action == "write" and attempt.expected is Expected.LET:
            if not self.effects:
                return NOT_FOR_A_PLANT
            return "" if self._keeps_bounds(planned) else "its present value is out of bounds"
        harmless = attempt.action != "call" or part.inputs > 0
        return "" if harmless or self.effects else NOT_FOR_A_PLANT

    def _keeps_bounds(self, planned: Planned) -> bool:
        number, reading = self.value_of(planned.part).Value, planned.reading
        if not isinstance(number, int | float):
            return True
        too_low = reading.low is not None and number < reading.low
        return not too_low and (reading.high is None or number <= reading.high)

    def _is_exhausted(self, planned: Planned, status: str) -> bool:
        most, conduit = planned.reading.per_minute, planned.reading.conduit
        if most is None:
            return False
        before = self.sent.lately(conduit)
        self.sent.count(conduit)
        return status not in ("Good", *REFUSALS) and before >= most

    async def _refresh(self, part: Part) -> None:
        """Take the value as it is now, where it can be read: an old one would undo a change."""
        status, value = await self.connection.read(
            self.connection.node(part.node, self._namespaces)
        )
        if status == "Good" and value is not None:
            self._values[part.name] = value

    async def _status(self, planned: Planned) -> str:
        part, connection = planned.part, self.connection
        node = connection.node(part.node, self._namespaces)
        match planned.attempt.action:
            case "browse":
                return (await connection.browse(node))[0]
            case "read":
                return (await connection.read(node))[0]
            case "subscribe":
                return await connection.subscribe(node)
            case "write":
                await self._refresh(part)
                return await connection.write(node, self.value_of(part))
            case "call":
                return await connection.call(connection.node(part.owner, self._namespaces), node)
            case "history":
                return await connection.history(node)
            case _:
                return await connection.subscribe(node, events=True)
