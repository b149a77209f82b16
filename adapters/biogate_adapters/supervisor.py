"""Keeps one device polled: connects, polls, writes, backs off and reconnects, in one task.

Writes go between two polls, before the next one. The supervisor never lets a device's failure out:
it shows in the signals' status, in `diagnostics`, and once in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, TypeVar

import numpy as np

from biogate_adapters import status
from biogate_adapters.backoff import Backoff
from biogate_adapters.clock import Clock, SystemClock, Timer
from biogate_adapters.contract import Adapter, AdapterError, SampleBatch, WriteResult
from biogate_adapters.staleness import SignalMemory

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
MAX_PENDING_WRITES = 64


class DeviceState(Enum):
    """Where a device stands. FAULT: the last poll failed; LOST: for `bad_after_s` by now."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    ONLINE = "online"
    FAULT = "fault"
    LOST = "lost"


@dataclass(slots=True)
class Diagnostics:
    """Counters since the start.

    `overruns`: polls left out because the one before took too long; `rejected_batches`: batches
    that `on_batch` failed to take.
    """

    state: DeviceState = DeviceState.STOPPED
    polls: int = 0
    failed_polls: int = 0
    overruns: int = 0
    connects: int = 0
    reconnects: int = 0
    writes: int = 0
    failed_writes: int = 0
    rejected_batches: int = 0
    last_error: str = ""


@dataclass(slots=True)
class _PendingWrite:
    signal: int
    value: float | str
    result: asyncio.Future[WriteResult] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


