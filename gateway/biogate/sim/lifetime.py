"""When a simulator process ends: on SIGINT, SIGTERM, and when its leash goes slack.

The leash is a pipe (or socket) on stdin. Nothing is sent through it; the operating system closes
it when the process that holds the other end ends, however it ends. A terminal, a file or
/dev/null on stdin is no leash.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat

_STDIN = 0
_CHUNK = 4096


def stop_event() -> asyncio.Event:
    """An event that is set when this process shall end. Call in the running event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if _is_leash(_STDIN):
        loop.add_reader(_STDIN, _read_leash, loop, stop)
    return stop


def _is_leash(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _read_leash(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        held = bool(os.read(_STDIN, _CHUNK))
    except OSError:
        held = False
    if not held:
        loop.remove_reader(_STDIN)
        stop.set()
