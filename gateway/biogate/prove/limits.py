"""Attempts at the limits of a permitted write: bounds, steps, and how often."""

from __future__ import annotations

from dataclasses import replace

from biogate.prove.asking import NOT_FOR_A_PLANT, Asking
from biogate.prove.attempt import LIMITS, REFUSALS, TOO_OFTEN, Attempt, Expected, Verdict
from biogate.prove.plan import Planned
from biogate.prove.reading import Reading

MOST_STEPS = 20
_ALMOST = 0.99


class Limits:
    """Tries the limits of one write. `asking.may_move`: the value may be moved to get there."""

    def __init__(self, asking: Asking, planned: Planned) -> None:
        self._asking = asking
        self._planned = planned
        present = asking.value_of(planned.part)
        number = present.Value if present is not None else None
        self._now = float(number) if isinstance(number, int | float) else None

    async def try_all(self) -> None:
        """Just outside of each bound: refused; a step too large: refused; a smaller one: let."""
        reading = self._planned.reading
        step = reading.max_step
        if step is not None:
            near, far = self._inside(0.5 * step), self._inside(1.5 * step)
            await self._write(f"a step of more than {step:g}", far, Expected.REFUSED)
            await self._write(f"a step of less than {step:g}", near, Expected.LET)
        if reading.low is not None:
            await self._beyond(f"less than {reading.low:g}", reading.low, -1)
        if reading.high is not None:
            await self._beyond(f"more than {reading.high:g}", reading.high, +1)

    async def try_rate(self) -> None:
        """Write the present value more often than a minute allows: the last one is refused."""
        reading, asking = self._planned.reading, self._asking
        assert reading.per_minute is not None
        most = int(reading.per_minute)
        attempt = self._attempt("rate", Expected.REFUSED, f"no more than {most} in a minute")
        if not asking.effects:
            asking.log.left_out(attempt, NOT_FOR_A_PLANT)
            return
        if asking.value_of(self._planned.part) is None:
            asking.log.left_out(attempt, "there is no value that can be written so often")
            return
        let, status = 0, "Good"
        while status == "Good" and let <= most:
            status = await asking.write(self._planned.part, self._now)
            let += status == "Good"
            asking.sent.count(reading.conduit)
        verdict = Verdict.LEAKS if let > most else Verdict.AS_STATED
        if let <= most and status not in TOO_OFTEN:
            verdict = Verdict.BLOCKS
        asking.log.add(attempt, status, verdict, f"{let} were let before it")

    async def _beyond(self, name: str, bound: float, direction: int) -> None:
        margin = _margin(self._planned.reading)
        step = self._planned.reading.max_step
        if step is not None and self._asking.may_move:
            await self._approach(bound, step - margin)
        is_far = step is not None and (self._now is None or abs(bound - self._now) > step - margin)
        more = ", and too large a step" if is_far else ""
        await self._write(name + more, bound + direction * margin, Expected.REFUSED)

    async def _approach(self, bound: float, near: float) -> None:
        """Move the value by permitted steps until `bound` is one step away, if it can be."""
        reading = self._planned.reading
        assert reading.max_step is not None
        for _ in range(MOST_STEPS):
            if self._now is None or abs(bound - self._now) <= near or not self._has_rate():
                return
            ahead = _ALMOST * reading.max_step * (1 if bound > self._now else -1)
            self._asking.sent.count(reading.conduit)
            if await self._asking.write(self._planned.part, self._now + ahead) != "Good":
                return
            self._set(self._now + ahead)

    def _has_rate(self) -> bool:
        most = self._planned.reading.per_minute
        return most is None or self._asking.sent.lately(self._planned.reading.conduit) < most - 2

    async def _write(self, name: str, value: float | None, expected: Expected) -> None:
        attempt = self._attempt("bounds", expected, name)
        log = self._asking.log
        if not self._asking.effects:
            log.left_out(attempt, NOT_FOR_A_PLANT)
            return
        if value is None:
            log.left_out(attempt, "the present value leaves no room for it")
            return
        if not self._has_rate():
            log.left_out(attempt, "the conduit's rate was used up by the attempts")
            return
        status = await self._asking.write(self._planned.part, value)
        if status == "Good":
            self._set(value)
            self._asking.sent.count(self._planned.reading.conduit)
        log.judged(attempt, status, REFUSALS | LIMITS, f"wrote {value:g}")

    def _set(self, value: float) -> None:
        self._now = value
        self._asking.note_value(self._planned.part, value)

    def _attempt(self, kind: str, expected: Expected, name: str) -> Attempt:
        planned = self._planned.attempt
        because = f"{planned.because}: {name}"
        return replace(planned, kind=kind, expected=expected, because=because)

    def _inside(self, step: float) -> float | None:
        """A value `step` from the present one that lies within the bounds, if there is one."""
        low, high = self._planned.reading.low, self._planned.reading.high
        if self._now is None or not _within(self._now, low, high):
            return None
        for value in (self._now + step, self._now - step):
            if _within(value, low, high):
                return value
        return None


def _margin(reading: Reading) -> float:
    """How far beyond a bound is tried: little, so that it is the bound that refuses."""
    width = 1.0
    if reading.low is not None and reading.high is not None:
        width = 0.01 * (reading.high - reading.low)
    return width if reading.max_step is None else min(width, 0.1 * reading.max_step)


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
