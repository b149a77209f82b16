"""Calls of the core's Methods for clients of a zone: judged again, and run here (Part 4, 5.12)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from biogate.opcua.ports import OnRecord
from biogate.opcua.services.method import call_one, refused_call
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.methods import MethodCall
from biogate.opcua.space.rights import Rights, RightsView
from biogate.opcua.stack import ua
from biogate_security.log_budget import LogBudget
from biogate_security.policy import Subject

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Session:
    """What a Method may know of the session, which is in the zone's process."""

    name: str


@dataclass(slots=True)
class CallContext:
    """What a Method's handler gets in place of a RequestContext."""

    server: Calls
    subject: Subject
    rights: RightsView
    request_header: ua.RequestHeader

    @property
    def session(self) -> _Session:
        return _Session(self.subject.session_id)

    def warn(self, message: str, **context: object) -> None:
        """A log line about the call, unless there are too many already."""
        left_out = self.server.lines.spend(self.server.clock())
        if left_out is not None:
            extra = {"zone": self.subject.zone, **context, "lines_left_out": left_out}
            _log.warning(message, extra=extra)


@dataclass(slots=True)
class Calls:
    """Carries out calls for all zones. `clock` is monotonic seconds."""

    space: AddressSpace
    rights: Rights
    clock: Callable[[], float]
    lines: LogBudget = field(default_factory=LogBudget)
    counters: Counter[str] = field(default_factory=Counter)

    async def call(
        self,
        subject: Subject,
        item: ua.CallMethodRequest,
        audit_entry_id: str,
        on_record: OnRecord | None,
    ) -> bytes:
        """The CallMethodResult, encoded."""
        return await call_one(self._context(subject, audit_entry_id), item, on_record)

    async def refused(
        self,
        subject: Subject,
        item: ua.CallMethodRequest,
        audit_entry_id: str,
        status: int,
        on_record: OnRecord | None,
    ) -> bytes:
        """Record that the zone refused a call; it is not made, whatever the core thinks of it."""
        context, arguments = self._context(subject, audit_entry_id), item.InputArguments or []
        call = MethodCall(context, item.ObjectId, item.MethodId, arguments, on_record)
        await self.space.methods.refused(call, status)
        return refused_call(status)

    def _context(self, subject: Subject, audit_entry_id: str) -> Any:
        header = ua.RequestHeader(AuditEntryId=ua.String(audit_entry_id))
        return cast(Any, CallContext(self, subject, self.rights.view(subject), header))

    def log_failure(self, message: str, error: Exception, **context: object) -> None:
        """A log line with the traceback of a fault of our own, unless there are too many."""
        left_out = self.lines.spend(self.clock())
        if left_out is not None:
            _log.error(message, exc_info=error, extra={**context, "lines_left_out": left_out})
