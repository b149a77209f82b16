"""How our own programs use memory over months; embedding programs choose for themselves."""

from __future__ import annotations

import ctypes
import gc
import sys

_THRESHOLDS = (50_000, 20, 50)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MAPPED_FROM_BYTES = 65_536
_TRIMMED_FROM_BYTES = 131_072


def collect_rarely() -> None:
    """Turn the garbage collector on, and keep it from looking through what clients have.

    A request of ten thousand operations makes tens of thousands of objects that live as long as
    it does. By Python's thresholds they count as old before they are gone, and bring about a
    collection of everything about once a second: a quarter of a second in which nothing else
    runs, with 24,000 monitored items.
    """
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()


def give_back_what_is_freed() -> None:
    """Keep glibc from holding on to large blocks; without glibc nothing happens.

    With each large block that is freed, glibc raises the size from which a block is a mapping of
    its own, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Then large blocks come to lie between
    small ones, and their room is never given back: under clients that come and go a server grew
    by a fifth in half an hour. Set by hand, the size stays where it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIMMED_FROM_BYTES)
