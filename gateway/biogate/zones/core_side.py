"""One zone as the core sees it: whatever link it has at the moment, and what it has counted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from biogate.logs import RESERVED
from biogate.opcua.events.journal import Emitted
from biogate.zones.accounts import accounts_message, changed_message
from biogate.zones.extract import Extract, Reaches
from biogate.zones.feed import Feed
from biogate.zones.link import Link
from biogate.zones.messages import (
    MAX_UNREAD_BYTES,
    VERSION,
    Conduits,
    Failed,
    LogLine,
    MalformedError,
    Message,
    Ping,
    Pong,
    Ready,
    Setup,
)  # fmt: skip
from biogate.zones.pruned import conduits_of
from biogate.zones.requests import Requests, Services
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.log_budget import LogBudget
from biogate_security.log_text import safe_text
from biogate_security.roles import AccountChange
from biogate_security.zones import Admission, ZonePolicy

_log = logging.getLogger(__name__)

_LINES_PER_MINUTE = 300
_SHOWN, _NAME = 1000, 256


class ZoneError(OSError):
    """A zone's front end could not be started, such as for its port; the message says why."""


@dataclass(slots=True, eq=False)
class CoreZone:
    """One zone's state over all links that it has in the course of time.

    `counters` are of the link, `front_end` the zone's own, as it told them last.
    """

    name: str
    setup: Callable[[int | None], Setup]
    services: Services
    extract: Extract
    reaches: Reaches
    admission: Admission
    policy: ZonePolicy
    counters: Counter[str] = field(default_factory=Counter)
    front_end: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    url: str = ""
    port: int | None = None
    lines: LogBudget = field(default_factory=lambda: LogBudget(_LINES_PER_MINUTE))
    connection: Connection | None = None

    @property
    def open_zones(self) -> frozenset[str]:
        """The zones of which something may reach this one now: its own, and by open conduits."""
        is_open = self.policy.open_conduits
        conduits = conduits_of(self.policy.table, self.name)
        return frozenset({"", self.name, *(c.destination for c in conduits if is_open[c.name])})

    def connected(self) -> Connection:
        """A new link is about to be made; this hears what comes over it."""
        self.connection = Connection(self)
        return self.connection

    def event(self, emitted: Emitted, zone: str, part: str) -> None:
        """An event of a place."""
        if self.connection is not None and self.connection.feed is not None:
            self.connection.feed.event(emitted, zone, part)

    async def lost(self, reason: str) -> None:
        """Count, log and record that the front end is gone with all its sessions."""
        self.counters["restarts"] += 1
        _log.error("a zone's front end is started again: %s", reason, extra={"zone": self.name})
        record = AuditRecord(
            "front-end-lost", self.services.clock(), None, zone=self.name, reason=reason
        )
        try:
            await self.services.audit.record(record)
        except AuditUnavailableError:
            _log.exception("a lost front end could not be recorded", extra={"zone": self.name})

    def said(self, text: str) -> None:
        """Lines that the process wrote to stderr; a flood of them is counted, not logged."""
        for line in filter(None, text.splitlines()):
            left_out = self.spend_line()
            if left_out is not None:
                extra = {"zone": self.name, **({"lines_left_out": left_out} if left_out else {})}
                _log.warning("a zone's process says: %s", safe_text(line, _SHOWN), extra=extra)

    def spend_line(self) -> int | None:
        """None: a line of the zone is not logged. Else how many were left out before."""
        left_out = self.lines.spend(asyncio.get_running_loop().time())
        self.counters["log_lines_left_out"] += left_out is None
        return left_out

    def account_changed(self, change: AccountChange) -> None:
        """An account is another one now: its sessions hear of it, and the core itself."""
        if self.connection is not None:
            self.connection.account_changed(change)


