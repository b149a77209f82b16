"""biogate's front end in a process of its own, as a security zone has it (docs/decisions/0020)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from benchmarks.layout import APPLICATION_URI
from benchmarks.served.front_end import LIMITS, TableCommands
from benchmarks.served.space import NODESETS, BenchSpace
from biogate.opcua.config import FrontEndConfig
from biogate.opcua.space.rights import Rights
from biogate.opcua.stack import ua
from biogate.opcua.transport.policies import RSA_POLICIES
from biogate.zones import plain
from biogate.zones.calls import Calls
from biogate.zones.confinement import Allowed
from biogate.zones.core_side import CoreZone
from biogate.zones.extract import Whole, extract
from biogate.zones.messages import VERSION, Setup
from biogate.zones.requests import Services
from biogate.zones.supervisor import Supervisor
from biogate_adapters.filetime import now_ticks
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import Admission, Zone, ZonePolicy, ZoneTable

ZONE = Zone("bench", anonymous="operate")
_HOSTS = ("127.0.0.1", "localhost")


class _Refusing:
    """Nobody logs in, and nothing is recorded: the benchmark's clients are anonymous."""

    async def authenticate(self, name: str, password: str, source: str = "") -> None:
        return None

    async def authenticate_certificate(self, chain_der: bytes, source: str = "") -> int:
        return 0x80210000

    async def authenticate_token(self, token: bytes, source: str = "") -> None:
        return None

    async def record(self, record: object) -> int:
        return 0


@contextmanager
def bench_zone(space: BenchSpace, port: int) -> Iterator[Supervisor]:
    """The zone's process, to be started; everyone may do everything in it."""
    policy = ZonePolicy(RolePolicy(), ZoneTable((ZONE,)))
    own = {node for node in space.space.nodes if node.NamespaceIndex == space.namespace}
    whole = Whole(
        space.space,
        space.table,
        frozenset(space.space.nodes.keys() - own),
        space.namespace,
        frozenset(map(ua.NodeId.to_string, own)),
        has_history=lambda _tag: False,
    )
    nobody = _Refusing()
    services = Services(
        whole,
        TableCommands(space.table),
        Calls(space.space, Rights(policy, space.space, now_ticks), time.monotonic),
        nobody,
        nobody,
        None,
        None,
        now_ticks,
    )
    reaches = partial(policy.reaches, ZONE.name)
    part = extract(whole, reaches, ZONE.name)
    config = FrontEndConfig(
        APPLICATION_URI,
        port=port,
        security=("None", *(policy.name for policy in RSA_POLICIES.values())),
        limits=LIMITS,
        zone=ZONE.name,
    )
    with TemporaryDirectory() as folder:

        def setup(_port: int | None) -> Setup:
            return Setup(
                version=VERSION,
                zone=ZONE.name,
                config=plain.encode(config),
                table=plain.encode(policy.table),
                pki_folder=folder,
                host_names=_HOSTS,
                trusts_any_client=True,
                manages_accounts=False,
                nodesets=("ns0",),
                nodeset_folder=None,
                nodeset_cache=str(NODESETS.absolute()),
                space=part.data,
            )

        zone = CoreZone(ZONE.name, setup, services, part, reaches, Admission(ZONE), policy)
        allowed = Allowed(read=[str(NODESETS.absolute())], change=[folder], listen=[port])
        yield Supervisor(zone, lambda: allowed)
