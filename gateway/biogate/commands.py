"""The way of a command: policy, limits, audit record, device (docs/architecture.md, 13).

Every write of a device's signal, from an OPC UA client or from the embedding program, passes
through `CommandService.write`. If its audit record cannot be stored, it does not happen.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from biogate.opcua.ports import UnfitValue
from biogate.opcua.stack import StatusCodes, status_name
from biogate_adapters.contract import Signal, WriteResult
from biogate_adapters.filetime import TICKS_PER_SECOND, now_ticks
from biogate_adapters.status import is_bad
from biogate_security.audit import AuditRecord, AuditSink, AuditUnavailableError
from biogate_security.log_budget import LogBudget
from biogate_security.policy import Action, Decision, Policy, Resource, Subject

_log = logging.getLogger(__name__)
_SHOWN_CHARACTERS = 100


class Writer(Protocol):
    """What carries a write to the device: a device's supervisor."""

    async def write(self, signal: int, value: float | str) -> WriteResult: ...


@dataclass(frozen=True, slots=True)
class WriteRoute:
    """Where a tag's writes go, and the limits they must keep.

    `low`/`high` are in the signal's unit; None is no limit.
    """

    tag_name: str
    device: str
    signal: Signal
    writer: Writer
    low: float | None
    high: float | None


class CommandService:
    """Carries permitted, limited and recorded writes to devices. One per gateway."""

    def __init__(
        self,
        policy: Policy,
        audit: AuditSink,
        *,
        read_text: Callable[[int], str],
        clock: Callable[[], int] = now_ticks,
    ) -> None:
        self._policy = policy
        self._audit = audit
        self._read_text = read_text
        self._clock = clock
        self._routes: dict[int, WriteRoute] = {}
        self._running: set[asyncio.Task[int]] = set()
        self._budgets: defaultdict[str, LogBudget] = defaultdict(LogBudget)
        self.counters: Counter[str] = Counter()

    def add_route(self, tag: int, route: WriteRoute) -> None:
        """Make `tag` writable through `route`."""
        self._routes[tag] = route

    async def write(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        value: float | str | UnfitValue,
        *,
        client_audit_entry_id: str = "",
    ) -> int:
        """Write `value` to the device behind `tag` and return the StatusCode for the client.

        Good: the device confirmed the value. Bad_NotWritable: no device behind the tag.
        Bad_UserAccessDenied: the policy says no. The status of an UnfitValue, which is never
        written. Bad_OutOfRange: not finite or beyond the limits. Bad_ResourceUnavailable: the
        audit record could not be stored, nothing was written. Otherwise the device's or the
        connection's own status.
        """
        route = self._routes.get(tag)
        if route is None:
            return StatusCodes.BadNotWritable
        resource = Resource(node_id, "Value", route.tag_name, route.device, is_setpoint=True)
        decision = self._policy.decide(subject, Action.WRITE, resource, self._clock())
        entry = replace(
            _entry(subject, resource, decision, self._clock()),
            old=self._read_text(tag),
            new=repr(value),
            client_audit_entry_id=client_audit_entry_id,
        )
        refused = self._refuse(decision, route, value)
        if refused is not None:
            await self._store_refusal(entry, refused)
            return refused
        assert not isinstance(value, UnfitValue)  # that is refused above
        return await self._carry_out(route, entry, value)

    async def _carry_out(self, route: WriteRoute, entry: AuditRecord, value: float | str) -> int:
        try:
            await self._audit.record(entry)
        except AuditUnavailableError as error:
            self._failed("audit_unavailable", route, value, str(error))
            return StatusCodes.BadResourceUnavailable
        # Shielded: once recorded, a write runs to its recorded outcome even if the client that
        # asked for it has gone.
        task = asyncio.create_task(self._perform(route, entry, value))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait until the writes under way have their recorded outcome."""
        await asyncio.gather(*self._running)

    async def _perform(self, route: WriteRoute, entry: AuditRecord, value: float | str) -> int:
        result = await route.writer.write(route.signal.index, value)
        await self._store_outcome(entry, result)
        self._count(route, value, result)
        return result.status

    def _refuse(
        self, decision: Decision, route: WriteRoute, value: float | str | UnfitValue
    ) -> int | None:
        if not decision.allow:
            self._failed("denied", route, value, decision.reason)
            return StatusCodes.BadUserAccessDenied
        if isinstance(value, UnfitValue):
            self._failed("unfit", route, value, f"not a value for it: {status_name(value.status)}")
            return value.status
        if isinstance(value, str):
            return None
        low = -math.inf if route.low is None else route.low
        high = math.inf if route.high is None else route.high
        if not math.isfinite(value) or not low <= value <= high:
            self._failed("out_of_range", route, value, f"allowed is {low:g} to {high:g}")
            return StatusCodes.BadOutOfRange
        return None

    async def _store_refusal(self, entry: AuditRecord, refused: int) -> None:
        try:
            await self._audit.record(replace(entry, event="write-refused", outcome=refused))
        except AuditUnavailableError:
            _log.exception("a refused write could not be recorded", extra={"tag": entry.tag})

    async def _store_outcome(self, entry: AuditRecord, result: WriteResult) -> None:
        try:
            await self._audit.record(
                replace(entry, event="write-outcome", time=self._clock(), outcome=result.status)
            )
        except AuditUnavailableError:
            _log.exception(
                "the outcome of a write could not be recorded (its intention was)",
                extra={"tag": entry.tag, "outcome": status_name(result.status)},
            )

    def _count(self, route: WriteRoute, value: float | str, result: WriteResult) -> None:
        if is_bad(result.status):
            self._failed("device_failed", route, value, result.message)
            return
        self.counters["written"] += 1
        _log.info("written", extra={"tag": route.tag_name, "value": value})

    def _failed(
        self, kind: str, route: WriteRoute, value: float | str | UnfitValue, reason: str
    ) -> None:
        self.counters[kind] += 1
        left_out = self._budgets[kind].spend(self._clock() / TICKS_PER_SECOND)
        if left_out is None:
            return
        shown = value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value
        context = {"tag": route.tag_name, "value": shown, "kind": kind, "reason": reason}
        message = "write failed" if kind == "device_failed" else "write refused"
        _log.warning(message, extra={**context, "lines_left_out": left_out})


def _entry(subject: Subject, resource: Resource, decision: Decision, now: int) -> AuditRecord:
    """Who asked for what, and why they may or may not."""
    return AuditRecord(
        event="write",
        time=now,
        user=subject.user,
        roles=tuple(sorted(subject.roles)),
        session_id=subject.session_id,
        application_uri=subject.application_uri,
        certificate_sha256=subject.certificate_sha256,
        address=subject.address,
        zone=subject.zone,
        node_id=resource.node_id,
        tag=resource.tag,
        attribute=resource.attribute,
        rule=decision.rule,
        reason=decision.reason,
    )
