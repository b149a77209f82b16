"""Audit records of commands: the intention before anything happens, refusals, the outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.ports import OnRecord, Receipt
from biogate.opcua.stack import status_name
from biogate.signatures.signature import Signature
from biogate_adapters.filetime import TICKS_PER_SECOND
from biogate_security.audit import AuditRecord, AuditSink, AuditUnavailableError, HashingSink
from biogate_security.policy import Decision, Resource, Subject
from biogate_security.record_budget import RecordBudget

_log = logging.getLogger(__name__)


class Records:
    """Writes the records of commands. `clock` is wall time in FILETIME ticks.

    Refusals are stored whole up to `RecordBudget`'s number for one kind, source and minute, and
    counted in one record from there on. `batch_id_of` names the batch that runs on what has a tag
    or NodeId.
    """

    def __init__(
        self,
        audit: AuditSink,
        clock: Callable[[], int],
        *,
        batch_id_of: Callable[[str], str] = lambda _tag: "",
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._batch_id_of = batch_id_of
        self._budget = RecordBudget()
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()

    def entry(
        self, event: str, subject: Subject, resource: Resource, decision: Decision
    ) -> AuditRecord:
        """Who asked for what now, and why they may or may not."""
        return AuditRecord(
            event=event,
            time=self._clock(),
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
            authentication=subject.authentication,
            conduit=decision.conduit,
            batch_id=self._batch_id_of(resource.tag or resource.node_id),
        )

    async def intention(self, entry: AuditRecord, on_record: OnRecord | None = None) -> None:
        """Store what is about to happen. Raises AuditUnavailableError: then it must not."""
        await self._store(entry, on_record)

    async def refusal(
        self, entry: AuditRecord, code: int, on_record: OnRecord | None = None
    ) -> None:
        """Store that it did not happen, and the StatusCode that says why."""
        refused = replace(entry, event=f"{entry.event}-refused", outcome=code)
        if not self._budget.take(refused, self._now_s()):
            self._flush_later()
            return
        try:
            await self._store(refused, on_record)
        except AuditUnavailableError:
            _log.exception("a refused %s could not be recorded", entry.event, extra=_what(entry))

    async def outcome(self, entry: AuditRecord, code: int) -> None:
        """Store what came of it, by its StatusCode."""
        done = replace(entry, event=f"{entry.event}-outcome", time=self._clock(), outcome=code)
        try:
            await self._audit.record(done)
        except AuditUnavailableError:
            _log.exception(
                "the outcome of a %s could not be recorded (its intention was)",
                entry.event,
                extra={**_what(entry), "outcome": status_name(code)},
            )

    async def close(self) -> None:
        """Record at once how many refusals were left out so far."""
        if self._flush is not None:
            self._flush.cancel()
        await self._store_left_out(float("inf"))
        await asyncio.gather(*self._flushing)

    async def _store(self, entry: AuditRecord, on_record: OnRecord | None) -> None:
        """Raises AuditUnavailableError."""
        if isinstance(self._audit, HashingSink):
            stored = await self._audit.store(entry)
            number, hashed = stored.seq, stored.hash
        else:
            number, hashed = await self._audit.record(entry), b""
        if on_record is None:
            return
        given = entry.reason if entry.meaning else ""
        on_record(
            Receipt(
                number,
                hashed,
                entry.conduit,
                entry.batch_id,
                given,
                entry.meaning,
                entry.second_user,
            )
        )

    def _now_s(self) -> float:
        return self._clock() / TICKS_PER_SECOND

    def _flush_later(self) -> None:
        if self._flush is not None:
            return
        due_s = self._budget.next_due_s
        if due_s is not None:
            wait_s = max(0.0, due_s - self._now_s())
            self._flush = asyncio.get_running_loop().call_later(wait_s, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        task = asyncio.create_task(self._store_left_out(self._now_s()))
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _store_left_out(self, now_s: float) -> None:
        for summary in self._budget.due(now_s):
            try:
                await self._audit.record(summary)
            except AuditUnavailableError:
                _log.exception("refusals could not be recorded", extra=_what(summary))
        self._flush_later()


def signed(entry: AuditRecord, signature: Signature | None) -> AuditRecord:
    """The record with what somebody has signed: meaning, reason, and who approved."""
    if signature is None:
        return entry
    return replace(
        entry,
        reason=signature.reason,
        meaning=signature.meaning,
        second_user=signature.second_user,
    )


def needs_signature(decision: Decision) -> Decision:
    """What was permitted is not, for want of a signature."""
    reason = "it needs an electronic signature: call RequestChange"
    return replace(decision, allow=False, reason=reason, rule="signature")


def _what(entry: AuditRecord) -> dict[str, str]:
    return {"tag": entry.tag} if entry.tag else {"node": entry.node_id}
