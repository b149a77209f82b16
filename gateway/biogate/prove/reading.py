"""What a site file says of zones and conduits, read as a person with a pencil would read it.

This is a second, independent reading of the rules in docs/zones.md: it shares no code with the
policy that the gateway decides by, so that one mistake cannot hide the other. It is slow and
plain on purpose.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from biogate.prove.attempt import Expected

ACTIONS = ("browse", "read", "subscribe", "write", "call", "history", "events")

# docs/site-file.md, "users": what each role may do besides looking.
_SETPOINTS = frozenset({"Operator"})
_VARIABLES = frozenset({"Operator", "Engineer", "ConfigureAdmin"})
_CALLS = frozenset({"Operator", "Engineer", "Supervisor"})
NOBODY = "anonymous"
"""Who a session without a user is, for people."""
_STRENGTH = ("None", "Sign", "SignAndEncrypt")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Asker:
    """A session as it is tried: who, from which zone, how it proved itself, on what channel."""

    zone: str
    user: str
    roles: frozenset[str]
    authentication: str = "UserName"
    security_mode: str = "SignAndEncrypt"

    @property
    def name(self) -> str:
        """Who it is, for people."""
        if not self.user:
            return NOBODY
        by = "" if self.authentication == "UserName" else f" by {self.authentication.lower()}"
        return f"{self.user}{by}"

    @property
    def held(self) -> frozenset[str]:
        """All roles of the session, with those that nobody is given (Part 18, 4.2)."""
        known = "AuthenticatedUser" if self.user else "Anonymous"
        trusted = set() if self.security_mode == "None" else {"TrustedApplication"}
        return self.roles | {known} | trusted


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a part, the zone that it belongs to, and what kind of thing it is.

    `faces` are the other parts that show the same value; `is_setpoint`: it is a device's.
    """

    part: str
    zone: str
    is_setpoint: bool = False
    faces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What should come of an attempt, and the lines of the site file that say so.

    `low`, `high` and `max_step` bound a permitted write, and `per_minute` how many writes and
    calls may cross by the rule. `sort` tells what decided, where that is a matter of its own: the
    time of day ("window"), how the user logged in ("login"), or that nobody changes it without an
    electronic signature ("signature").
    """

    expected: Expected
    because: str
    conduit: str = ""
    low: float | None = None
    high: float | None = None
    max_step: float | None = None
    per_minute: float | None = None
    sort: str = ""


class SiteRules:
    """The `zones` and `conduits` of a site file, as its YAML has them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """`data` is the site file as plain dictionaries and lists, already checked."""
        self.zones: Mapping[str, Mapping[str, Any]] = data.get("zones") or {}
        self.conduits: Mapping[str, Mapping[str, Any]] = data.get("conduits") or {}
        self._units: Mapping[str, Mapping[str, Any]] = data.get("units") or {}
        self._signatures: Sequence[Mapping[str, Any]] = data.get("signatures") or ()

    @property
    def with_clients(self) -> list[str]:
        """The zones that have an endpoint of their own."""
        return [name for name, zone in self.zones.items() if zone.get("opcua") is not None]

    def zone_of(self, member: str) -> str:
        """The zone of a device, unit or section; "-" for none: nothing leads there.

        A unit's devices are where it is.
        """
        for name, zone in self.zones.items():
            units = zone.get("units") or ()
            members = {*(zone.get("devices") or ()), *units, *(zone.get("sections") or ())}
            if member in members or any(member in self._devices_of(unit) for unit in units):
                return name
        return "-"

    def _devices_of(self, unit: str) -> set[str]:
        functions = self._units[unit]["functions"].values()
        bound = (text for function in functions for text in function.values())
        return {text.partition(".")[0] for text in bound if isinstance(text, str)}

    def read(self, asker: Asker, action: str, asked: Asked, now: datetime) -> Reading:
        """What should come of `action` on `asked` at `now` (UTC)."""
        by_role = self._not_by_role(asker, action, asked)
        if by_role:
            return _refused(by_role)
        if asked.zone == asker.zone:
            reading = self._within(asker, action, asked)
        else:
            reading = self._across(asker, action, asked, now)
        return self._unsigned(action, asked) or reading if _is_let(reading) else reading

    def _not_by_role(self, asker: Asker, action: str, asked: Asked) -> str:
        """Why the roles alone do not let it; "" where they do."""
        if asker.user:
            return _not_by_role(asker, action, asked)
        mode = (self.zones[asker.zone].get("opcua") or {}).get("anonymous", "none")
        if mode == "none" or (action in _EFFECTS and (mode != "operate" or asked.is_setpoint)):
            return f"anonymous: {mode}"
        return ""

    def _unsigned(self, action: str, asked: Asked) -> Reading | None:
        """The refusal of what needs a signature: no plain write or call has one."""
        for number, each in enumerate(self._signatures):
            named = any(
                covers(pattern, part)
                for pattern in each["on"]
                for part in (asked.part, *asked.faces)
            )
            if named and action in each.get("actions", ("write",)):
                return _refused(f"signatures[{number}] asks for a signature", sort="signature")
        return None

    def _within(self, asker: Asker, action: str, asked: Asked) -> Reading:
        zone = self.zones[asker.zone]
        least = _least_mode(zone)
        if _weaker(asker.security_mode, least):
            return _refused(f"zone {asker.zone} asks for {least}")
        if zone.get("kind") == "model" and action == "write" and asked.is_setpoint:
            return _refused(f"{asker.zone} is a model's zone: no set-points")
        return Reading(Expected.LET, f"within zone {asker.zone} the roles decide")

    def _across(self, asker: Asker, action: str, asked: Asked, now: datetime) -> Reading:
        """Any rule that denies, of any conduit of this direction; else one that allows."""
        joined = {
            name: conduit
            for name, conduit in self.conduits.items()
            if (conduit["from"], conduit["to"]) == (asker.zone, asked.zone)
        }
        if not joined:
            return _refused(f"no conduit from {asker.zone} to {asked.zone}")
        denied = self._denied(joined, asker, action, asked, now)
        if denied is not None:
            return denied
        readings = [self._through(name, asker, action, asked, now) for name in joined]
        let = [each for each in readings if _is_let(each)]
        return let[0] if let else readings[0]

    @staticmethod
    def _denied(
        joined: Mapping[str, Mapping[str, Any]],
        asker: Asker,
        action: str,
        asked: Asked,
        now: datetime,
    ) -> Reading | None:
        for name, conduit in joined.items():
            for number, rule in enumerate(conduit.get("deny") or ()):
                if not _lacks(rule, asker, action, (asked.part, *asked.faces), now, way=False):
                    return _refused(f"conduit {name} deny[{number}]", sort=_sort(rule))
        return None

    def _through(
        self, name: str, asker: Asker, action: str, asked: Asked, now: datetime
    ) -> Reading:
        conduit = self.conduits[name]
        if conduit.get("open") is False:
            return _refused(f"conduit {name} is closed")
        ends = (conduit, self.zones[asker.zone], self.zones[asked.zone])
        least = max((_least_mode(each) for each in ends), key=_STRENGTH.index)
        if _weaker(asker.security_mode, least):
            return _refused(f"conduit {name} asks for {least}")
        lacking = set()
        for number, rule in enumerate(conduit.get("allow") or ()):
            lacks = _lacks(rule, asker, action, (asked.part,), now, way=True) or self._lacks_more(
                rule, asker, action, asked
            )
            if not lacks:
                return _let(f"conduit {name} allow[{number}]", name, rule, action, asked)
            lacking.add(lacks)
        for sort, lacks in _SORTS.items():
            if lacks in lacking:
                return _refused(f"conduit {name}: {lacks}", sort=sort)
        return _refused(f"conduit {name}: no rule lets it pass")

    def _lacks_more(self, rule: Mapping[str, Any], asker: Asker, action: str, asked: Asked) -> str:
        """What only a rule that allows asks for."""
        if action in _EFFECTS and "authentication" not in rule and not asker.user:
            return "an account"
        if _weaker(asker.security_mode, rule.get("security_mode", "None")):
            return "the security mode"
        if action == "write" and self.zones[asker.zone].get("kind") == "model":
            bounds = _bounds(rule, asked)
            if "low" not in bounds or "high" not in bounds:
                return "bounds"
        return ""


