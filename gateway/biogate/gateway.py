"""`Gateway`: the running gateway, and the API to embed it in a program of your own.

async with Gateway.from_file("site.yaml") as gateway:
    print(gateway.endpoint_url, gateway.read("AE101.ph"))
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from biogate.alarms import Alarms
from biogate.bioreactor import build_address_space
from biogate.commands import CommandService, WriteRoute
from biogate.computed import ComputedTags, Function
from biogate.conduit_control import ConduitControl
from biogate.conduit_methods import ConduitMethods, add_conduit_methods
from biogate.configuration import record_start, record_stop
from biogate.crossings import CommandPlaces, Crossings, Present
from biogate.data_folder import DEFAULT_DATA
from biogate.declared.counters import Counters
from biogate.declared.methods import DeclaredMethods
from biogate.declared.routes import apply_stored, bounded_text, plain_value
from biogate.declared.variables import DeclaredVariables
from biogate.device_events import DeviceEvents
from biogate.devices import Devices
from biogate.diagnostics import Diagnostics, count
from biogate.opcua.audit.types import add_security_types
from biogate.opcua.events import Event
from biogate.opcua.ports import StoredWrites
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.stack import ObjectIds, node_id, status_name, ua
from biogate.records import Records
from biogate.serving import (
    Core,
    FrontEnds,
    Nodesets,
    Serving,
    SiteEndpoint,
    ZoneSettings,
    zone_front_ends,
)
from biogate.signatures.set_up import set_up_signatures
from biogate.site import Site, SitePlan, load_site, plan_site
from biogate.site.zone_table import zone_table
from biogate.storage import Storage, model_of
from biogate.tags import Cursor, TagInfo, TagTable, TagValue
from biogate.updates import TagUpdates
from biogate.user_trust import UserTrustWatch
from biogate_adapters import status
from biogate_adapters.filetime import now_ticks
from biogate_security.audit_store.state import AuditState
from biogate_security.policy import Policy, Subject
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import ZonePolicy

_log = logging.getLogger(__name__)

EMBEDDING = Subject("embedding program", frozenset({"Operator"}))


class WriteRefusedError(Exception):
    """A write did not happen; `status` is the StatusCode that says why."""

    def __init__(self, tag: str, code: int) -> None:
        super().__init__(f"{tag} was not written: {status_name(code)}")
        self.status = code


def check_port(site: Site, port: int | None) -> None:
    """Raise ValueError for a port that several endpoints would have to share."""
    if site.zones and port:
        raise ValueError(
            f"port {port} cannot be that of every zone's endpoint: set `opcua.port` of each"
            " zone in the site file, or give 0 and each takes a free one"
        )


class Gateway:
    """Polls a site's devices, keeps their tags and serves them by OPC UA.

    Use it as an asynchronous context manager, in one event loop. All state (keys, users, audit
    log, caches) lives in the data folder, which one gateway holds at a time.
    """

    def __init__(
        self,
        site: Site,
        *,
        data: Path = DEFAULT_DATA,
        port: int | None = None,
        addresses: Mapping[str, str] | None = None,
        nodesets: Path | None = None,
        auto_trust: bool = False,
        front_ends: FrontEnds | None = None,
    ) -> None:
        """`port`, `front_ends` and `addresses` (device → address) take the place of the site
        file's. On a site with zones a `port` can only be 0: each endpoint takes a free one.

        `nodesets` is a folder with the official nodesets, where they are not to be fetched.
        `auto_trust` trusts any client certificate at first sight: for a demo on loopback only.
        Raises ValueError for a port that several zones would have to share.
        """
        check_port(site, port)
        self.site = site
        self._plan: SitePlan = plan_site(site)
        self._data = data
        self._port = port
        self._front_ends = front_ends or site.front_ends
        self._nodesets = nodesets
        self._trusts_any_client = auto_trust or site.opcua.trust_any_client
        self._table = TagTable()
        self._computed = ComputedTags(self._table)
        self._devices = Devices(self._plan, self._table, addresses or {})
        self._declared = DeclaredVariables(self._plan.sections, self._table, self._plan.zones)
        self._stack = AsyncExitStack()
        self._serving: Serving | None = None
        self._space: AddressSpace | None = None
        self._variables: Mapping[str, tuple[str, ...]] = {}
        self._commands: CommandService | None = None
        self._methods: DeclaredMethods | None = None
        self._conduits: ConduitControl | None = None
        self._storage: Storage | None = None
        self.first_passwords: Mapping[str, str] = {}
        """User → password, of the accounts that this start made with a random one."""

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        data: str | Path = DEFAULT_DATA,
        port: int | None = None,
        addresses: Mapping[str, str] | None = None,
        nodesets: Path | None = None,
        auto_trust: bool = False,
        front_ends: FrontEnds | None = None,
    ) -> Gateway:
        """A gateway for a site file. Raises `biogate.site.SiteError` with all its mistakes."""
        return cls(
            load_site(path),
            data=Path(data),
            port=port,
            addresses=addresses,
            nodesets=nodesets,
            auto_trust=auto_trust,
            front_ends=front_ends,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start polling and serving; returns when clients can connect.

        Raises LockHeldError (data folder in use), StorageError (it cannot be used),
        NodesetSourceError (no nodesets), or OSError (port in use), each with a message that says
        what to do. Nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Stop serving, stop the devices, record what came of each write, close the audit log.

        A client's write that is under way has half a second; of one that takes longer is recorded
        that nobody knows (Bad_Shutdown).
        """
        await self._stack.aclose()
        self._serving = self._commands = self._storage = self._conduits = None

    async def _start(self) -> None:
        storage = await Storage.open(self._data, self.site, auto_trust=self._trusts_any_client)
        self._stack.push_async_callback(storage.close)
        await record_start(storage.audit, self.site, self._data)
        self._stack.push_async_callback(record_stop, storage.audit, self._data)
        model = await asyncio.to_thread(model_of, self._data, self.site, self._nodesets)
        nodesets = Nodesets.of(model) if self.site.zones else None
        built = build_address_space(model, self._plan, self._table, self._declared)
        self._variables, self._space = built.variables, built.space
        namespace = add_security_types(built.space)
        cursor = self._table.journal.cursor()
        self._store(self._declared.initial(built.space.namespaces, now_ticks()))
        policy = self._policy()
        crossings = Crossings(policy, now_ticks, present=self._present)
        places = CommandPlaces(built.space, built.variables)
        commands = CommandService(
            policy,
            storage.audit,
            read_text=self._read_text,
            store=self._store,
            batch_id_of=self.batch_id_of,
            crossings=crossings,
            places=places,
        )
        self._add_routes(commands)
        methods = self._bind_methods(built.space, policy, storage, crossings, places)
        core = Core(self.site, self._table, built.space, commands, policy, storage)
        serving = self._serving_of(core, nodesets)
        self._conduits = self._conduit_control(policy, storage, serving, namespace)
        self._raise_alarms(serving, storage, crossings, namespace)
        set_up_signatures(
            self._plan,
            built.space,
            self._table,
            built.variables,
            commands,
            methods,
            storage.authenticator,
            self._records(storage),
            serving.emit,
            namespace,
        )
        for tag, route in self._declared.routes(partial(self._raise_event, serving)):
            commands.add_stored(tag, route)
        self._stack.push_async_callback(commands.drain)
        self._stack.push_async_callback(self._devices.stop)
        await storage.update_accounts(self.site, os.environ)
        await serving.start()
        self._stack.push_async_callback(serving.stop)
        self._devices.watch(DeviceEvents(serving.events, built.devices).state_changed)
        self._devices.start()
        self._start_counters()
        if self.site.zones:
            self._watch_user_trust(storage)
        self._follow_computed_tags(cursor)
        self.first_passwords = await storage.make_accounts(self.site, os.environ)
        self._serving, self._commands, self._storage = serving, commands, storage
        self._methods = methods
        for danger in self.site.dangers:
            _log.warning(danger)
        # A full collection over the address space would stop the world for 150-300 ms. The
        # little garbage of the start (some 4,000 small objects) stays, rather than stop it now.
        gc.freeze()

    def _raise_alarms(
        self, serving: Serving, storage: Storage, crossings: Crossings, namespace: int
    ) -> None:
        alarms = Alarms(serving.emit, namespace, now_ticks)
        self._stack.callback(alarms.close)
        crossings.on_refused = alarms.crossing_refused
        storage.audit.on_record = alarms.recorded
        storage.audit.on_state = alarms.audit_state
        if storage.audit.state is not AuditState.OK:
            alarms.audit_state(storage.audit.state, storage.audit.state_reason)
        alarms.watch_certificate(lambda: storage.pki.warnings)

    def _policy(self) -> RolePolicy | ZonePolicy:
        roles = RolePolicy(self.site.opcua.anonymous, unaudited=self._unaudited())
        return ZonePolicy(roles, zone_table(self._plan)) if self.site.zones else roles

    def _conduit_control(
        self, policy: Policy, storage: Storage, serving: Serving, namespace: int
    ) -> ConduitControl | None:
        if not isinstance(policy, ZonePolicy):
            return None
        records = Records(storage.audit, now_ticks)
        self._stack.push_async_callback(records.close)
        control = ConduitControl(policy, records, self._data, serving.conduits_changed)
        control.restore()
        if policy.table.conduits and self._space is not None:
            endpoints = [name for name, zone in self.site.zones.items() if zone.opcua is not None]
            methods = ConduitMethods(policy, control, records, endpoints)
            add_conduit_methods(self._space, namespace, methods)
        return control

    def _serving_of(self, core: Core, nodesets: Nodesets | None) -> Serving:
        if not isinstance(core.policy, ZonePolicy) or nodesets is None:
            return SiteEndpoint(core, self._port)
        settings = ZoneSettings(
            self._data,
            self._nodesets,
            nodesets,
            frozenset(self._unaudited()),
            self._port,
            self._trusts_any_client,
            self._front_ends,
        )
        return zone_front_ends(core, core.policy, settings)

    def _raise_event(self, serving: Serving, tag: str, message: str, severity: int) -> None:
        """An event of the Server object, as a declared variable asks for it."""
        assert self._space is not None
        server = node_id(ObjectIds.Server)
        place = self._space.place(ua.NodeId.from_string(self._variables[tag][0]))
        serving.emit(Event(server, severity, ua.LocalizedText(message)), place)

    def _add_routes(self, commands: CommandService) -> None:
        for device in self._devices:
            for signal in device.plan.profile.signals:
                if signal.writable:
                    low = signal.low if signal.write_low is None else signal.write_low
                    high = signal.high if signal.write_high is None else signal.write_high
                    tag = int(device.tags[signal.index])
                    name = device.plan.tag(signal)
                    limits = device.plan.write_limits(signal)
                    route = WriteRoute(
                        name, device.plan.name, signal, device.supervisor, low, high, limits
                    )
                    commands.add_route(tag, route)

    def _bind_methods(
        self,
        space: AddressSpace,
        policy: Policy,
        storage: Storage,
        crossings: Crossings,
        places: CommandPlaces,
    ) -> DeclaredMethods:
        records = self._records(storage)
        methods = DeclaredMethods(policy, records, crossings=crossings, places=places)
        self._stack.callback(methods.close)
        for section in self._plan.sections:
            methods.bind(space, space.namespaces.index(section.namespace), section.methods)
        return methods

    def _records(self, storage: Storage) -> Records:
        """Records that say at the stop how many refusals they have left out."""
        records = Records(storage.audit, now_ticks, batch_id_of=self.batch_id_of)
        self._stack.push_async_callback(records.close)
        return records

    def _start_counters(self) -> None:
        counters = Counters(self._declared, self._store, now_ticks)
        counters.start()
        self._stack.push_async_callback(counters.stop)

    def _watch_user_trust(self, storage: Storage) -> None:
        watch = UserTrustWatch(
            storage.pki,
            storage.users,
            storage.audit,
            by_common_name=self.site.opcua.user_certificates == "common_name",
        )
        watch.start()
        self._stack.push_async_callback(watch.stop)

    def _unaudited(self) -> Iterator[str]:
        """NodeIds of the variables and methods that the site declares unaudited."""
        for variable in self._declared:
            if not variable.config.audited:
                yield from self._variables[variable.tag]

    def _follow_computed_tags(self, cursor: Cursor) -> None:
        async def follow() -> None:
            while True:
                await cursor.wait()
                try:
                    self._computed.update(cursor.read())
                except Exception:  # noqa: BLE001  a defect must not end all computed tags
                    _log.exception("computed tags were not updated")

        task = asyncio.create_task(follow(), name="computed tags")
        self._stack.callback(task.cancel)

    def _read_text(self, tag: int) -> str:
        return bounded_text(plain_value(self._table.read(self._table.info(tag).name).value))

    def _present(self, tag: int) -> Present:
        value, code, _, server_time = self._table.number_at(tag)
        return Present(value, code, server_time)

    def _store(self, writes: StoredWrites) -> None:
        apply_stored(self._table, writes, now_ticks())

    @property
    def endpoint_urls(self) -> Mapping[str, str]:
        """The URL of each zone's endpoint; of a site without zones that of "".

        Raises RuntimeError before `start`.
        """
        if self._serving is None:
            raise RuntimeError("the gateway is not running: use `async with`, or await start()")
        return self._serving.urls

    @property
    def zone_processes(self) -> Mapping[str, int]:
        """The process id of each zone's front end, of those that run in one of their own now."""
        return {} if self._serving is None else self._serving.pids

    @property
    def endpoint_url(self) -> str:
        """The URL that OPC UA clients connect to.

        Raises RuntimeError before `start`, and where there are endpoints of zones.
        """
        urls = self.endpoint_urls
        if self.site.zones:
            raise RuntimeError(f"each zone has its own: see `endpoint_urls` of {', '.join(urls)}")
        return urls[""]

    @property
    def tags(self) -> Iterator[TagInfo]:
        """All tags, in the order in which they were added."""
        return (self._table.info(self._table.index(name)) for name in self._table.names)

    @property
    def declared_variables(self) -> int:
        """How many variables without a device the site declares."""
        return len(self._declared)

    def node_ids(self, tag: str) -> tuple[str, ...]:
        """NodeIds (as text) of the Variables that show a tag to OPC UA clients, once started."""
        return self._variables.get(tag, ())

    def batch_id_of(self, subject: str) -> str:
        """The batch that runs on a tag, or on what has a NodeId (as text); "" for none.

        Records of writes and calls name it. A program that runs batches overrides this.
        """
        return ""

    def read(self, tag: str) -> TagValue:
        """A tag's present value, status and times. Raises KeyError for an unknown tag."""
        value = self._table.read(tag)
        return value._replace(value=plain_value(value.value))

    async def wait_for_first_values(self, tags: Sequence[str]) -> None:
        """Return once each of `tags` has been read or has failed. Raises KeyError (unknown tag)."""
        cursor = self._table.journal.cursor()
        waiting = {status.BAD_WAITING_FOR_INITIAL_DATA}
        while waiting & {self._table.read(tag).status for tag in tags}:
            await cursor.wait()
            cursor.read()

    async def write(self, tag: str, value: Any, *, subject: Subject = EMBEDDING) -> None:
        """Write a set-point as `subject` and wait for the device's confirmation.

        Or set a variable without a device; its value is written as in the site file.

        Takes the same way as a client's write: policy, limits, audit record, device. On a site with
        zones a subject without one counts as one of the tag's own zone. Raises
        WriteRefusedError with the StatusCode, KeyError for an unknown tag.
        """
        if self._commands is None or self._space is None:
            raise RuntimeError("the gateway is not running: use `async with`, or await start()")
        index = self._table.index(tag)
        if self.site.zones and not subject.zone:
            subject = self._inside(subject, tag)
        if tag in self._declared:
            namespaces = self._space.namespaces
            stored = self._declared.converted(tag, value, namespaces, now_ticks())
            code = await self._commands.write_stored(subject, index, "", stored)
        else:
            code = await self._commands.write(subject, index, "", value)
        if status.is_bad(code):
            raise WriteRefusedError(tag, code)

    async def set_conduit_open(
        self,
        name: str,
        is_open: bool,
        *,
        reason: str,
        subject: Subject = EMBEDDING,
    ) -> None:
        """Open or close a conduit between zones; what crossed it ends. It is on record.

        Closing takes effect at once, opening when it has been recorded. Both last over a restart.
        Raises KeyError (no such conduit), ValueError (no reason), RuntimeError (not running, or no
        zones), biogate_security.audit.AuditUnavailableError (not recorded; closed even so).
        """
        control = self._running_conduits()
        if is_open:
            await control.open(name, reason, subject)
        else:
            await control.close([name], reason, subject)

    async def isolate(self, *, reason: str, subject: Subject = EMBEDDING) -> None:
        """Island mode: close all conduits between zones. Raises as `set_conduit_open`."""
        await self._running_conduits().isolate(reason, subject)

    def _running_conduits(self) -> ConduitControl:
        if self._conduits is None:
            raise RuntimeError("there are no conduits: the gateway is not running, or has no zones")
        return self._conduits

    def _inside(self, subject: Subject, tag: str) -> Subject:
        """The subject as one of the tag's own zone: the program that embeds the core is in all."""
        assert self._space is not None
        node = ua.NodeId.from_string(self._variables[tag][0])
        zone = self._space.place(node).zone
        return replace(subject, zone=zone, security_mode="SignAndEncrypt")

    def add_computed_tag(
        self,
        name: str,
        function: Function,
        inputs: Sequence[str],
        *,
        unit: str | None = None,
        data_type: str = "Double",
        description: str = "",
    ) -> None:
        """Add a tag whose value is `function(*input values)`, updated when an input changes.

        `unit` is a UNECE code. Add tags before `start`, so that OPC UA clients see them too.
        Raises ValueError (no inputs, name taken, gateway running), KeyError (unknown input).
        """
        if self._serving is not None:
            raise ValueError(f"computed tag {name!r}: add it before the gateway starts")
        info = TagInfo(name, data_type, unit, description=description)
        self._computed.add(info, function, inputs)

    def updates(self, tags: Sequence[str] | None = None) -> TagUpdates:
        """Every update of `tags` (of all tags when None) from now on; see `TagUpdates`."""
        return TagUpdates(self._table, tags)

    def diagnostics(self) -> Diagnostics:
        """State and counters of each device, and counters of each part, as they are now.

        Before the start there are devices only.
        """
        devices = {d.plan.name: replace(d.supervisor.diagnostics) for d in self._devices}
        if self._serving is None or self._commands is None or self._storage is None:
            return Diagnostics(devices, {})
        parts = count(self._table, self._commands, self._serving, self._storage)
        if self._methods is not None:
            parts["calls"] = dict(self._methods.counters)
        return Diagnostics(devices, parts)
