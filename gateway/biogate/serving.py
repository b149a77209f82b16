"""What serves clients: one OPC UA endpoint on the core's own table, or one for each zone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from biogate.commands import CommandService
from biogate.endpoint_config import site_endpoint, zone_endpoint
from biogate.front_end_counters import counters_of
from biogate.opcua.events import Event, EventHub
from biogate.opcua.front_end import FrontEnd
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.stack import ua
from biogate.site import Site
from biogate.storage import Storage, host_names
from biogate.tags import TagTable
from biogate_adapters.filetime import now_ticks
from biogate_nodesets import Model
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.policy import Policy
from biogate_security.zones import ZonePolicy

FrontEnds = Literal["processes", "in_process"]


class Serving(Protocol):
    """The front end, or the front ends of the zones."""

    @property
    def events(self) -> EventHub: ...

    @property
    def urls(self) -> Mapping[str, str]:
        """The endpoint's URL by zone; that of a site without zones is of ""."""
        ...

    @property
    def pids(self) -> Mapping[str, int]:
        """The process id of each zone's front end that runs in one of its own now."""
        ...

    def emit(self, event: Event, place: Place) -> None:
        """Tell those who may hear of a place."""
        ...

    def counters(self) -> Iterable[tuple[str, dict[str, int]]]: ...

    def conduits_changed(self) -> None:
        """A conduit between zones was opened or closed."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Core:
    """What front ends are made over."""

    site: Site
    table: TagTable
    space: AddressSpace
    commands: CommandService
    policy: Policy
    storage: Storage


class SiteEndpoint:
    """The front end of a site without zones."""

    def __init__(self, core: Core, port: int | None) -> None:
        self.front_end = FrontEnd(
            site_endpoint(core.site, core.storage.users, port),
            space=core.space,
            tags=core.table,
            commands=core.commands,
            policy=core.policy,
            authenticator=core.storage.authenticator,
            pki=core.storage.pki,
            pki_admin=PkiAdministrator(core.storage.pki),
            audit=core.storage.audit,
            accounts=core.storage.accounts,
        )
        core.storage.users.watch(self.front_end.account_changed)
        self.start, self.stop = self.front_end.start, self.front_end.stop

    @property
    def events(self) -> EventHub:
        return self.front_end.events

    @property
    def urls(self) -> Mapping[str, str]:
        return {"": self.front_end.endpoint_url}

    @property
    def pids(self) -> Mapping[str, int]:
        return {}

    def emit(self, event: Event, place: Place) -> None:
        self.front_end.events.emit(event)

    def counters(self) -> Iterable[tuple[str, dict[str, int]]]:
        yield from counters_of(self.front_end).items()

    def conduits_changed(self) -> None:
        """There is none."""


@dataclass(frozen=True, slots=True)
class Nodesets:
    """What of the address space every front end loads itself: nodes, and how many namespaces."""

    nodes: frozenset[ua.NodeId]
    namespaces: int

    @classmethod
    def of(cls, model: Model) -> Nodesets:
        """Of a model to which nothing has been added yet."""
        return cls(frozenset(model.nodes), len(model.namespaces))


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """How zones are served; see `Gateway`. `unaudited` are NodeIds as text."""

    data: Path
    nodeset_folder: Path | None
    nodesets: Nodesets
    unaudited: frozenset[str]
    port: int | None
    trusts_any_client: bool
    front_ends: FrontEnds


def zone_front_ends(core: Core, policy: ZonePolicy, settings: ZoneSettings) -> Serving:
    """The front ends of a site's zones."""
    from biogate.opcua.space.rights import Rights
    from biogate.zones.calls import Calls
    from biogate.zones.extract import Whole
    from biogate.zones.requests import Services
    from biogate.zones.serving import Settings, ZoneFrontEnds

    whole = Whole(
        core.space,
        core.table,
        settings.nodesets.nodes,
        settings.nodesets.namespaces,
        settings.unaudited,
        has_history=lambda _tag: False,
    )
    services = Services(
        whole,
        core.commands,
        Calls(core.space, Rights(policy, core.space, now_ticks), time.monotonic),
        core.storage.authenticator,
        core.storage.audit,
        None,
        core.storage.accounts,
        now_ticks,
    )
    site = core.site
    front_ends = ZoneFrontEnds(
        Settings(
            site,
            settings.data,
            settings.nodeset_folder,
            lambda zone: settings.trusts_any_client or site.zone_opcua(zone).trust_any_client,
            lambda zone: zone_endpoint(site, core.storage.users, zone, settings.port),
            lambda zone: tuple(host_names(site.zone_opcua(zone).host)),
            in_process=settings.front_ends == "in_process",
        ),
        services,
        policy,
    )
    core.storage.users.watch(front_ends.account_changed)
    return front_ends
