"""The way of a command: policy, limits, audit record, device (docs/architecture.md, 13).

Every write of a device's signal, from an OPC UA client or from the embedding program, passes
through `CommandService.write`, that of a variable without a device through `write_stored`.
If the audit record cannot be stored, it does not happen.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from biogate.crossings import CommandPlaces, Crossings
from biogate.declared.routes import StoredRoute, numbers_of, one_write, stored_text
from biogate.opcua.ports import OnRecord, StoredValue, StoredWrites, UnfitValue
from biogate.opcua.space.places import Place
from biogate.opcua.stack import StatusCodes, status_name
from biogate.records import Records, needs_signature, signed
from biogate.signatures.signature import Signature
from biogate_adapters.contract import Signal, WriteResult
from biogate_adapters.filetime import TICKS_PER_SECOND, now_ticks
from biogate_adapters.status import is_bad
from biogate_security.audit import AuditRecord, AuditSink, AuditUnavailableError
from biogate_security.log_budget import LogBudget
from biogate_security.policy import (
    STATUS_AND_TIME,
    Action,
    Decision,
    Policy,
    Resource,
    Subject,
    WriteLimits,
)

_log = logging.getLogger(__name__)
_SHOWN_CHARACTERS = 100


class Writer(Protocol):
    """What carries a write to the device: a device's supervisor."""

    async def write(self, signal: int, value: float | str) -> WriteResult: ...


@dataclass(frozen=True, slots=True)
class WriteRoute:
    """Where a tag's writes go, and the limits they must keep.

    `low`/`high` are in the signal's unit; None is no limit. `limits` are those that depend on
    more than the value: the step from the present one, the rate.
    """

    tag_name: str
    device: str
    signal: Signal
    writer: Writer
    low: float | None
    high: float | None
    limits: WriteLimits | None = None


