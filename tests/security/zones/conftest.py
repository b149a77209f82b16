"""A small plant in zones, and how to ask its policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from biogate_security.policy import Action, Decision, Resource, Subject
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import Conduit, ConduitRule, PartPattern, Zone, ZonePolicy, ZoneTable

MONDAY_NOON = (12 * 60) * 60 * 10_000_000
"""1601-01-01 12:00 UTC, in FILETIME ticks; it was a Monday."""


@pytest.fixture
def noon() -> int:
    return MONDAY_NOON


@pytest.fixture
def rule() -> Callable[..., ConduitRule]:
    def make(*actions: Action, on: tuple[str, ...] | None = None, **more: Any) -> ConduitRule:
        patterns = None if on is None else tuple(PartPattern(text) for text in on)
        return ConduitRule(more.pop("name", "rule"), frozenset(actions), patterns, **more)

    return make


@pytest.fixture
def policy() -> Callable[..., ZonePolicy]:
    """A policy of the zones dmz, cell and model, with conduits from dmz (or `source`) to cell."""

    def make(
        *allow: ConduitRule,
        deny: tuple[ConduitRule, ...] = (),
        source: str = "dmz",
        faces: Any = None,
        zones: dict[str, Zone] | None = None,
        **conduit: Any,
    ) -> ZonePolicy:
        known = {
            "cell": Zone("cell"),
            "dmz": Zone("dmz"),
            "model": Zone("model", kind="model"),
            **(zones or {}),
        }
        across = Conduit("across", source, "cell", allow=allow, deny=deny, **conduit)
        table = ZoneTable(tuple(known.values()), (across,), faces or {})
        return ZonePolicy(RolePolicy(), table)

    return make


@pytest.fixture
def subject() -> Callable[..., Subject]:
    def make(zone: str = "dmz", *roles: str, **more: Any) -> Subject:
        defaults: dict[str, Any] = {
            "user": "mes",
            "security_mode": "SignAndEncrypt",
            "authentication": "UserName",
        }
        given = frozenset({"AuthenticatedUser", *(roles or ("Operator",))})
        return Subject(roles=given, zone=zone, **{**defaults, **more})

    return make


@pytest.fixture
def part() -> Callable[..., Resource]:
    def make(name: str, zone: str = "cell", **more: Any) -> Resource:
        return Resource(f"ns=1;s={name}", zone=zone, part=name, **more)

    return make


@pytest.fixture
def ask(
    subject: Callable[..., Subject], part: Callable[..., Resource], noon: int
) -> Callable[..., Decision]:
    """Decide on `name` of the cell for somebody of the dmz, at Monday noon."""

    def decide(policy: ZonePolicy, action: Action, name: str, **more: Any) -> Decision:
        now = more.pop("now", noon)
        resource = part(name, is_setpoint=action is Action.WRITE, **more.pop("resource", {}))
        return policy.decide(subject(**more), action, resource, now)

    return decide
