"""The process of one zone: started with nothing but its end of the link, which it lives by.

Everything else comes over the link. When the core is gone the link ends, and so does the process.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from dataclasses import asdict
from typing import Any

from biogate import event_loop, memory
from biogate.opcua.transport.listener import ListenError
from biogate.zones.confinement import Confinement
from biogate.zones.link import SocketLink
from biogate.zones.log_link import LogHandler
from biogate.zones.messages import (
    MAX_FROM_CORE_BYTES,
    Failed,
    MalformedError,
    Setup,
    Stop,
    decode_from_core,
)
from biogate.zones.zone_side import ZoneFront
from biogate_nodesets import NodesetError, NodesetSourceError
from biogate_security.pki_update import PkiError

_log = logging.getLogger(__name__)
_FAREWELL_S = 5.0
_START_ERRORS = (ListenError, NodesetError, NodesetSourceError, OSError, PkiError, MalformedError)


class ZoneProcess:
    """What this process does with what comes over its link; satisfies `Receiver`."""

    def __init__(self) -> None:
        self._setup: asyncio.Future[Setup] = asyncio.get_running_loop().create_future()
        self._early: list[Any] = []
        self._front: ZoneFront | None = None
        self.stop = asyncio.Event()
        self.over = asyncio.Event()

    def received(self, message: Any) -> None:
        """A message of the core. Raises MalformedError."""
        if isinstance(message, Setup):
            self._setup.set_result(message)
        elif isinstance(message, Stop):
            self.stop.set()
        elif self._front is None:
            self._early.append(message)
        else:
            self._front.received(message)

    def ended(self, reason: str) -> None:
        """The core is gone."""
        if self._front is not None:
            self._front.requester.over()
        self.stop.set()
        self.over.set()

    async def run(self, end: socket.socket, confinement: Confinement) -> None:
        """Serve clients until the core says stop, or is gone."""
        link = await SocketLink.over(end, self, decode_from_core, MAX_FROM_CORE_BYTES)
        LogHandler.install(link)
        setup = await self._setup
        if not all(asdict(confinement).values()):
            _log.warning(
                "this kernel does not confine a zone's process to what is its own",
                extra={"zone": setup.zone, **asdict(confinement)},
            )
        try:
            self._front = ZoneFront(setup, link)
            for message in self._early:
                self._front.received(message)
            self._early.clear()
            await self._front.start()
        except _START_ERRORS as error:
            link.send(Failed(str(error)[:4000]))
            await self._until_over()
            return
        memory.collect_rarely()
        await self.stop.wait()
        await self._front.stop()
        link.close()

    async def _until_over(self) -> None:
        """Until the core has heard it and ended the link."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self.over.wait()
        except TimeoutError:
            return


async def _run(descriptor: int, confinement: Confinement) -> None:
    process = ZoneProcess()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, process.stop.set)
    with socket.socket(fileno=descriptor) as end:
        end.setblocking(False)  # noqa: FBT003
        await process.run(end, confinement)


def main(descriptor: int, confinement: Confinement) -> None:
    """Run until the core ends; `descriptor` is this end of the link."""
    memory.give_back_what_is_freed()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the core, which says stop
    event_loop.run(_run(descriptor, confinement))
