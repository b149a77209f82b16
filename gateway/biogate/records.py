"""Audit records of commands: the intention before anything happens, refusals, the outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from biogate.opcua.stack import status_name
from biogate_security.audit import AuditRecord, AuditSink, AuditUnavailableError
from biogate_security.policy import Decision, Resource, Subject

_log = logging.getLogger(__name__)


class Records:
    """Writes the records of commands. `clock` is wall time in FILETIME ticks."""

    def __init__(self, audit: AuditSink, clock: Callable[[], int]) -> None:
        self._audit = audit
        self._clock = clock

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
        )

    async def intention(self, entry: AuditRecord) -> None:
        """Store what is about to happen. Raises AuditUnavailableError: then it must not."""
        await self._audit.record(entry)

    async def refusal(self, entry: AuditRecord, code: int) -> None:
        """Store that it did not happen, and the StatusCode that says why."""
        try:
            await self._audit.record(replace(entry, event=f"{entry.event}-refused", outcome=code))
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


def _what(entry: AuditRecord) -> dict[str, str]:
    return {"tag": entry.tag} if entry.tag else {"node": entry.node_id}