_EFFECTS = ("write", "call")
_CLOSED = "the time window is closed"
_OTHER_LOGIN = "the kind of login is another"
_SORTS = {"window": _CLOSED, "login": _OTHER_LOGIN}


def covers(pattern: str, part: str) -> bool:
    """Whether a pattern of `on` names the part, or something above it.

    `*` stands for any text within one level.
    """
    wanted, levels = pattern.split("/"), part.split("/")
    return len(levels) >= len(wanted) and all(map(_level_fits, wanted, levels))


def leads_to(pattern: str, part: str) -> bool:
    """Whether `part` lies on the way to what a pattern names."""
    wanted, levels = pattern.split("/"), part.split("/")
    return len(levels) < len(wanted) and all(map(_level_fits, wanted, levels))


def is_open(window: Mapping[str, Any], now: datetime) -> bool:
    """Whether a window is open at `now` (UTC); one that passes midnight is of its first day."""
    begins, ends = _minutes(window.get("from", "00:00")), _minutes(window.get("until", "24:00"))
    minute = now.hour * 60 + now.minute
    days = window.get("days") or _DAYS
    today, yesterday = _DAYS[now.weekday()], _DAYS[now.weekday() - 1]
    if begins < ends:
        return today in days and begins <= minute < ends
    return (today in days and minute >= begins) or (yesterday in days and minute < ends)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _level_fits(wanted: str, level: str) -> bool:
    pieces = (re.escape(piece) for piece in wanted.split("*"))
    return re.fullmatch(".*".join(pieces), level, re.DOTALL) is not None


