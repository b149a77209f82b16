"""The last check of a value before it goes to a device: type, rank and the profile's limits."""

from __future__ import annotations

import math

from biogate_adapters import status
from biogate_adapters.contract import Signal, WriteResult


def refusal(signal: Signal, value: float | str) -> WriteResult | None:
    """Why this value may not be written to this signal; None when it may."""
    if not signal.writable:
        return WriteResult(status.BAD_NOT_WRITABLE, message=f"{signal.name} is read-only")
    if isinstance(value, str):
        message = f"{signal.name} takes a number, not {value!r}"
        return WriteResult(status.BAD_TYPE_MISMATCH, message=message)
    if not math.isfinite(value):
        message = f"{signal.name} takes finite numbers only"
        return WriteResult(status.BAD_OUT_OF_RANGE, message=message)
    low, high = signal.write_low, signal.write_high
    if (low is not None and value < low) or (high is not None and value > high):
        message = f"{value:g} is outside {signal.name}'s write limits {low} to {high}"
        return WriteResult(status.BAD_OUT_OF_RANGE, message=message)
    return None
