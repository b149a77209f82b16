"""Functions of a package beside biogate, which the tests' methods name."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


def divide(a: float, b: float) -> tuple[float, float]:
    """Quotient and remainder; refuses to divide by nothing."""
    if b == 0:
        raise ValueError("b is 0")
    return a // b, a % b


async def thread_name() -> str:
    """The thread that runs a coroutine."""
    return threading.current_thread().name


def breaks(*_: Any) -> None:
    """A defect."""
    raise RuntimeError("broken")


CALLED = asyncio.Event()


async def waits() -> None:
    """Never ends by itself."""
    CALLED.set()
    await asyncio.Event().wait()


BLOCKED, RELEASE = threading.Event(), threading.Event()


def blocks() -> None:
    """Takes its time, in whatever thread it runs."""
    BLOCKED.set()
    RELEASE.wait(20)


def total(values: list[float]) -> float:
    """The sum of an array."""
    return sum(values)


def wrong() -> str:
    """Returns another kind of value than the method declares."""
    return "text"
