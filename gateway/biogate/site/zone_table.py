"""The zones and conduits of a site file as the policy takes them."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.site.model import Site
from biogate.site.part_list import faces, list_parts
from biogate.site.plan import SitePlan
from biogate.site.zone_model import (
    AllowConfig,
    BoundsConfig,
    ConduitConfig,
    DenyConfig,
    TargetConfig,
    WindowConfig,
)
from biogate_security.policy import Action, WriteLimits
from biogate_security.zones import (
    Conduit,
    ConduitRule,
    PartPattern,
    SecurityLevels,
    Window,
    Zone,
    ZoneTable,
)

ACTIONS: Mapping[str, Action] = {
    "browse": Action.BROWSE,
    "read": Action.READ,
    "subscribe": Action.SUBSCRIBE,
    "write": Action.WRITE,
    "call": Action.CALL,
    "history": Action.READ_HISTORY,
    "events": Action.RECEIVE_EVENTS,
}
"""The site file's word for an action → the action."""


def zone_table(plan: SitePlan) -> ZoneTable:
    """The zones of a site that `load_site` accepted."""
    signals = {name: device.profile.by_name for name, device in plan.devices.items()}
    return ZoneTable(
        tuple(_zone(plan.site, name) for name in plan.site.zones),
        tuple(_conduit(name, config) for name, config in plan.site.conduits.items()),
        faces(list_parts(plan.site, signals)),
    )


def _zone(site: Site, name: str) -> Zone:
    config = site.zones[name]
    certificates = config.certificates
    return Zone(
        name,
        config.kind,
        config.description,
        levels(config.target),
        _set(config.users),
        config.networks,
        None if certificates is None else frozenset(each.lower() for each in certificates),
        _set(config.applications),
        site.zone_opcua(name).anonymous,
    )


def _conduit(name: str, config: ConduitConfig) -> Conduit:
    return Conduit(
        name,
        config.from_,
        config.to,
        levels(config.target),
        config.open,
        tuple(_allow(f"{name}.allow[{i}]", rule) for i, rule in enumerate(config.allow)),
        tuple(_deny(f"{name}.deny[{i}]", rule) for i, rule in enumerate(config.deny)),
    )


def levels(target: TargetConfig) -> SecurityLevels:
    """An SL-T vector."""
    return SecurityLevels(**target.model_dump())


def _allow(name: str, rule: AllowConfig) -> ConduitRule:
    return ConduitRule(
        name,
        frozenset(ACTIONS[word] for word in rule.actions),
        _patterns(rule.on),
        _set(rule.roles),
        _set(rule.users),
        _set(rule.authentication),
        rule.security_mode or "None",
        window(rule.window),
        rule.rate_per_minute,
        {PartPattern(part): _limits(bounds) for part, bounds in rule.bounds.items()},
    )


def _deny(name: str, rule: DenyConfig) -> ConduitRule:
    return ConduitRule(
        name,
        frozenset(ACTIONS[word] for word in rule.actions),
        _patterns(rule.on),
        _set(rule.roles),
        _set(rule.users),
        _set(rule.authentication),
        window=window(rule.window),
    )


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _patterns(parts: tuple[str, ...] | None) -> tuple[PartPattern, ...] | None:
    return None if parts is None else tuple(PartPattern(part) for part in parts)


def _limits(bounds: BoundsConfig) -> WriteLimits:
    return WriteLimits(bounds.low, bounds.high, bounds.max_step)


def window(config: WindowConfig | None) -> Window | None:
    """A time window. Raises ValueError for one of no length."""
    if config is None:
        return None
    return Window(config.days, _minutes(config.from_), _minutes(config.until))


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
