"""What the kernel says of its clock: is it disciplined by NTP or PTP, and how far off may it be.

adjtimex(2) without changes, by ctypes: Linux only. Elsewhere nobody knows, which is None.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class KernelClock:
    """`offset_us` is the last known offset, `max_error_us` its bound, as the kernel reckons."""

    synchronised: bool
    offset_us: float
    max_error_us: int
    estimated_error_us: int


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_byte * 128),  # the kernel writes further, into what is of no use here
    )


def read_kernel_clock() -> KernelClock | None:
    """The state of the kernel's clock; None where the platform does not tell."""
    if sys.platform != "linux":
        return None
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else _clock(state, timex)


def _clock(state: int, timex: _Timex) -> KernelClock:
    return KernelClock(
        synchronised=state != _TIME_ERROR and not timex.status & _STA_UNSYNC,
        offset_us=timex.offset / (1000 if timex.status & _STA_NANO else 1),
        max_error_us=timex.maxerror,
        estimated_error_us=timex.esterror,
    )
