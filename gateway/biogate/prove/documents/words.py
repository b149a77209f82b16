"""Zones and conduits of a site file in words, for the diagram and the records alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from biogate.prove.requirements import FOUNDATIONAL

ALL_ACTIONS = "anything"


def vector(target: Mapping[str, Any] | None) -> str:
    """A target level in the standard's order: `{2 2 2 1 2 2 2}`."""
    return "{" + " ".join(str((target or {}).get(fr, 0)) for fr in FOUNDATIONAL) + "}"


def access_point(zone: Mapping[str, Any]) -> str:
    """The zone's own endpoint, and how it is secured."""
    opcua = zone.get("opcua")
    if opcua is None:
        return "none (no clients)"
    policies = ", ".join(opcua.get("security_policies", ("Basic256Sha256",)))
    modes = ", ".join(opcua.get("security_modes", ("Sign", "SignAndEncrypt")))
    address = f"{opcua.get('host', '127.0.0.1')}:{opcua.get('port', 4840)}"
    return f"opc.tcp://{address}, {policies} ({modes})"


def clients(zone: Mapping[str, Any]) -> Iterator[str]:
    """Who may come in, one line for each way in which the zone restricts it."""
    if zone.get("opcua") is None:
        return
    for word in ("users", "networks", "applications"):
        if zone.get(word) is not None:
            yield f"{word}: {', '.join(zone[word])}"
    if zone.get("certificates") is not None:
        yield f"certificates: {len(zone['certificates'])} listed"
    anonymous = zone["opcua"].get("anonymous", "none")
    if anonymous != "none":
        yield f"anonymous: {anonymous}"


def rule_lines(conduit: Mapping[str, Any]) -> Iterator[str]:
    """What may pass a conduit, one line for each rule."""
    for rule in conduit.get("allow") or ():
        yield "+ " + rule_text(rule)
    for rule in conduit.get("deny") or ():
        yield "- never " + rule_text(rule)
    if not conduit.get("allow"):
        yield "nothing passes"


def rule_text(rule: Mapping[str, Any]) -> str:
    """One rule as a sentence."""
    actions = ", ".join(rule["actions"]) if rule.get("actions") else ALL_ACTIONS
    parts = [actions, f"on {', '.join(rule['on'])}" if rule.get("on") else "on everything"]
    parts += [f"{word} {', '.join(rule[word])}" for word in ("roles", "users") if word in rule]
    if "authentication" in rule:
        parts.append(f"by {' or '.join(rule['authentication'])}")
    if rule.get("security_mode"):
        parts.append(rule["security_mode"])
    if "window" in rule:
        parts.append(_window(rule["window"]))
    if rule.get("rate_per_minute") is not None:
        parts.append(f"at most {rule['rate_per_minute']:g} a minute")
    parts += [_bounds(part, bounds) for part, bounds in (rule.get("bounds") or {}).items()]
    return "; ".join(parts)


def _window(window: Mapping[str, Any]) -> str:
    days = f"{', '.join(window['days'])} " if window.get("days") else ""
    return f"{days}{window.get('from', '00:00')} to {window.get('until', '24:00')} UTC"


def _bounds(part: str, bounds: Mapping[str, Any]) -> str:
    low, high = bounds.get("low"), bounds.get("high")
    limits = []
    if low is not None:
        limits.append(f"from {low:g}")
    if high is not None:
        limits.append(f"to {high:g}")
    if bounds.get("max_step") is not None:
        limits.append(f"in steps of at most {bounds['max_step']:g}")
    return f"{part} {' '.join(limits)}"