class Connection:
    """The core's end of one link; satisfies `Receiver`. `over` is set when it has ended."""

    def __init__(self, zone: CoreZone) -> None:
        self._zone = zone
        self._link: Link | None = None
        self._pinged = 0
        self._ponged = 0
        self._conduits: Mapping[str, bool] = {}
        self.feed: Feed | None = None
        self.requests: Requests | None = None
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.reason = ""

    def start(self, link: Link) -> None:
        """Send the zone what it is made of."""
        zone, self._link = self._zone, link
        self.feed = Feed(
            zone.name,
            zone.services.whole.table,
            zone.extract,
            link,
            zone.counters,
            zone.reaches,
            zone.open_zones,
        )
        self.requests = Requests(
            zone.name, zone.services, zone.extract, zone.admission, zone.counters,
            self._reply, self.feed.forward, self._break, lambda: zone.open_zones,
        )  # fmt: skip
        link.send(zone.setup(zone.port))
        self.show_accounts()
        self.feed.start()
        self.check_conduits()

    @property
    def link(self) -> Link:
        """The link, once started."""
        assert self._link is not None
        return self._link

    @property
    def waits_for_pong(self) -> bool:
        """True while the last ping is not answered."""
        return self._ponged < self._pinged

    def ping(self) -> None:
        """Ask whether the zone's loop still turns."""
        self._pinged += 1
        self.check_conduits()
        self.link.send(Ping(self._pinged))

    def check_conduits(self) -> None:
        """Tell the zone where a conduit was opened or closed."""
        now = self._zone.policy.open_conduits
        if now != self._conduits and self._link is not None:
            self._conduits = now
            if self.feed is not None:
                self.feed.conduits_changed(self._zone.open_zones)
            known = {each.name for each in conduits_of(self._zone.policy.table, self._zone.name)}
            self._link.send(Conduits({n: is_open for n, is_open in now.items() if n in known}))

    def show_accounts(self) -> None:
        """Tell the zone's administrators how the accounts are now."""
        admin = self._zone.services.accounts
        if admin is not None and self._link is not None:
            self._link.send(accounts_message(admin, self._zone.admission))

    def account_changed(self, change: AccountChange) -> None:
        """See `CoreZone.account_changed`."""
        if self.requests is None or self._link is None:
            return
        self.requests.identities.changed(change)
        self.show_accounts()
        if self._zone.admission.user(change.user):
            self._link.send(changed_message(change))

    def close(self, reason: str = "") -> None:
        """End the link."""
        if self._link is not None:
            self._link.close(reason)

    def received(self, message: Any) -> None:
        """A message of the zone. Raises MalformedError."""
        handler = _HANDLERS.get(type(message))
        if handler is not None:
            handler(self, message)
        elif self.requests is None or not self.started.done():
            raise MalformedError("a request before the zone was ready")
        elif self.link.unsent > MAX_UNREAD_BYTES:
            raise MalformedError("it asks on and does not read the answers")
        else:
            self.requests.take(message)

    def ended(self, reason: str) -> None:
        """The link is over."""
        self.reason = self.reason or reason
        if self.feed is not None:
            self.feed.stop()
        if self.requests is not None:
            self.requests.abandon()
        if not self.started.done():
            self.started.set_exception(ZoneError(reason or "it was stopped"))
            self.started.exception()
        self.over.set()

    def _reply(self, message: Message) -> None:
        """Many requests, each with a long answer, are not all answered to one that reads none."""
        if self.link.unsent > MAX_UNREAD_BYTES:
            self._break("it does not read the answers")
        else:
            self.link.send(message)

    def _break(self, reason: str) -> None:
        self._zone.counters["malformed"] += 1
        _log.error("a zone's link ends: %s", reason, extra={"zone": self._zone.name})
        self.close(reason)

    def _ready(self, message: Ready) -> None:
        if message.version != VERSION:
            raise MalformedError(f"version {message.version} of the messages")
        if self.started.done():
            raise MalformedError("a zone that is ready twice")
        zone = self._zone
        if zone.port is not None and (message.url, message.port) != (zone.url, zone.port):
            raise MalformedError("a zone that listens elsewhere than before")
        zone.url, zone.port = message.url, message.port
        self.started.set_result(None)

    def _failed(self, message: Failed) -> None:
        if self.started.done():
            raise MalformedError("a zone that fails after it was ready")
        self.close(message.reason)

    def _pong(self, message: Pong) -> None:
        if not self._ponged < message.number <= self._pinged:
            raise MalformedError("a pong that nobody asked for")
        self._ponged = message.number
        self._zone.front_end = {
            safe_text(part, _NAME): {
                safe_text(name, _NAME): count for name, count in counts.items()
            }
            for part, counts in message.counters.items()
        }

    def _log(self, message: LogLine) -> None:
        """A line of the zone's log, as one of our own; a flood of them is counted, not logged."""
        left_out = self._zone.spend_line()
        if left_out is None:
            return
        context = {n: text for n, text in message.context.items() if n not in RESERVED}
        extra: dict[str, object] = {**context, "zone": self._zone.name}
        if left_out:
            extra["lines_left_out"] = left_out
        _logger(message.logger).log(message.level, "%s", message.message, extra=extra)


def _logger(name: str) -> logging.Logger:
    """The logger of that name if there is one: they stay for ever, and a zone may make names up."""
    known = name.startswith("biogate") and name in logging.Logger.manager.loggerDict
    return logging.getLogger(name) if known else _log


_HANDLERS: Mapping[type, Callable[[Connection, Any], None]] = {
    Ready: Connection._ready,
    Failed: Connection._failed,
    Pong: Connection._pong,
    LogLine: Connection._log,
}
