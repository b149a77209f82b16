"""Keeps a zone's process alive: starts it, pings it, and replaces it when it dies or hangs.

The core's loop does nothing here but start processes and look at flags; the process is waited for
and killed by its id.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

from biogate.zones.confinement import Allowed
from biogate.zones.core_side import Connection, CoreZone, ZoneError
from biogate.zones.link import SocketLink
from biogate.zones.messages import MAX_FROM_ZONE_BYTES, Stop, decode_from_zone

_log = logging.getLogger(__name__)

PING_S = 1.0
HANG_S = 5.0
START_S = 60.0
STOP_S = 1.5
_LOOK_S = 0.1
_STDERR_BYTES, _STDERR_PAUSE_S = 16_384, 0.1
"""So much of what a process writes to stderr is taken at a time, and how often."""
_KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_KEPT_BEGINNINGS = ("LC_", "PYTHON", "MALLOC_", "OPENBLAS_", "OMP_")
"""What of the environment a zone's process has: nothing that could be a secret of the core's."""
_BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0
"""Who ran that long starts again at once, whatever came before."""


class Supervisor:
    """One zone's process, from its start to its stop. Times are in seconds.

    `allowed` says what the process may touch besides its end of the link.
    """

    def __init__(self, zone: CoreZone, allowed: Callable[[], Allowed]) -> None:
        self._zone = zone
        self._allowed = allowed
        self._process: Process | None = None
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that serves the zone; None while there is none."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def running(self) -> bool:
        """Whether clients can connect."""
        connection = self._connection
        return connection is not None and connection.started.done() and not connection.over.is_set()

    @property
    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """What the front end has counted, as it told last."""
        return self._zone.front_end

    async def start(self) -> None:
        """Start the process; returns when it listens. Raises ZoneError."""
        await self._start()
        self._task = asyncio.create_task(self._keep(), name=f"zone {self._zone.name}")

    async def stop(self) -> None:
        """Let it close its sessions and end, within 1.5 s; then it is killed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end(gently=True)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)  # noqa: FBT003
            self._process = process = await _spawn(theirs, self._allowed())
            self._listening = asyncio.create_task(_listen(process, self._zone))
            self._connection = self._zone.connected()
            link = await SocketLink.over(
                ours, self._connection, decode_from_zone, MAX_FROM_ZONE_BYTES
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            self._connection.start(link)
            async with asyncio.timeout(START_S):
                await asyncio.shield(self._connection.started)
        except TimeoutError:
            await self._end()
            raise ZoneError(f"it did not start within {START_S:g} s") from None
        except BaseException:
            await self._end()
            raise

    async def _keep(self) -> None:
        """Watch over the process, and over those that come after it."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                reason = await self._watch()
            except Exception as error:  # noqa: BLE001  logged; a zone is never left alone
                _log.exception(
                    "a zone's front end was not watched", extra={"zone": self._zone.name}
                )
                reason = f"it could not be watched: {error!r}"
            await self._end()
            if time.monotonic() - began > _STEADY_S:
                attempt = 0
            await self._zone.lost(reason)
            attempt = await self._restart(attempt)

    async def _restart(self, attempt: int) -> int:
        """Try until it runs; the number of the next attempt."""
        while True:
            await asyncio.sleep(_BACK_OFF_S[min(attempt, len(_BACK_OFF_S) - 1)])
            attempt += 1
            try:
                await self._start()
            except OSError as error:
                self._zone.counters["failed_starts"] += 1
                _log.error(
                    "a zone's front end does not start: %s", error, extra={"zone": self._zone.name}
                )
            else:
                return attempt

    async def _watch(self) -> str:
        """Ping until something is wrong; what it is."""
        connection = self._connection
        assert connection is not None
        while True:
            connection.ping()
            if not await self._answers(connection):
                if connection.over.is_set():
                    return connection.reason
                self._zone.counters["hung"] += 1
                return f"it did not answer for {HANG_S:g} s"
            await _first(connection.over.wait(), PING_S)
            if connection.over.is_set():
                return connection.reason

    async def _answers(self, connection: Connection) -> bool:
        """Whether the pong comes in time; what this loop slept itself counts as one look."""
        for _ in range(round(HANG_S / _LOOK_S)):
            if not connection.waits_for_pong:
                return True
            if connection.over.is_set():
                return False
            await _first(connection.over.wait(), _LOOK_S)
        return not connection.waits_for_pong

    async def _end(self, *, gently: bool = False) -> None:
        """End the link and the process. Safe to call twice."""
        process, connection = self._process, self._connection
        if gently and self.running and connection is not None:
            connection.link.send(Stop())
        elif connection is not None:
            connection.close()
        if process is not None:
            try:
                async with asyncio.timeout(STOP_S if gently else 0):
                    await process.wait()
            except TimeoutError:
                _kill(process)
                await process.wait()
        if self._listening is not None:
            await asyncio.wait((self._listening,), timeout=1.0)  # its last words
            self._listening.cancel()
        if connection is not None:
            connection.close()
        self._process = None


async def _first(waiting: Awaitable[object], timeout_s: float) -> None:
    """Wait for it, but not longer than that."""
    try:
        async with asyncio.timeout(timeout_s):
            await waiting
    except TimeoutError:
        return


def _kill(process: Process) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # with what it may have started
        except ProcessLookupError:
            return


async def _listen(process: Process, zone: CoreZone) -> None:
    """Log what the process says on stderr, such as why it does not start.

    It does not write to the core's own, where it could make up lines of the log.
    """
    assert process.stderr is not None
    while said := await process.stderr.read(_STDERR_BYTES):
        zone.said(said.decode("utf-8", "replace"))
        await asyncio.sleep(_STDERR_PAUSE_S)


async def _spawn(end: socket.socket, allowed: Allowed) -> Process:
    """The process with its end of the link. A session of its own: Ctrl-C is for the core."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "biogate.zones",
        str(end.fileno()),
        json.dumps(asdict(allowed)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=_STDERR_BYTES,
        env=scrubbed(os.environ),
        pass_fds=(end.fileno(),),
        start_new_session=True,
    )


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of the environment an interpreter needs, and nothing that may be secret."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)
    }
