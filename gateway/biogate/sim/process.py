"""The simulators of a site as a child process: start it, learn its addresses, stop it.

The child is this Python running `biogate.sim`; it tells its clock and addresses on stdout, logs
JSON lines on stderr (passed on to this process's log), and ends when the pipe on its stdin does,
so that it never outlives this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self

from biogate.sim.clock import ProcessClock

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 1.5
_TOLD_LINES = 40
_LONGEST_LINE = 1 << 20


class SimProcessError(RuntimeError):
    """The simulators could not be started; the message holds what the child process said."""


class SimProcess:
    """A running simulator process. Made by `SimProcess.start`; `async with` stops it."""

    def __init__(self, process: asyncio.subprocess.Process, site_file: Path) -> None:
        self._process = process
        self._site_file = site_file
        self._addresses: dict[str, str] = {}
        self._clock: ProcessClock | None = None
        self._told: deque[str] = deque(maxlen=_TOLD_LINES)
        self._stopping = False
        self._log_reader = asyncio.create_task(self._read_log())
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        site_file: str | Path,
        *,
        speed: float = 1.0,
        replay: str | Path | None = None,
        only: Sequence[str] = (),
        timeout_s: float = 30.0,
    ) -> Self:
        """Start the simulated devices of a site and wait until all of them listen.

        `speed`: plant seconds per second. `replay`: folder with a recording that plays the plant.
        `only`: names of the devices to simulate, all where empty. Raises SimProcessError.
        """
        arguments = [str(site_file), "--log-json", "--speed", repr(speed)]
        arguments += [] if replay is None else ["--replay", str(replay)]
        for device in only:
            arguments += ["--only", device]
        self = cls(await _spawn(arguments), Path(site_file))
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_until_ready()
        except TimeoutError:
            await self.stop()
            raise SimProcessError(self._failure(f"were not ready within {timeout_s:g} s")) from None
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch())
        return self

    @property
    def addresses(self) -> dict[str, str]:
        """Device name → address at which its simulator listens, with the port that it has."""
        return dict(self._addresses)

    @property
    def clock(self) -> ProcessClock:
        """The plant's clock."""
        assert self._clock is not None
        return self._clock

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The child's exit code (minus the signal's number when one ended it); None: it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until the child has ended; its exit code."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End the child: by its leash and SIGTERM, after 1.5 s by SIGKILL. Safe to call twice."""
        self._stopping = True
        if self._process.stdin:
            self._process.stdin.close()
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            _log.warning("the simulators do not stop: killed", extra={"pid": self.pid})
            self._signal(signal.SIGKILL)
            await self._process.wait()
        await self._log_reader
        if self._watcher:
            await self._watcher

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return

    async def _wait_until_ready(self) -> None:
        assert self._process.stdout
        async for line in _lines(self._process.stdout):
            match line.split(maxsplit=2):
                case ["ready"] if self._clock is not None:
                    return
                case ["clock", *_]:
                    self._clock = ProcessClock.parse(line)
                case ["device", name, address]:
                    self._addresses[name] = address
                case _:
                    raise SimProcessError(self._failure(f"said {line!r}, which is not understood"))
        code = await self._process.wait()
        await self._log_reader
        raise SimProcessError(self._failure(f"ended with exit code {code}"))

    def _failure(self, what: str) -> str:
        told = "\n".join(self._told)
        return f"the simulators of {self._site_file} {what}" + (f":\n{told}" if told else "")

    async def _watch(self) -> None:
        """Keep reading stdout, so that the child never blocks on it, and tell when it is gone."""
        assert self._process.stdout
        async for line in _lines(self._process.stdout):
            _log.debug("simulators: %s", line)
        code = await self._process.wait()
        if not self._stopping:
            _log.error(
                "the simulators have ended: their devices are gone",
                extra={"pid": self.pid, "exit_code": code, "site_file": str(self._site_file)},
            )

    async def _read_log(self) -> None:
        assert self._process.stderr
        async for line in _lines(self._process.stderr):
            self._told.append(_pass_on(line))


async def _spawn(arguments: list[str]) -> asyncio.subprocess.Process:
    # Matrices of 12 by 12 gain nothing from threads, and idle ones cost memory. A session of its
    # own: Ctrl-C in the terminal goes to the parent, which stops the child in its turn.
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "biogate.sim",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while raw := await stream.readline():
        yield raw.decode("utf-8", "replace").rstrip()


def _pass_on(line: str) -> str:
    """Log a line of the child's log as our own; its text. Other lines are text as they are."""
    try:
        event = json.loads(line)
        level = logging.getLevelNamesMapping()[event["level"]]
        name, message, context = event["logger"], event["message"], event["context"]
    except (ValueError, LookupError, TypeError):
        return line
    if "exception" in event:
        context["exception"] = event["exception"]
    logging.getLogger(name).log(level, "%s", message, extra=context)
    return str(message)
