"""Checks of the conduits: they join zones, and their rules are about something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biogate.site.function_checks import signals_of
from biogate.site.model import Site
from biogate.site.part_list import SitePart, list_parts
from biogate.site.parts import COMPUTED
from biogate.site.zone_checks import check_users, names_below, report_unknown
from biogate.site.zone_model import AllowConfig, BoundsConfig, ConduitConfig, DenyConfig
from biogate.site.zone_table import levels, window
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed
from biogate_adapters.profile import Profile
from biogate_security.zones.parts import PartPattern
from biogate_security.zones.rules import strength, strictest

_SHOWN_PARTS = 40
_SEARCHED_PARTS = 2000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a rule stands, and what it can be about."""

    document: Document
    site: Site
    conduit: ConduitConfig
    parts: list[SitePart]


def check_conduits(document: Document, site: Site, profiles: Mapping[str, Profile]) -> None:
    """Report conduits that join no two zones, and rules that can never hold."""
    if not site.zones:
        return
    known = names_below(document, "zones")
    parts = list(list_parts(site, signals_of(site, profiles)))
    for name, conduit in site.conduits.items():
        path: KeyPath = ("conduits", name)
        _check_ends(document, path, conduit, known)
        if conduit.to not in site.zones or conduit.from_ not in site.zones:
            continue
        zone = site.zones[conduit.to]
        own = [part for part in parts if part.zone == conduit.to]
        own += [SitePart(COMPUTED, conduit.to, "", "")] if zone.computed else []
        _check_conduit(_Place(document, site, conduit, own), path)


def _check_ends(
    document: Document, path: KeyPath, conduit: ConduitConfig, known: list[str]
) -> None:
    for key, zone in (("from", conduit.from_), ("to", conduit.to)):
        if zone not in known:
            report_unknown(document, (*path, key), "zone", zone, known)
    if conduit.from_ == conduit.to:
        document.report(
            (*path, "to"),
            f"the conduit leads from {conduit.to} to itself",
            hint="within a zone the roles decide: leave the conduit out",
        )


def _check_conduit(place: _Place, path: KeyPath) -> None:
    conduit = place.conduit
    for number, rule in enumerate(conduit.allow):
        _check_rule(place, (*path, "allow", number), rule)
        _check_allow(place, (*path, "allow", number), rule)
    for number, deny in enumerate(conduit.deny):
        _check_rule(place, (*path, "deny", number), deny)
    if conduit.allow:
        _check_something_shown(place, path)


def _check_something_shown(place: _Place, path: KeyPath) -> None:
    """What may not be browsed does not exist for the other zone: nothing else can be done."""
    both = (place.conduit.from_, place.conduit.to)
    others = (c for c in place.site.conduits.values() if (c.from_, c.to) == both)
    if any("browse" in rule.actions for each in others for rule in each.allow):
        return
    place.document.report(
        (*path, "allow"),
        f"nothing of {place.conduit.to} may be browsed, so that it does not exist for "
        f"{place.conduit.from_}",
        hint="add browse to the actions",
    )


def _check_rule(place: _Place, path: KeyPath, rule: AllowConfig | DenyConfig) -> None:
    check_users(place.document, place.site, (*path, "users"), rule.users)
    for number, pattern in enumerate(rule.on or ()):
        _check_pattern(place, (*path, "on", number), pattern)
    try:
        window(rule.window)
    except ValueError as error:
        place.document.report((*path, "window"), str(error))


def _check_pattern(place: _Place, path: KeyPath, text: str, *, key: bool = False) -> bool:
    pattern = PartPattern(text)
    if any(pattern.covers(part.name) for part in place.parts):
        return True
    if text.startswith(f"{COMPUTED}/") and any(part.name == COMPUTED for part in place.parts):
        return True  # which computed tags there will be, the file does not know
    names = [part.name for part in place.parts]
    shown = names[:_SHOWN_PARTS] + (["..."] if len(names) > _SHOWN_PARTS else [])
    place.document.report(
        path,
        f"{text} is no part of zone {place.conduit.to}",
        allowed=listed(shown),
        hint=did_you_mean(text, names[:_SEARCHED_PARTS]),
        key=key,
    )
    return False