def _heed_cancellation() -> None:
    """Raise the CancelledError that a library has swallowed.

    `asyncio.wait_for` of Python 3.11 does so when what it waits for ends in the same step as the
    cancellation comes, and pymodbus connects through it: `stop` would wait for ever.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def _answer(pending: _PendingWrite, result: WriteResult) -> None:
    if not pending.result.done():  # the caller may have given up
        pending.result.set_result(result)


def _unknown(code: int, why: str) -> WriteResult:
    return WriteResult(code, message=f"{why}: the device may have taken the value, or not")


class DeviceSupervisor:
    """One device's life. `on_batch` gets every batch of samples, in order, and must not block.

    `on_state` is told of each change of the device's state.
    `poll_interval_s` is kept as a fixed grid: a poll that takes longer makes the next ones skip,
    never queue. `bad_after_s` is how long the last values stay usable after a failure (default: 10
    polls, at least 10 s). A poll, write or connection attempt that takes longer than
    `call_limit_s` (default: 5 polls, at least 15 s) is given up.
    """

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        *,
        poll_interval_s: float,
        on_batch: Callable[[SampleBatch], None],
        on_state: Callable[[DeviceState], None] | None = None,
        bad_after_s: float | None = None,
        call_limit_s: float | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
        address: str = "",
    ) -> None:
        if poll_interval_s <= 0:
            raise ValueError(f"{name}: a poll interval of {poll_interval_s:g} s is not above 0")
        self.name = name
        self.diagnostics = Diagnostics()
        self._adapter = adapter
        self._poll_interval_s = poll_interval_s
        self._on_batch = on_batch
        self._on_state = on_state
        self._bad_after_s = max(10 * poll_interval_s, 10.0) if bad_after_s is None else bad_after_s
        self._call_limit_s = (
            max(5 * poll_interval_s, 15.0) if call_limit_s is None else call_limit_s
        )
        self._clock: Clock = clock or SystemClock()
        self._backoff = Backoff(rng or Random())  # noqa: S311 (jitter, no secret)
        self._context: dict[str, object] = {"device": name, "address": address}
        self._memory = SignalMemory(len(adapter.signals))
        self._writes: deque[_PendingWrite] = deque()
        self._wake = asyncio.Event()
        self._online = False
        self._rejected = False
        self._unclosed = False
        self._fault_time = 0
        self._bad_timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in a task of its own. Raises RuntimeError when it runs already."""
        if self._task:
            raise RuntimeError(f"{self.name} is started already")
        self._set_state(DeviceState.CONNECTING)
        self._task = asyncio.create_task(self._run(), name=f"device {self.name}")

    async def stop(self) -> None:
        """End the task and close the connection. Safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._set_state(DeviceState.STOPPED)

    async def write(self, signal: int, value: float | str) -> WriteResult:
        """Write a signal, before the next poll; the device's confirmation.

        Never raises for a device's failure. Without a connection the answer is Bad_NoCommunication
        at once. A confirmed value is passed to `on_batch` as a sample.
        """
        self.diagnostics.writes += 1
        if not self._online:
            result = self._unreachable()
        elif len(self._writes) >= MAX_PENDING_WRITES:
            message = f"{self.name}: {MAX_PENDING_WRITES} writes are waiting already"
            result = WriteResult(status.BAD_TOO_MANY_OPERATIONS, message=message)
        else:
            pending = _PendingWrite(signal, value)
            self._writes.append(pending)
            self._wake.set()
            result = await pending.result
        if not status.is_good(result.status):
            self.diagnostics.failed_writes += 1
        return result

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._connect_and_poll()
                except AdapterError as error:
                    self._failed(error.status, str(error))
                except Exception as error:  # noqa: BLE001 (logged there, with its traceback)
                    # A defect in an adapter must not end the device's life, nor hide.
                    message = f"defect in the adapter: {type(error).__name__}: {error}"
                    self._failed(status.BAD_UNEXPECTED_ERROR, message, error)
                await self._close()
                await self._sleep(self._backoff.next())
        finally:
            self._online = False
            self._cancel_bad_timer()
            self._refuse_writes()
            await self._close()

    async def _connect_and_poll(self) -> None:
        """Connect, then poll until something fails. Raises AdapterError."""
        await self._limited(self._adapter.connect(), "connecting")
        self.diagnostics.connects += 1
        self._online = True
        due = self._clock.monotonic()
        while True:
            await self._write_pending()
            if self._clock.monotonic() >= due:
                await self._poll()
                due = self._next_due(due)
            elif not self._writes:
                await self._sleep(due - self._clock.monotonic())

    async def _poll(self) -> None:
        self.diagnostics.polls += 1
        try:
            batch = await self._limited(self._adapter.read(), "a poll")
        except Exception:
            self.diagnostics.failed_polls += 1
            raise
        self._memory.remember(batch)
        self._recovered()
        self._emit(batch)

    def _next_due(self, due: float) -> float:
        """The next time on the grid that has not passed yet."""
        late = self._clock.monotonic() - due
        missed = int(late // self._poll_interval_s)
        self.diagnostics.overruns += missed
        return due + (missed + 1) * self._poll_interval_s

    async def _write_pending(self) -> None:
        """Do the writes that wait now; those that come meanwhile wait for after the next poll."""
        for _ in range(len(self._writes)):
            pending = self._writes[0]
            if not pending.result.done():
                try:
                    result = await self._write_one(pending)
                except asyncio.CancelledError:
                    _answer(pending, _unknown(status.BAD_SHUTDOWN, f"{self.name} was stopped"))
                    raise
                except Exception as error:
                    _answer(pending, _unknown(status.BAD_TIMEOUT, str(error)))
                    raise
                _answer(pending, result)
            self._writes.popleft()

    async def _write_one(self, pending: _PendingWrite) -> WriteResult:
        result = await self._limited(self._adapter.write(pending.signal, pending.value), "a write")
        if status.is_good(result.status) and isinstance(result.value, (int, float)):
            sample = SampleBatch(
                np.array([pending.signal], dtype=np.int32),
                np.array([result.value], dtype=np.float64),
                np.array([status.GOOD], dtype=np.uint32),
                np.array([self._clock.now_ticks()], dtype=np.int64),
            )
            self._memory.remember(sample)
            self._emit(sample)
        return result

    async def _limited(self, call: Coroutine[Any, Any, _Result], what: str) -> _Result:
        """The call's result. Raises AdapterError when it takes longer than it may."""
        task = asyncio.ensure_future(call)
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        timer = self._clock.call_later(self._call_limit_s, expire)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not expired or (current and current.cancelling()):
                raise
            message = f"{self.name}: {what} took longer than {self._call_limit_s:g} s"
            raise AdapterError(message, status.BAD_TIMEOUT) from None
        finally:
            timer.cancel()
            _heed_cancellation()

    async def _sleep(self, delay_s: float) -> None:
        """Wait, or less when a write comes."""
        _heed_cancellation()
        self._wake.clear()
        timer = self._clock.call_later(delay_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _close(self) -> None:
        """Close the connection. What goes wrong there must not end the device's life."""
        try:
            await self._adapter.close()
        except Exception as error:  # noqa: BLE001  logged once, until it works again
            defect = None if isinstance(error, AdapterError | OSError) else error
            if not self._unclosed:
                _log.warning(
                    "closing the connection failed",
                    exc_info=defect,
                    extra=self._told(error=str(error)),
                )
            self._unclosed = True
        else:
            self._unclosed = False

    def _emit(self, batch: SampleBatch) -> None:
        """Pass samples on. What goes wrong there is not the device's failure."""
        try:
            self._on_batch(batch)
        except Exception:  # noqa: BLE001  logged once, and counted
            self.diagnostics.rejected_batches += 1
            if not self._rejected:
                _log.exception("samples were not taken", extra=self._context)
            self._rejected = True
        else:
            self._rejected = False

    def _failed(self, code: int, message: str, defect: Exception | None = None) -> None:
        self.diagnostics.last_error = message
        self._online = False
        self._refuse_writes()
        if self.diagnostics.state in (DeviceState.FAULT, DeviceState.LOST):
            return
        self._fault_time = self._clock.now_ticks()
        self._set_state(DeviceState.FAULT)
        _log.warning(
            "device does not answer",
            exc_info=defect,
            extra=self._told(error=message, status=status.name_of(code)),
        )
        self._bad_timer = self._clock.call_later(self._bad_after_s, self._give_up)
        if len(batch := self._memory.uncertain()):
            self._emit(batch)

    def _give_up(self) -> None:
        """The fault has lasted for `bad_after_s`: the last values are usable no longer."""
        self._bad_timer = None
        self._set_state(DeviceState.LOST)
        _log.error(
            "device still does not answer: its signals are Bad from now on",
            extra=self._told(for_s=self._bad_after_s, error=self.diagnostics.last_error),
        )
        self._emit(self._memory.bad(self._fault_time))

    def _recovered(self) -> None:
        if self.diagnostics.state is DeviceState.ONLINE:
            return
        if self.diagnostics.state is not DeviceState.CONNECTING:
            self.diagnostics.reconnects += 1
        self._cancel_bad_timer()
        self._backoff.reset()
        self._set_state(DeviceState.ONLINE)
        _log.info("device answers", extra=self._context)

    def _cancel_bad_timer(self) -> None:
        if self._bad_timer:
            self._bad_timer.cancel()
            self._bad_timer = None

    def _refuse_writes(self) -> None:
        while self._writes:
            _answer(self._writes.popleft(), self._unreachable())

    def _unreachable(self) -> WriteResult:
        reason = self.diagnostics.last_error or self.diagnostics.state.value
        message = f"{self.name} is not connected: {reason}"
        return WriteResult(status.BAD_NO_COMMUNICATION, message=message)

    def _told(self, **more: object) -> dict[str, object]:
        return {**self._context, **more}

    def _set_state(self, state: DeviceState) -> None:
        """Tell of a change. What goes wrong there is not the device's failure."""
        self.diagnostics.state = state
        if self._on_state is None:
            return
        try:
            self._on_state(state)
        except Exception:  # noqa: BLE001  logged; changes are rare
            _log.exception("a change of state was not taken", extra=self._told(state=state.value))
