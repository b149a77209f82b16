"""Reverse Connect: the server opens the connection, the client the channel (Part 6, 7.1.3).

For each client that the site names one connection waits for it, unused. When the client has
opened its channel on it, the next one is offered, so that it can always come back. A client that
is not there is tried again, ever less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from biogate.opcua.transport.stream import Stream

if TYPE_CHECKING:
    from biogate.opcua.transport.listener import Listener

_log = logging.getLogger(__name__)
_CONNECT_TIMEOUT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


def client_address(url: str) -> tuple[str, int]:
    """Host and port of a client's `opc.tcp://host:port`. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
        raise ValueError(f"{url!r} is not opc.tcp://host:port, where a client listens")
    try:
        parts.hostname.encode("idna")  # as it is looked up: another error than of who is not there
    except UnicodeError as error:
        raise ValueError(f"{url!r} is not opc.tcp://host:port: the host: {error}") from error
    return parts.hostname, parts.port


class ReverseConnector:
    """Offers connections to one client for as long as it runs.

    `endpoint` gives ServerUri and EndpointUrl of the ReverseHello.
    """

    def __init__(
        self, listener: Listener, url: str, endpoint: Callable[[], tuple[str, str]]
    ) -> None:
        """Raises ValueError for something else than `opc.tcp://host:port`."""
        self._listener = listener
        self._url = url
        self._endpoint = endpoint
        self._host, self._port = client_address(url)
        self._reachable: bool | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to offer connections."""
        self._task = asyncio.create_task(self._offer(), name=f"reverse connect {self._url}")

    async def stop(self) -> None:
        """Offer no more; connections that are there are the listener's."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _offer(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            taken = await self._offer_one()
            pause_s = _FIRST_PAUSE_S if taken else min(2 * pause_s, _LONGEST_PAUSE_S)
            if not taken:
                await asyncio.sleep(pause_s)

    async def _offer_one(self) -> bool:
        """True when the client has opened a channel, False when the connection has ended before."""
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[bool] = loop.create_future()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.create_connection(
                    lambda: Stream(self._listener, (*self._endpoint(), taken)),
                    self._host,
                    self._port,
                )
        except OSError as error:  # TimeoutError is one
            self._unreachable(error)
            return False
        if self._reachable is not True:
            _log.info("reverse connect: client reached", extra={"client": self._url})
        self._reachable = True
        return await taken

    def _unreachable(self, error: OSError) -> None:
        self._listener.counters.unreached += 1
        if self._reachable is not False:
            why = error.strerror or str(error) or "no answer in time"
            _log.warning(
                "reverse connect: client not reached (tried again until it is)",
                extra={"client": self._url, "error": why},
            )
        self._reachable = False
