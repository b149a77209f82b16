"""biogate's front end as it is measured: everyone may do everything, nothing is audited."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.layout import APPLICATION_URI
from benchmarks.served.pki import OpenPki
from benchmarks.served.space import BenchSpace
from biogate.opcua.config import FrontEndConfig, Limits
from biogate.opcua.front_end import FrontEnd
from biogate.opcua.ports import StoredValue, StoredWrites, UnfitValue
from biogate.opcua.transport.policies import RSA_POLICIES
from biogate.tags import TagTable
from biogate_adapters.filetime import now_ticks
from biogate_security.policy import Action, Subject
from biogate_security.role_policy import RolePolicy, Rule, Scope
from biogate_security.roles import Role

_ANYONE_WRITES = Rule(
    "benchmark", (Role.ANONYMOUS,), (Action.WRITE,), tuple(Scope), "the benchmark lets anyone write"
)
LIMITS = Limits(
    max_connections=2_000,
    max_unused_connections_per_host=2_000,
    max_sessions=2_000,
    min_session_timeout_ms=1_000.0,
    max_subscriptions=2_000,
    max_monitored_items=2_000_000,
)


class TableCommands:
    """A command port that stores values in the tag table at once."""

    def __init__(self, table: TagTable) -> None:
        self._table = table

    async def write(
        self, subject: Subject, tag: int, node_id: str, value: float | str | UnfitValue, **_: Any
    ) -> int:
        """Store a number, or answer why it does not fit."""
        if isinstance(value, UnfitValue):
            return value.status
        return await self.write_stored(
            subject, tag, node_id, StoredValue(float(value), 0, now_ticks())
        )

    async def write_stored(
        self, subject: Subject, tag: int, node_id: str, write: StoredValue | UnfitValue, **_: Any
    ) -> int:
        """Store a value, or answer why it does not fit."""
        if isinstance(write, UnfitValue):
            return write.status
        self.write_unaudited(
            StoredWrites(
                np.array([tag], np.int32),
                np.array([write.value]),
                np.array([write.status], np.uint32),
                np.array([write.source_time]),
                {0: write.held},
            )
        )
        return 0

    def write_unaudited(self, writes: StoredWrites) -> None:
        """Store the values in one go."""
        self._table.apply(
            writes.tag, writes.value, writes.status, writes.source_time, now_ticks(), writes.objects
        )


class NoUsers:
    """Nobody has a password."""

    async def authenticate(self, name: str, password: str, source: str = "") -> None:
        return None


def bench_front_end(space: BenchSpace, pki: OpenPki, port: int) -> FrontEnd:
    """The front end with all security policies, to be started."""
    return FrontEnd(
        FrontEndConfig(
            APPLICATION_URI,
            port=port,
            security=("None", *(policy.name for policy in RSA_POLICIES.values())),
            limits=LIMITS,
        ),
        space.space,
        space.table,
        TableCommands(space.table),
        RolePolicy(anonymous="read", rules=[_ANYONE_WRITES]),
        NoUsers(),
        pki,
    )