def _check_allow(place: _Place, path: KeyPath, rule: AllowConfig) -> None:
    _check_security(place, path, rule)
    if rule.rate_per_minute is not None and not {"write", "call"} & set(rule.actions):
        _report_needless(place, (*path, "rate_per_minute"), "writes and calls are counted")
    if rule.bounds and "write" not in rule.actions:
        _report_needless(place, (*path, "bounds"), "bounds are for writes")
    for text, bounds in rule.bounds.items():
        where = (*path, "bounds", text)
        if _check_pattern(place, where, text, key=True):
            _check_bounds(place, where, PartPattern(text), bounds)
    if place.site.zones[place.conduit.from_].kind == "model" and "write" in rule.actions:
        _check_model(place, path, rule)


def _report_needless(place: _Place, path: KeyPath, reason: str) -> None:
    place.document.report(path, f"{reason}, and the rule allows none", key=True)


def _check_security(place: _Place, path: KeyPath, rule: AllowConfig) -> None:
    """A rule does not take back what the levels ask for; and some endpoint must offer it."""
    conduit, zones = place.conduit, place.site.zones
    ends = (zones[conduit.from_].target, zones[conduit.to].target)
    least = strictest(*(levels(target).least_mode for target in (conduit.target, *ends)))
    wanted = rule.security_mode or "None"
    if rule.security_mode is not None and strength(wanted) < strength(least):
        place.document.report(
            (*path, "security_mode"),
            f"the target levels of the conduit and its zones ask for {least}",
            hint="leave security_mode out, or take the target levels back",
        )
    if zones[conduit.from_].opcua is None:
        return
    opcua = place.site.zone_opcua(conduit.from_)
    least = strictest(least, wanted)
    secure = any(policy != "None" for policy in opcua.security_policies)
    offered = opcua.security_modes if secure else ()
    if least != "None" and all(strength(mode) < strength(least) for mode in offered):
        place.document.report(
            path,
            f"it asks for {least}, which the endpoint of zone {conduit.from_} does not offer",
            hint=f"add it to zones.{conduit.from_}.opcua.security_modes",
        )


def _check_bounds(place: _Place, path: KeyPath, pattern: PartPattern, bounds: BoundsConfig) -> None:
    if bounds.low is not None and bounds.high is not None and bounds.low > bounds.high:
        message = f"low ({bounds.low:g}) must not be more than high ({bounds.high:g})"
        place.document.report(path, message)
    if bounds.low is None and bounds.high is None and bounds.max_step is None:
        place.document.report(path, "bounds need low, high or max_step", key=True)
    values = [part for part in place.parts if pattern.covers(part.name) and part.tag]
    if not any(part.writable for part in values):
        place.document.report(path, f"{pattern.text} cannot be written", key=True)
        return
    for part in values:
        if not part.writable:
            continue
        if not part.is_number:
            place.document.report(path, f"{part.name} is no number: it has no bounds", key=True)
        elif _is_wider(part, bounds):
            own = f"[{_limit(part.low)}, {_limit(part.high)}]"
            place.document.report(
                path, f"the bounds are wider than what {part.name} takes", allowed=f"within {own}"
            )


def _is_wider(part: SitePart, bounds: BoundsConfig) -> bool:
    below = part.low is not None and bounds.low is not None and bounds.low < part.low
    above = part.high is not None and bounds.high is not None and bounds.high > part.high
    return below or above


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _check_model(place: _Place, path: KeyPath, rule: AllowConfig) -> None:
    """A model turns no set-point but within bounds (docs/architecture.md, decision 12)."""
    for text, bounds in rule.bounds.items():
        if bounds.low is None or bounds.high is None:
            place.document.report(
                (*path, "bounds", text),
                f"zone {place.conduit.from_} is a model's: it writes between low and high only",
                hint="give both",
            )
    if not rule.bounds:
        place.document.report(
            (*path, "actions"),
            f"zone {place.conduit.from_} is a model's: it writes within bounds only",
            hint="add bounds: ... for what it may write",
        )
