"""The adapter of any Modbus device that a profile describes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import numpy as np

from biogate_adapters import status
from biogate_adapters.contract import AdapterError, SampleBatch, Signal, WriteResult
from biogate_adapters.filetime import now_ticks
from biogate_adapters.modbus.codec import decode, decode_text, encode
from biogate_adapters.modbus.decoder import Reading, Sample, SignalDecoder, engineering
from biogate_adapters.modbus.link import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    MalformedAnswerError,
    ModbusLink,
    RefusedError,
)
from biogate_adapters.modbus.plan import ReadPlan, Request, items_of
from biogate_adapters.profile import Profile
from biogate_adapters.schema_modbus import ModbusProfile, Span
from biogate_adapters.writes import refusal

_log = logging.getLogger(__name__)
_SPLIT_ON = frozenset({ILLEGAL_ADDRESS, ILLEGAL_VALUE})


class ModbusAdapter:
    """`contract.Adapter` for Modbus.

    `where` names the device in error messages, `device` in log lines (default: as `where`).
    """

    def __init__(
        self,
        profile: Profile,
        link: ModbusLink,
        *,
        where: str,
        device: str = "",
        now: Callable[[], int] = now_ticks,
    ) -> None:
        if not isinstance(profile.facts, ModbusProfile):
            raise TypeError(f"{profile.name} is a {profile.protocol} profile, not a Modbus one")
        self._facts = profile.facts
        self._signals = profile.signals
        self._names = tuple(signal.name for signal in profile.signals)
        self._link = link
        self._where = where
        self._device = device or where
        self._now = now
        items = items_of(self._facts)
        self._plan = ReadPlan(
            items,
            max_registers=self._facts.modbus.max_registers,
            max_gap=self._facts.modbus.max_gap,
        )
        self._decoders = [SignalDecoder(self._facts, name, items) for name in self._names]
        waiting = Reading((), status.BAD_WAITING_FOR_INITIAL_DATA, 0)
        self._readings = [waiting] * len(items)
        self._last: list[Sample | None] = [None] * len(self._signals)
        self._failures: dict[int, str] = {}
        self._mismatches: dict[int, str] = {}

    @property
    def signals(self) -> Sequence[Signal]:
        """The device's signals."""
        return self._signals

    async def connect(self) -> None:
        """Open the connection, and make sure that the device is what the profile describes.

        Raises AdapterError when it cannot be reached or is another device.
        """
        await self._link.connect()
        try:
            await self._check_identity()
        except AdapterError:
            self._link.close()
            raise

    async def close(self) -> None:
        """Release the connection."""
        self._link.close()

    async def read(self) -> SampleBatch:
        """Read all signals once. Raises AdapterError only when the connection is lost."""
        pending = self._plan.requests()
        malformed, answered = "", False
        while pending:
            request = pending.pop(0)
            try:
                registers = await self._link.read(
                    request.span.table, request.span.address, request.span.count
                )
            except RefusedError as error:
                answered = True
                smaller = self._plan.refused(request) if error.code in _SPLIT_ON else []
                if not smaller:
                    self._fail(request, error.read_status, str(error))
                pending[:0] = smaller
            except MalformedAnswerError as error:
                malformed = str(error)
                self._fail(request, status.BAD_COMMUNICATION_ERROR, malformed)
            else:
                answered = True
                self._succeed(request, registers)
        if malformed and not answered:
            raise AdapterError(f"{self._where}: {malformed}", status.BAD_COMMUNICATION_ERROR)
        return self._batch()

    async def write(self, signal: int, value: float | str) -> WriteResult:
        """Write a signal's registers and read them back.

        Raises AdapterError when the connection is lost.
        """
        target = self._signals[signal]
        if (refused := refusal(target, value)) or isinstance(value, str):
            return refused or WriteResult(status.BAD_TYPE_MISMATCH)
        point = self._facts.points[target.name]
        order = self._facts.modbus.word_order
        try:
            registers = encode((value - point.bias) / point.scale, point.format, order)
        except OverflowError as error:
            return WriteResult(status.BAD_OUT_OF_RANGE, message=str(error))
        span = self._facts.signal_span(target.name)
        try:
            await self._link.write(span.address, registers)
            held = await self._read_back(span, point.block)
        except RefusedError as error:
            return WriteResult(error.write_status, message=str(error))
        except MalformedAnswerError as error:
            return WriteResult(status.BAD_COMMUNICATION_ERROR, message=str(error))
        shown = engineering(point, decode(held, point.format, order))
        if held != registers:
            message = f"{target.name} holds {shown:g} after writing {value:g}"
            return WriteResult(status.BAD_DEVICE_FAILURE, shown, message)
        return WriteResult(status.GOOD, shown)

    async def _read_back(self, span: Span, block: str | None) -> list[int]:
        whole = self._facts.block_span(block) if block else span
        registers = await self._link.read(whole.table, whole.address, whole.count)
        start = span.address - whole.address
        return registers[start : start + span.count]

    async def _check_identity(self) -> None:
        identity = self._facts.identity
        if identity is None:
            return
        span = self._facts.span(identity, identity.length)
        try:
            registers = await self._read_back(span, identity.block)
        except (RefusedError, MalformedAnswerError) as error:
            context = {"device": self._device, "error": str(error)}
            _log.warning("device does not tell what it is", extra=context)
            return
        found = decode_text(registers, self._facts.modbus.text_order)
        if not found.startswith(identity.starts_with):
            raise AdapterError(
                f"{self._where}: the device calls itself {found!r}; this profile is for "
                f"{identity.starts_with}...: wrong profile, address or unit id?",
                status.BAD_CONFIGURATION_ERROR,
            )

    def _succeed(self, request: Request, registers: list[int]) -> None:
        self._plan.answered(request)
        time = self._now()
        for number in request.items:
            span = self._plan.items[number].span
            start = span.address - request.span.address
            part = registers[start : start + span.count]
            self._readings[number] = Reading(part, status.GOOD, time)
            if self._failures.pop(number, None):
                self._tell(logging.INFO, "signals can be read again", number)

    def _fail(self, request: Request, code: int, message: str) -> None:
        time = self._now()
        for number in request.items:
            self._readings[number] = Reading((), code, time)
            if self._failures.get(number) != message:
                self._failures[number] = message
                self._tell(logging.WARNING, "signals cannot be read", number, error=message)

    def _tell(self, level: int, message: str, number: int, **more: str) -> None:
        names = [
            name
            for name, decoder in zip(self._names, self._decoders, strict=True)
            if number in decoder.items
        ]
        _log.log(level, message, extra={"device": self._device, "signals": names, **more})

    def _batch(self) -> SampleBatch:
        samples = [self._sample(index) for index in range(len(self._signals))]
        return SampleBatch(
            index=np.arange(len(samples), dtype=np.int32),
            value=np.array([sample.value for sample in samples], dtype=np.float64),
            status=np.array([sample.status for sample in samples], dtype=np.uint32),
            source_time=np.array([sample.time for sample in samples], dtype=np.int64),
            texts={
                row: sample.text for row, sample in enumerate(samples) if sample.text is not None
            },
        )

    def _sample(self, index: int) -> Sample:
        sample = self._decoders[index].decode(self._readings)
        self._tell_mismatch(index, sample.mismatch)
        if sample.status == status.UNCERTAIN_LAST_USABLE_VALUE and not _has_value(sample):
            last = self._last[index]
            if last is None:
                return Sample(math.nan, status.BAD_WAITING_FOR_INITIAL_DATA, sample.time)
            return Sample(last.value, sample.status, last.time, last.text)
        if _has_value(sample):
            self._last[index] = sample
        return sample

    def _tell_mismatch(self, index: int, mismatch: str) -> None:
        if mismatch == self._mismatches.get(index, ""):
            return
        self._mismatches[index] = mismatch
        context = {"device": self._device, "signals": [self._names[index]]}
        if mismatch:
            message = "signal does not mean what the profile says"
            _log.warning(message, extra={**context, "error": mismatch})
        else:
            _log.info("signal means what the profile says again", extra=context)


def _has_value(sample: Sample) -> bool:
    return sample.text is not None or not math.isnan(sample.value)