def _is_let(reading: Reading) -> bool:
    return reading.expected is Expected.LET


def _refused(because: str, *, sort: str = "") -> Reading:
    return Reading(Expected.REFUSED, because, sort=sort)


def _sort(rule: Mapping[str, Any]) -> str:
    if "window" in rule:
        return "window"
    return "login" if "UserName" not in rule.get("authentication", ("UserName",)) else ""


def _let(because: str, conduit: str, rule: Mapping[str, Any], action: str, asked: Asked) -> Reading:
    bounds = _bounds(rule, asked) if action == "write" else {}
    per_minute = rule.get("rate_per_minute") if action in _EFFECTS else None
    return Reading(
        Expected.LET,
        because,
        conduit,
        bounds.get("low"),
        bounds.get("high"),
        bounds.get("max_step"),
        per_minute,
        _sort(rule),
    )


def _bounds(rule: Mapping[str, Any], asked: Asked) -> dict[str, float]:
    """All bounds of a rule for a value, whichever of its faces they name: the strictest."""
    found = [
        limits
        for pattern, limits in (rule.get("bounds") or {}).items()
        if any(covers(pattern, part) for part in (asked.part, *asked.faces))
    ]
    strictest = (("low", max), ("high", min), ("max_step", min))
    return {
        key: choose(limits[key] for limits in found if limits.get(key) is not None)
        for key, choose in strictest
        if any(limits.get(key) is not None for limits in found)
    }


def _not_by_role(asker: Asker, action: str, asked: Asked) -> str:
    """Why the roles alone do not let it; "" where they do."""
    held = ", ".join(sorted(asker.roles)) or "none"
    if action == "call" and not asker.roles & _CALLS:
        return f"roles ({held}) do not call methods"
    if action == "write" and not asker.roles & (_SETPOINTS if asked.is_setpoint else _VARIABLES):
        return f"roles ({held}) do not write it"
    return ""


def _least_mode(zone_or_conduit: Mapping[str, Any]) -> str:
    """What SL-T asks for: SI 2 or DC 1 encryption, SI 1 signatures."""
    target = zone_or_conduit.get("target") or {}
    if target.get("SI", 0) >= 2 or target.get("DC", 0) >= 1:
        return "SignAndEncrypt"
    return "Sign" if target.get("SI", 0) == 1 else "None"


def _weaker(mode: str, least: str) -> bool:
    return _STRENGTH.index(mode) < _STRENGTH.index(least)


def _lacks(
    rule: Mapping[str, Any],
    asker: Asker,
    action: str,
    parts: Sequence[str],
    now: datetime,
    *,
    way: bool,
) -> str:
    """Why a rule says nothing of this; "" where it applies.

    With `way`, what may be browsed makes the way to it be browsed, too.
    """
    if action not in rule.get("actions", ACTIONS):
        return "the action"
    patterns: Sequence[str] = rule.get("on") or ()
    named = any(covers(pattern, part) for pattern in patterns for part in parts)
    on_the_way = way and action == "browse" and any(leads_to(each, parts[0]) for each in patterns)
    if patterns and not named and not on_the_way:
        return "the part"
    if "roles" in rule and not asker.held & set(rule["roles"]):
        return "the role"
    if "users" in rule and asker.user not in rule["users"]:
        return "the user"
    if "authentication" in rule and asker.authentication not in rule["authentication"]:
        return _OTHER_LOGIN
    if "window" in rule and not is_open(rule["window"], now):
        return _CLOSED
    return ""


# What a zone's endpoint does not take from the site's own `opcua` (docs/site-file.md).
_OF_ONE_ENDPOINT = ("port", "application_uri", "listen", "reverse_connect")


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """The site file with each zone's `opcua` filled up from the site's."""
    usual = {k: v for k, v in (data.get("opcua") or {}).items() if k not in _OF_ONE_ENDPOINT}
    filled = copy.deepcopy(dict(data))
    for zone in (filled.get("zones") or {}).values():
        if zone.get("opcua") is not None:
            zone["opcua"] = {**copy.deepcopy(usual), **zone["opcua"]}
    return filled
