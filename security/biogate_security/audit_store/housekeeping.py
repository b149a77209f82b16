"""What a log does by the clock: checkpoints, room, retention, verification in the background."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_store.background import verify_apart
from biogate_security.audit_store.retention import RetentionError, drop_payloads, droppable
from biogate_security.audit_store.state import AuditState
from biogate_security.audit_store.walk import RETENTION_EVENT
from biogate_security.filetime import TICKS_PER_SECOND
from biogate_security.threads import in_thread

if TYPE_CHECKING:
    from biogate_security.audit_log import AuditLog

TICK_S = 1.0
RETENTION_EVERY_S = 3600.0
RETRY_S = 5.0
FIRST_VERIFICATION_S = 60.0
MOST_AHEAD_S = 3600.0
"""How much faster than its monotonic clock a log's clock may have gone for its word on ages."""
_DAY_TICKS = 86_400 * TICKS_PER_SECOND
_log = logging.getLogger(__name__)
Verification = Callable[[Path], Awaitable[list[str]]]


class Housekeeping:
    """The log's duties by the clock. Times are seconds of a monotonic clock."""

    def __init__(self, log: AuditLog, now: float, verify: Verification = verify_apart) -> None:
        self._audit = log
        self._verify = verify
        self._began = (now, log.clock())
        self._doubted = False
        self._next_checkpoint = now + log.options.checkpoint_interval_s
        self._next_retry = now
        self._next_retention = now
        self._next_verification = now + FIRST_VERIFICATION_S
        self._verifying: asyncio.Task[None] | None = None
        self._told = ""

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                await self.tick(loop.time())
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Give up a verification that is under way."""
        if self._verifying is not None:
            self._verifying.cancel()
            await asyncio.wait([self._verifying])

    async def tick(self, now: float) -> None:
        """Do what is due at `now`. A log that takes no records has said so itself."""
        with suppress(AuditUnavailableError):
            self._look_at_room()
            await self._sign(now)
            if self._audit.options.retention_days is not None and now >= self._next_retention:
                self._next_retention = now + RETENTION_EVERY_S
                if self._believes_clock(now):
                    await self.apply_retention(self._audit.options.retention_days)
        self._begin_verification(now)

    def _look_at_room(self) -> None:
        try:
            self._audit.look_at_room()
        except OSError as error:
            raise AuditUnavailableError(str(error)) from error

    async def _sign(self, now: float) -> None:
        """A checkpoint where one is due; and a try, where the log refused the last record."""
        due = now >= self._next_checkpoint and self._audit.unsigned_records > 0
        retry = now >= self._next_retry and self._audit.state is AuditState.UNAVAILABLE
        if not due and not retry:
            return
        self._next_retry = now + RETRY_S
        await self._audit.make_checkpoint()
        self._next_checkpoint = now + self._audit.options.checkpoint_interval_s

    def _believes_clock(self, now: float) -> bool:
        """False while the clock is set forward: nothing has become older by that."""
        monotonic, wall = self._began
        ahead_s = (self._audit.clock() - wall) / TICKS_PER_SECOND - (now - monotonic)
        doubted, self._doubted = self._doubted, ahead_s > MOST_AHEAD_S
        if self._doubted and not doubted:
            _log.warning(
                "retention waits: the clock was set forward by %.0f s; if it is right now, restart",
                ahead_s,
            )
        return not self._doubted

    async def apply_retention(self, days: float) -> None:
        """Record that old payloads go, then drop them. Raises AuditUnavailableError."""
        before = self._audit.clock() - int(days * _DAY_TICKS)
        try:
            due = await asyncio.to_thread(droppable, self._audit.folder, before)
            if due is None:
                return
            names = ", ".join(path.stem for path in due.paths)
            text = f"older than {days:g} days: payloads of segments {names} go, their hashes stay"
            await self._audit.note(RETENTION_EVENT, text, new=str(due.last_seq))
            for path in due.paths:
                await in_thread(partial(drop_payloads, path))
        except RetentionError as error:
            await self._found(str(error))
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.warning("retention is put off: %s", error)

    def _begin_verification(self, now: float) -> None:
        every = self._audit.options.verify_interval_s
        if every is None or now < self._next_verification:
            return
        self._next_verification = now + every
        if self._verifying is None or self._verifying.done():
            self._verifying = asyncio.create_task(self.verify(), name="audit verification")

    async def verify(self) -> None:
        """Verify the whole log apart from this process; show, log and record a break, once."""
        try:
            problems = await self._verify(self._audit.folder)
        except OSError as error:
            _log.warning("the audit log was not verified: %s", error)
            return
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            with suppress(AuditUnavailableError):
                await self._found(problems[0] + more)
        else:
            self._told = ""
            self._audit.found_broken("")
            _log.info("audit log verified", extra={"folder": str(self._audit.folder)})

    async def _found(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            await self._audit.report_break(problem)