class CommandService:
    """Carries permitted, limited and recorded writes to devices. One per gateway."""

    def __init__(
        self,
        policy: Policy,
        audit: AuditSink,
        *,
        read_text: Callable[[int], str],
        store: Callable[[StoredWrites], None],
        clock: Callable[[], int] = now_ticks,
        batch_id_of: Callable[[str], str] = lambda _tag: "",
        crossings: Crossings | None = None,
        places: CommandPlaces | None = None,
    ) -> None:
        """`read_text` gives a tag's present value for records, `store` sets stored values.

        `batch_id_of` is that of `Records`. `crossings` and `places` are for a site with zones:
        what crosses from one to another has limits of its own.
        """
        self._crossings = crossings or Crossings(policy, clock)
        self._places = places
        self._records = Records(audit, clock, batch_id_of=batch_id_of)
        self._read_text = read_text
        self._store = store
        self._clock = clock
        self._routes: dict[int, WriteRoute] = {}
        self._stored: dict[int, StoredRoute] = {}
        self._running: set[asyncio.Task[int]] = set()
        self._budgets: defaultdict[str, LogBudget] = defaultdict(LogBudget)
        self.signed_tags: frozenset[int] = frozenset()
        """Tags that are written only by what somebody has signed."""
        self.counters: Counter[str] = Counter()

    def add_route(self, tag: int, route: WriteRoute) -> None:
        """Make `tag` writable through `route`."""
        self._routes[tag] = route

    def add_stored(self, tag: int, route: StoredRoute) -> None:
        """Make the variable without a device behind `tag` writable."""
        self._stored[tag] = route

    async def write(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        value: float | str | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
        signature: Signature | None = None,
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
        resource = self._resource(route.tag_name, node_id, route.device)
        decision = self._decide(subject, tag, resource, signature)
        refused = self._refuse(decision, route, value)
        numbers = () if isinstance(value, str | UnfitValue) else (value,)
        if refused is None:
            decision, refused = self._limit(decision, tag, route, numbers)
        entry = replace(
            self._records.entry("write", subject, resource, decision),
            old=self._read_text(tag),
            new=repr(value),
            client_audit_entry_id=client_audit_entry_id,
        )
        entry = signed(entry, signature)
        if refused is not None:
            self._crossings.tell_refused(decision, subject, resource)
            await self._records.refusal(entry, refused, on_record)
            return refused
        assert not isinstance(value, UnfitValue)  # that is refused above
        done = self._watch(tag, numbers)
        again = partial(self._crossings.decide, subject, Action.WRITE, resource)
        return await self._finish(self._perform(route, entry, value, on_record, again), done)

    async def write_stored(
        self,
        subject: Subject,
        tag: int,
        node_id: str,
        write: StoredValue | UnfitValue,
        *,
        client_audit_entry_id: str = "",
        on_record: OnRecord | None = None,
        signature: Signature | None = None,
    ) -> int:
        """Set a variable without a device and return the StatusCode for the client.

        As `write`, but the outcome is certain once it is recorded: there is one record, not two,
        and none where the site declares the variable unaudited. Bad_UserAccessDenied also for a
        status that is not the writer's to set; the time then is the gateway's.
        """
        route = self._stored.get(tag)
        if route is None:
            return StatusCodes.BadNotWritable
        resource = self._resource(route.tag_name, node_id)
        write = self._restated(subject, resource, write)
        decision = self._decide(subject, tag, resource, signature)
        refused = self._refuse_stored(decision, route, write)
        numbers = () if isinstance(write, UnfitValue) else numbers_of(write)
        if refused is None:
            decision, refused = self._limit(decision, tag, route, numbers)
        entry = replace(
            self._records.entry("write", subject, resource, decision),
            old=self._read_text(tag),
            new=repr(write) if isinstance(write, UnfitValue) else stored_text(write),
            client_audit_entry_id=client_audit_entry_id,
        )
        entry = signed(entry, signature)
        if refused is not None:
            self._crossings.tell_refused(decision, subject, resource)
            await self._records.refusal(entry, refused, on_record)
            return refused
        assert not isinstance(write, UnfitValue)  # that is refused above
        record = entry if decision.audited else None
        done = self._watch(tag, numbers)
        again = partial(self._crossings.decide, subject, Action.WRITE, resource)
        work = self._store_one(tag, route, record, write, on_record, again)
        return await self._finish(work, done)

    def write_unaudited(self, writes: StoredWrites) -> None:
        """Set variables without a device that are declared unaudited, all in one go."""
        self._store(writes)
        self.counters["written"] += len(writes.tag)

    def _decide(
        self, subject: Subject, tag: int, resource: Resource, signature: Signature | None
    ) -> Decision:
        decision = self._crossings.decide(subject, Action.WRITE, resource)
        if decision.allow and signature is None and tag in self.signed_tags:
            return needs_signature(decision)
        return decision

    def _restated(
        self, subject: Subject, resource: Resource, write: StoredValue | UnfitValue
    ) -> StoredValue | UnfitValue:
        """How good a value is, and from when, is for some roles to say; else it is Good, as of
        now."""
        asked = replace(resource, attribute=STATUS_AND_TIME)
        if isinstance(write, UnfitValue):
            return write
        if self._crossings.decide(subject, Action.WRITE, asked).allow:
            return write
        if write.status != StatusCodes.Good:
            return UnfitValue(StatusCodes.BadUserAccessDenied, stored_text(write))
        return replace(write, source_time=self._clock())

    def _resource(self, tag_name: str, node_id: str, device: str = "") -> Resource:
        place = Place() if self._places is None else self._places.of_tag(tag_name, node_id)
        return Resource(
            node_id,
            "Value",
            tag_name,
            device,
            is_setpoint=True,
            zone=place.zone,
            part=place.part,
        )

    def _limit(
        self,
        decision: Decision,
        tag: int,
        route: WriteRoute | StoredRoute,
        numbers: Sequence[float],
    ) -> tuple[Decision, int | None]:
        """Hold an allowed write to what depends on more than its value: conduit, step, rate."""
        limited, refused = self._crossings.limit_write(decision, tag, numbers, route.limits)
        if refused is not None:
            self._failed("limited", route.tag_name, list(numbers), limited.reason)
        return limited, refused

    def _watch(self, tag: int, numbers: Sequence[float]) -> Callable[[int], None] | None:
        """Let the steps of further writes begin where this one leads."""
        return self._crossings.writing(tag, numbers[0]) if len(numbers) == 1 else None

    async def drain(self) -> None:
        """Wait until the writes under way have their recorded outcome."""
        await asyncio.gather(*self._running)
        await self._records.close()

    async def _finish(
        self, work: Coroutine[Any, Any, int], done: Callable[[int], None] | None
    ) -> int:
        """Shielded: a write runs to its end even if who asked for it has gone.

        For its record may be stored by then, or be on its way. `done` is told what came of it.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if done is not None:
            task.add_done_callback(lambda ended: done(_code_of(ended)))
        return await asyncio.shield(task)

    async def _perform(
        self,
        route: WriteRoute,
        entry: AuditRecord,
        value: float | str,
        on_record: OnRecord | None,
        again: Callable[[], Decision],
    ) -> int:
        try:
            await self._records.intention(entry, on_record)
        except AuditUnavailableError as error:
            self._failed("audit_unavailable", route.tag_name, value, str(error))
            return StatusCodes.BadResourceUnavailable
        if not (decision := again()).allow:
            return await self._withdrawn(entry, value, decision)
        result = await route.writer.write(route.signal.index, value)
        await self._records.outcome(entry, result.status)
        self._count(route, value, result)
        return result.status

    async def _store_one(
        self,
        tag: int,
        route: StoredRoute,
        entry: AuditRecord | None,
        write: StoredValue,
        on_record: OnRecord | None,
        again: Callable[[], Decision],
    ) -> int:
        try:
            if entry is not None:
                await self._records.intention(entry, on_record)
        except AuditUnavailableError as error:
            self._failed("audit_unavailable", route.tag_name, stored_text(write), str(error))
            return StatusCodes.BadResourceUnavailable
        if entry is not None and not (decision := again()).allow:
            return await self._withdrawn(entry, write, decision)
        self.write_unaudited(one_write(tag, write))
        route.took(write)
        return StatusCodes.Good

    async def _withdrawn(self, entry: AuditRecord, value: object, decision: Decision) -> int:
        """The right has gone while the record was being stored, such as by a conduit's closing."""
        code = StatusCodes.BadUserAccessDenied
        self._failed("denied", entry.tag, value, decision.reason)
        entry = replace(entry, rule=decision.rule, reason=decision.reason)
        await self._records.outcome(entry, code)
        return code

    def _refuse(
        self, decision: Decision, route: WriteRoute, value: float | str | UnfitValue
    ) -> int | None:
        refused = self._refuse_any(decision, route.tag_name, value)
        if refused is not None or isinstance(value, str | UnfitValue):
            return refused
        low = -math.inf if route.low is None else route.low
        high = math.inf if route.high is None else route.high
        if not math.isfinite(value) or not low <= value <= high:
            reason = f"allowed is {low:g} to {high:g}"
            self._failed("out_of_range", route.tag_name, value, reason)
            return StatusCodes.BadOutOfRange
        return None

    def _refuse_stored(
        self, decision: Decision, route: StoredRoute, write: StoredValue | UnfitValue
    ) -> int | None:
        refused = self._refuse_any(decision, route.tag_name, write)
        if refused is not None or isinstance(write, UnfitValue):
            return refused
        if route.takes(write):
            return None
        self._failed("out_of_range", route.tag_name, stored_text(write), route.allowed)
        return StatusCodes.BadOutOfRange

    def _refuse_any(self, decision: Decision, tag: str, value: object) -> int | None:
        """What holds for every write: the policy, and that the value is one at all."""
        if not decision.allow:
            self._failed("denied", tag, value, decision.reason)
            return StatusCodes.BadUserAccessDenied
        if isinstance(value, UnfitValue):
            self._failed("unfit", tag, value, f"not a value for it: {status_name(value.status)}")
            return value.status
        return None

    def _count(self, route: WriteRoute, value: float | str, result: WriteResult) -> None:
        if is_bad(result.status):
            self._failed("device_failed", route.tag_name, value, result.message)
            return
        self.counters["written"] += 1
        _log.info("written", extra={"tag": route.tag_name, "value": value})

    def _failed(self, kind: str, tag: str, value: object, reason: str) -> None:
        self.counters[kind] += 1
        left_out = self._budgets[kind].spend(self._clock() / TICKS_PER_SECOND)
        if left_out is None:
            return
        if isinstance(value, StoredValue):
            value = stored_text(value)
        shown = value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value
        context = {"tag": tag, "value": shown, "kind": kind, "reason": reason}
        message = "write failed" if kind == "device_failed" else "write refused"
        _log.warning(message, extra={**context, "lines_left_out": left_out})


def _code_of(ended: asyncio.Task[int]) -> int:
    """What a write came to; of one that did not come to an end nobody knows."""
    if ended.cancelled() or ended.exception() is not None:
        return StatusCodes.BadUnexpectedError
    return ended.result()
