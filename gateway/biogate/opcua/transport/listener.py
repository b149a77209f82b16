"""Listens for clients and keeps the number of connections within bounds (asyncio)."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from biogate.opcua.stack import StatusCodes, status_name
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.events import ChannelOpened, Closed
from biogate.opcua.transport.interfaces import ChannelInfo, ConnectionHandle, RequestHandler
from biogate.opcua.transport.reverse import ReverseConnector
from biogate.opcua.transport.rota import Rota
from biogate.opcua.transport.stream import Stream
from biogate_security.log_budget import LogBudget

__all__ = ["ChannelInfo", "ConnectionHandle", "ListenError", "Listener", "RequestHandler"]

_log = logging.getLogger(__name__)
_LINES_PER_KIND_AND_MINUTE = 1


class ListenError(OSError):
    """The address cannot be listened on; the message says which and what to do."""


@dataclass(slots=True)
class ListenerCounters:
    """What has happened since the start. `closed` counts by the symbolic name of the status.

    `offered` connections were opened by this side, `unreached` clients were not there for them.
    """

    accepted: int = 0
    offered: int = 0
    unreached: int = 0
    channels: int = 0
    renewals: int = 0
    requests: int = 0
    reclaimed: int = 0
    refused: int = 0
    closed: Counter[str] = field(default_factory=Counter)


class Listener:
    """Listens on `host` and `port` (0 takes a free one) and serves connections until `stop`."""

    def __init__(
        self,
        host: str,
        port: int,
        config: TransportConfig,
        handler: RequestHandler,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.clock = clock
        self.counters = ListenerCounters()
        self._host = host
        self._port = port
        self._handler = handler
        self._budgets: dict[str, LogBudget] = {}
        self.rota = Rota(config.slice_s, config.work_clock)
        self._connections: dict[Stream, None] = {}  # in the order of their coming
        self._server: asyncio.Server | None = None
        self._connectors: list[ReverseConnector] = []
        self._running = False
        self._ticker: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._connections)

    def handles(self) -> list[ConnectionHandle]:
        """The connections that there are now."""
        return list(self._connections)

    async def start(self) -> None:
        """Raises ListenError."""
        if self.config.listen:
            await self._listen()
        self._running = True
        self._tick()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Stream(self), self._host, self._port)
        except OSError as error:
            raise ListenError(_why(error, self._host, self._port)) from error
        self._port = self._server.sockets[0].getsockname()[1]

    def offer_connections(
        self, client_urls: Iterable[str], endpoint: Callable[[], tuple[str, str]]
    ) -> None:
        """Open connections to clients from now on (Reverse Connect, Part 6, 7.1.3).

        `endpoint` gives ServerUri and EndpointUrl. Raises ValueError for something else than
        `opc.tcp://host:port`.
        """
        self._connectors = [ReverseConnector(self, url, endpoint) for url in client_urls]
        for connector in self._connectors:
            connector.start()

    async def stop(self) -> None:
        """Tell every client that the server stops, and close; takes `stop_timeout_s` at most."""
        if not self._running:
            return
        self._running = False
        for connector in self._connectors:
            await connector.stop()
        if self._server is not None:
            self._server.close()
        if self._ticker is not None:
            self._ticker.cancel()
        self._drained = asyncio.Event()
        for connection in list(self._connections):
            connection.close(StatusCodes.BadServerHalted, "server stops")
        if self._connections:
            try:
                async with asyncio.timeout(self.config.stop_timeout_s):
                    await self._drained.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()

    # -- called by the connections --------------------------------------------------------------

    def add(self, connection: Stream) -> None:
        """A client has connected; one without a session has to go if there are too many."""
        self.counters.accepted += not connection.offered
        self.counters.offered += connection.offered
        self._connections[connection] = None
        if not self._running:
            connection.close(StatusCodes.BadServerHalted, "server stops")
        elif not (connection.offered or self.config.admit_address(connection.host)):
            self.counters.refused += 1
            connection.close(StatusCodes.BadSecurityChecksFailed, "security checks failed")
        else:
            self._make_room(connection)

    def _make_room(self, newcomer: Stream) -> None:
        """The oldest unused connection has to go where there are too many (Part 4, 5.6.2).

        It is one of the newcomer's own host when that has too many, else one of the host that has
        the most of them: one host alone cannot keep the others out before they log in.
        """
        unused: defaultdict[str, list[Stream]] = defaultdict(list)
        for connection in self._connections:
            if not (connection.session_active or connection.closing):
                unused[connection.host].append(connection)
        own = unused[newcomer.host]
        if len(own) > self.config.max_unused_per_host:
            self._reclaim(own[0])
        elif len(self._connections) > self.config.max_connections:
            own.remove(newcomer)
            most = max(unused.values(), key=len)
            if most:
                self._reclaim(most[0])
            else:
                self.counters.refused += 1
                newcomer.close(StatusCodes.BadTcpServerTooBusy, "too many connections")

    def _reclaim(self, unused: Stream) -> None:
        self.counters.reclaimed += 1
        unused.close(StatusCodes.BadTcpNotEnoughResources, "too many connections")

    def check_unsent(self) -> None:
        """What waits for clients that do not read is bounded: who has most of it has to go."""
        if sum(c.unsent for c in self._connections) > self.config.max_unsent_together:
            max(self._connections, key=lambda c: c.unsent).drop()

    def remove(self, connection: Stream) -> None:
        """The socket is gone."""
        self._connections.pop(connection, None)
        if self._drained is not None and not self._connections:
            self._drained.set()

    def deliver(
        self, connection: Stream, channel: ChannelInfo, request_id: int, message: bytes
    ) -> None:
        """Hand a request to the handler; its failure ends this connection only."""
        try:
            self._handler.on_request(connection, channel, request_id, message)
        except Exception:  # noqa: BLE001  logged, and the connection is closed
            _log.exception(
                "request %d could not be handled: the connection is closed",
                request_id,
                extra={"address": connection.address},
            )
            connection.close(StatusCodes.BadInternalError, "internal error")

    def closed(self, connection: Stream, event: Closed) -> None:
        """A connection has ended."""
        name = status_name(event.status)
        self.counters.closed[name] += 1
        if event.status in _ORDINARY:
            _log.debug("OPC UA connection of %s closed: %s", connection.address, event.detail)
        else:
            self._warn(name, event.detail, connection.address)
        self.watch(connection, event)
        if connection.opened_channel:
            try:
                self._handler.on_closed(connection)
            except Exception:  # noqa: BLE001  the others and their deadlines must go on
                _log.exception(
                    "the end of a connection could not be handled",
                    extra={"address": connection.address},
                )

    def watch(self, connection: Stream, event: ChannelOpened | Closed) -> None:
        """Tell whoever keeps a record of channels."""
        try:
            self.config.watch(connection.address, event)
        except Exception:  # noqa: BLE001  the channel lives or ends as it would
            _log.exception("a channel's record failed", extra={"address": connection.address})

    def failed(self, connection: Stream, error: Exception) -> None:
        """The transport itself failed at something that a client sent, which is a fault of ours."""
        left_out = self._budget("failed").spend(self.clock())
        if left_out is not None:
            _log.error(
                "a frame could not be handled: the connection is closed",
                exc_info=error,
                extra={"address": connection.address, "lines_left_out": left_out},
            )

    def _warn(self, status: str, detail: str, address: str) -> None:
        """A flood of bad peers makes no flood of lines, nor hides what else goes wrong."""
        left_out = self._budget(status).spend(self.clock())
        if left_out is not None:
            context = {"address": address, "status": status, "lines_left_out": left_out}
            _log.warning("OPC UA connection closed: %s", detail, extra=context)

    def _budget(self, kind: str) -> LogBudget:
        return self._budgets.setdefault(kind, LogBudget(_LINES_PER_KIND_AND_MINUTE))

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_later(self.config.tick_interval_s, self._tick)
        for connection in list(self._connections):
            connection.tick()


_ORDINARY = frozenset(
    (StatusCodes.Good, StatusCodes.BadConnectionClosed, StatusCodes.BadServerHalted)
)


def _why(error: OSError, host: str, port: int) -> str:
    where = f"opc.tcp://{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"cannot listen on {where}: another program uses port {port}. Stop it or choose"
            " another port (`--port`, or `opcua.port` in the site file; 0 takes a free one)"
        )
    if error.errno == errno.EACCES:
        return f"cannot listen on {where}: no permission for port {port}; choose one above 1023"
    # asyncio of Python 3.13 skips such addresses, and has no errno when none is left.
    if error.errno in (errno.EADDRNOTAVAIL, None) or isinstance(error, socket.gaierror):
        return (
            f"cannot listen on {where}: {host} is no address of this machine; set `opcua.host` in"
            " the site file (0.0.0.0 is every network)"
        )
    return f"cannot listen on {where}: {error.strerror or error}"
