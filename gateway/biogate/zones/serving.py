"""The front ends of all zones of a gateway: started, stopped and counted together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from biogate.data_folder import nodeset_cache
from biogate.opcua.config import FrontEndConfig
from biogate.opcua.events import Event
from biogate.opcua.events.journal import Emitted
from biogate.opcua.space.places import Place
from biogate.opcua.transport.reverse import client_address
from biogate.site import Site
from biogate.zones import plain
from biogate.zones.confinement import Allowed
from biogate.zones.core_side import CoreZone, ZoneError
from biogate.zones.events import CoreEvents
from biogate.zones.extract import extract
from biogate.zones.in_process import InProcess
from biogate.zones.messages import VERSION, Setup, SpaceOf
from biogate.zones.pruned import pruned
from biogate.zones.requests import Services
from biogate.zones.supervisor import Supervisor
from biogate_security.private_file import make_private_folder
from biogate_security.roles import AccountChange
from biogate_security.zones import Admission, ZonePolicy

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs one zone's front end: a process, or this one."""

    @property
    def running(self) -> bool: ...

    @property
    def pid(self) -> int | None: ...

    @property
    def counters(self) -> Mapping[str, Mapping[str, int]]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How zones are run. `nodesets` is the folder with the official ones, None: the cache's.

    `endpoint` makes a zone's configuration; `host_names` the names in its certificate.
    """

    site: Site
    data: Path
    nodesets: Path | None
    trusts_any_client: Callable[[str], bool]
    endpoint: Callable[[str], FrontEndConfig]
    host_names: Callable[[str], tuple[str, ...]]
    in_process: bool


class ZoneFrontEnds:
    """The front ends of the zones that have an endpoint."""

    def __init__(self, settings: Settings, services: Services, policy: ZonePolicy) -> None:
        self._settings = settings
        self._services = services
        self._policy = policy
        space = services.whole.space
        self.events = CoreEvents(space, services.clock, self._forward)
        self._zones: dict[str, CoreZone] = {}
        self._runners: dict[str, Runner] = {}

    @property
    def urls(self) -> Mapping[str, str]:
        """The endpoint's URL of each zone that has one."""
        return {name: zone.url for name, zone in self._zones.items()}

    @property
    def pids(self) -> Mapping[str, int]:
        """The process id of each zone that has a process now."""
        found = {name: runner.pid for name, runner in self._runners.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    async def start(self) -> None:
        """Start all front ends; returns when all listen.

        Raises ZoneError for one that cannot, naming the zone; nothing is left running then.
        """
        names = [name for name, zone in self._settings.site.zones.items() if zone.opcua]
        try:
            for name in names:
                self._zones[name] = self._zone(name)
                self._runners[name] = self._runner(self._zones[name])
            await asyncio.gather(*(self._start(name) for name in names))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all front ends. Safe to call twice."""
        await asyncio.gather(*(runner.stop() for runner in self._runners.values()))

    def emit(self, event: Event, place: Place) -> None:
        """Tell the zones that may hear of a place."""
        self.events.emit(event, place)

    def counters(self) -> Iterator[tuple[str, dict[str, int]]]:
        """What is counted of each zone: `zone NAME`, and the parts of its front end."""
        for name, zone in self._zones.items():
            runner = self._runners[name]
            yield f"zone {name}", {**zone.counters, "running": int(runner.running)}
            for part, counts in runner.counters.items():
                yield f"zone {name} {part}", dict(counts)

    def account_changed(self, change: AccountChange) -> None:
        """An account is another one now: its sessions hear of it in each zone."""
        for zone in self._zones.values():
            zone.account_changed(change)

    def conduits_changed(self) -> None:
        """A conduit was opened or closed: each zone hears of its own at once."""
        for zone in self._zones.values():
            if zone.connection is not None:
                zone.connection.check_conduits()

    async def _start(self, name: str) -> None:
        try:
            await self._runners[name].start()
        except OSError as error:
            raise ZoneError(f"zone {name}: {error}") from error
        _log.info("zone ready", extra={"zone": name, "url": self._zones[name].url})

    def _runner(self, zone: CoreZone) -> Runner:
        if self._settings.in_process:
            return InProcess(zone)
        return Supervisor(zone, partial(self._allowed, zone))

    def _allowed(self, zone: CoreZone) -> Allowed:
        """What the zone's process may touch: its keys, the nodesets, its ports."""
        settings, pki = self._settings, self._pki_folder(zone.name)
        config = settings.endpoint(zone.name)
        make_private_folder(pki)
        read = [nodeset_cache(settings.data), settings.nodesets]
        return Allowed(
            read=[str(each.absolute()) for each in read if each is not None],
            change=[str(pki.absolute())],
            listen=[port for port in (config.port, zone.port) if port is not None],
            reach=[client_address(url)[1] for url in config.reverse_connect],
        )

    def _pki_folder(self, zone: str) -> Path:
        return self._settings.data / "zones" / zone / "pki"

    def _zone(self, name: str) -> CoreZone:
        zone = self._policy.table.zone(name)
        assert zone is not None
        reaches = partial(self._policy.reaches, name)
        part = extract(self._services.whole, reaches, name)

        def setup(port: int | None) -> Setup:
            config = self._settings.endpoint(name)
            if port is not None:  # the one that it had: clients come back to it
                config = replace(config, port=port)
            return self._setup(name, config, part.data)

        return CoreZone(name, setup, self._services, part, reaches, Admission(zone), self._policy)

    def _setup(self, name: str, config: FrontEndConfig, space: SpaceOf) -> Setup:
        settings = self._settings
        return Setup(
            version=VERSION,
            zone=name,
            config=plain.encode(config),
            table=plain.encode(pruned(self._policy, name)),
            pki_folder=str(self._pki_folder(name)),
            host_names=settings.host_names(name),
            trusts_any_client=settings.trusts_any_client(name),
            manages_accounts=self._services.accounts is not None,
            nodesets=None if settings.site.units else (),
            nodeset_folder=None if settings.nodesets is None else str(settings.nodesets),
            nodeset_cache=str(nodeset_cache(settings.data)),
            space=space,
        )

    def _forward(self, emitted: Emitted, place: Place) -> None:
        for zone in self._zones.values():
            zone.event(emitted, place.zone, place.part)
