"""A zone's front end: made of what the core sent, fed by it, and asking it for all else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biogate.front_end_counters import counters_of
from biogate.opcua.config import FrontEndConfig
from biogate.opcua.events.journal import Emitted
from biogate.opcua.front_end import FrontEnd
from biogate.zones import plain
from biogate.zones.accounts import AccountsProxy, change_of
from biogate.zones.columns import from_rows
from biogate.zones.event_messages import event_of
from biogate.zones.link import Link
from biogate.zones.messages import (
    VERSION,
    AccountChanged,
    Accounts,
    Batches,
    CallReply,
    Conduits,
    Denied,
    Done,
    EventOf,
    EventsLost,
    HistoryReply,
    IdentityReply,
    MalformedError,
    Ping,
    Pong,
    Ready,
    Rows,
    Setup,
    Snapshot,
    StatusReply,
)  # fmt: skip
from biogate.zones.node_ids import from_bytes
from biogate.zones.proxies import (
    AuditProxy,
    AuthenticatorProxy,
    CommandProxy,
    HistoryProxy,
    MethodProxy,
)  # fmt: skip
from biogate.zones.rebuild import load, space_of, table_of
from biogate.zones.requester import Requester
from biogate_adapters.status import BAD_WAITING_FOR_INITIAL_DATA
from biogate_security.key_kinds import curves_of
from biogate_security.pki import Pki
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.role_policy import RolePolicy
from biogate_security.trust_content import Group
from biogate_security.zones import Admission, ZonePolicy

_log = logging.getLogger(__name__)

_MOST_KNOWN = 1024


class ZoneFront:
    """The front end of one zone. `link` leads to the core."""

    def __init__(self, setup: Setup, link: Link) -> None:
        """Raises what loading nodesets and opening the PKI raise, and MalformedError."""
        if setup.version != VERSION:
            raise MalformedError(f"version {setup.version} of the messages")
        self._link = link
        self.requester = Requester(link)
        config: FrontEndConfig = plain.decode(setup.config)
        self._policy = ZonePolicy(
            RolePolicy(unaudited=setup.space.unaudited), plain.decode(setup.table)
        )
        self._table = table_of(setup.space.tags)
        self._known: dict[bytes, NDArray[np.int32]] = {}
        space = space_of(setup, load(setup, config.application_uri), self._table)
        methods = MethodProxy(self.requester)
        for owner, method, audited in setup.space.methods:
            space.methods.bind(
                from_bytes(owner),
                from_bytes(method),
                methods.call,
                refused=methods.refused,
                audited=audited,
            )
        pki = Pki.open(
            Path(setup.pki_folder),
            config.application_uri,
            setup.host_names,
            curves=curves_of(config.security),
            auto_trust=setup.trusts_any_client,
            suppress=config.suppressed,
        )
        self._accounts = AccountsProxy(self.requester)
        self.front_end = FrontEnd(
            config,
            space,
            self._table,
            CommandProxy(self.requester),
            self._policy,
            AuthenticatorProxy(self.requester),
            pki,
            history_reader=_history(setup, self.requester),
            audit=AuditProxy(self.requester),
            accounts=self._accounts if setup.manages_accounts else None,
            pki_admin=PkiAdministrator(pki, (Group.APPLICATION,)),
            admission=self._admission(setup.zone),
        )

    def _admission(self, zone: str) -> Admission:
        """Who may be a client. Raises MalformedError for a zone that the table does not have."""
        found = self._policy.table.zone(zone)
        if found is None:
            raise MalformedError(f"no zone {zone} in the table")
        return Admission(found)

    async def start(self) -> None:
        """Serve clients, and tell the core. Raises ListenError."""
        await self.front_end.start()
        self._link.send(Ready(VERSION, self.front_end.endpoint_url, self.front_end.listener.port))

    async def stop(self) -> None:
        """Close the sessions and stop."""
        await self.front_end.stop()
        self.requester.over()

    def received(self, message: Any) -> None:
        """A message of the core after the setup. Raises MalformedError."""
        handler = _HANDLERS.get(type(message))
        if handler is None:
            raise MalformedError(f"{type(message).__name__} is not for a front end that runs")
        handler(self, message)

    def _batches(self, message: Batches) -> None:
        for rows in message.rows:
            columns = from_rows(rows, self._index(rows))
            self._table.apply(
                columns.index, columns.value, columns.status, columns.source_time,
                rows.server_time, columns.objects,
            )  # fmt: skip

    def _index(self, rows: Rows) -> NDArray[np.int32]:
        """The column of indices; devices send the same ones again and again, which is faster."""
        index = self._known.get(rows.index)
        if index is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            index = self._known[rows.index] = np.frombuffer(rows.index, np.int32)
        return index

    def _snapshot(self, message: Snapshot) -> None:
        """Present values, by the time at which each came to the core."""
        if message.lost_rows:
            self._table.journal.lose(message.lost_rows)
        index = np.frombuffer(message.rows.index, np.int32)
        columns = from_rows(message.rows, index)
        times = np.frombuffer(message.server_times, np.int64)
        came = (times != 0) | (columns.status != BAD_WAITING_FOR_INITIAL_DATA)
        for time in np.unique(times[came]).tolist():
            rows = np.flatnonzero(came & (times == time))
            objects = {
                new: columns.objects[old]
                for new, old in enumerate(rows.tolist())
                if old in columns.objects
            }
            self._table.apply(
                index[rows], columns.value[rows], columns.status[rows],
                columns.source_time[rows], time, objects,
            )  # fmt: skip

    def _event(self, message: EventOf) -> None:
        event, hub = event_of(message), self.front_end.events
        notifiers = self.front_end.context.space.notifiers.above(event.source_node)
        hub.journal.append(Emitted(event, notifiers))

    def _events_lost(self, message: EventsLost) -> None:
        self.front_end.events.journal.lose(message.count)

    def _accounts_shown(self, message: Accounts) -> None:
        self._accounts.shown = message

    def _account_changed(self, message: AccountChanged) -> None:
        self.front_end.account_changed(change_of(message))

    def _conduits(self, message: Conduits) -> None:
        for name, is_open in message.open.items():
            self._policy.set_conduit_open(name, is_open)

    def _ping(self, message: Ping) -> None:
        self._link.send(Pong(message.number, counters_of(self.front_end)))

    def _answered(self, message: Any) -> None:
        self.requester.answered(message)


def _history(setup: Setup, requester: Requester) -> HistoryProxy | None:
    kept = frozenset(tag.name for tag in setup.space.tags if tag.historized)
    return HistoryProxy(requester, kept) if kept else None


_HANDLERS: Mapping[type, Callable[[ZoneFront, Any], None]] = {
    Batches: ZoneFront._batches,
    Snapshot: ZoneFront._snapshot,
    EventOf: ZoneFront._event,
    EventsLost: ZoneFront._events_lost,
    Accounts: ZoneFront._accounts_shown,
    AccountChanged: ZoneFront._account_changed,
    Conduits: ZoneFront._conduits,
    Ping: ZoneFront._ping,
    **dict.fromkeys(
        (StatusReply, Denied, CallReply, IdentityReply, HistoryReply, Done), ZoneFront._answered
    ),
}
