"""What a site file says of zones and conduits, read as a person with a pencil would read it.

This is a second, independent reading of the rules in docs/zones.md: it shares no code with the
policy that the gateway decides by, so that one mistake cannot hide the other. It is slow and
plain on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from biogate.prove.attempt import Expected

ACTIONS = ("browse", "read", "subscribe", "write", "call", "history", "events")

# docs/site-file.md, "users": what each role may do besides looking.
_LOOKING = frozenset({"browse", "read", "subscribe", "history", "events"})
_SETPOINTS = frozenset({"Operator"})
_VARIABLES = frozenset({"Operator", "Engineer", "ConfigureAdmin"})
_CALLS = frozenset({"Operator", "Engineer", "Supervisor"})
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Asker:
    """A session as it is tried: who, from which zone, how it proved itself, on what channel."""

    zone: str
    user: str
    roles: frozenset[str]
    authentication: str = "UserName"
    security_mode: str = "SignAndEncrypt"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a part, the zone that it belongs to, and what kind of thing it is."""

    part: str
    zone: str
    is_setpoint: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What should come of an attempt, and the lines of the site file that say so.

    `bounds` are the limits of a permitted write ({low, high, max_step}), `rate_per_minute` how
    many writes and calls may cross in a minute; `window` tells that only the time of day let it
    or kept it out.
    """

    expected: Expected
    because: str
    bounds: Mapping[str, float] | None = None
    rate_per_minute: float | None = None
    window: bool = False


class SiteRules:
    """The `zones` and `conduits` of a site file, as its YAML has them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """`data` is the site file as plain dictionaries and lists, already checked."""
        self.zones: Mapping[str, Mapping[str, Any]] = data.get("zones") or {}
        self.conduits: Mapping[str, Mapping[str, Any]] = data.get("conduits") or {}

    @property
    def with_clients(self) -> list[str]:
        """The zones that have an endpoint of their own."""
        return [name for name, zone in self.zones.items() if zone.get("opcua") is not None]

    def zone_of(self, member: str) -> str:
        """The zone of a device, unit or section; "" for none."""
        for name, zone in self.zones.items():
            for key in ("devices", "units", "sections"):
                if member in (zone.get(key) or ()):
                    return name
        return ""

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every (from, to) of a zone that has clients and a zone, also the same one."""
        for origin in self.with_clients:
            for target in self.zones:
                yield origin, target

    def sees(self, asker: Asker, asked: Asked, now: datetime) -> bool:
        """True where the asker may at least browse the part."""
        return self.read(asker, "browse", asked, now).expected is Expected.LET

    def read(self, asker: Asker, action: str, asked: Asked, now: datetime) -> Reading:
        """What should come of `action` on `asked` at `now` (UTC)."""
        by_role = _by_role(asker, action, asked)
        if by_role is not None:
            return by_role
        if not asked.zone or asked.zone == asker.zone:
            return self._within(asker, action, asked)
        return self._across(asker, action, asked, now)

    def _within(self, asker: Asker, action: str, asked: Asked) -> Reading:
        model = (self.zones.get(asker.zone) or {}).get("kind") == "model"
        if model and action == "write" and asked.is_setpoint:
            return Reading(Expected.REFUSED, f"{asker.zone} is a model zone: no set-points")
        return Reading(Expected.LET, f"within {asker.zone or 'no zone'} the roles decide")

    def _across(self, asker: Asker, action: str, asked: Asked, now: datetime) -> Reading:
        joined = [
            (name, conduit)
            for name, conduit in self.conduits.items()
            if (conduit["from"], conduit["to"]) == (asker.zone, asked.zone)
        ]
        if not joined:
            return Reading(Expected.REFUSED, f"no conduit from {asker.zone} to {asked.zone}")
        readings = [self._through(n, c, asker, action, asked, now) for n, c in joined]
        denied = [each for each in readings if each.because.endswith("denies it")]
        let = [each for each in readings if each.expected is Expected.LET]
        return (denied or let or readings)[0]

    def _through(
        self,
        name: str,
        conduit: Mapping[str, Any],
        asker: Asker,
        action: str,
        asked: Asked,
        now: datetime,
    ) -> Reading:
        if conduit.get("open") is False:
            return Reading(Expected.REFUSED, f"conduit {name} is closed")
        if _encrypts(conduit) and asker.security_mode != "SignAndEncrypt":
            return Reading(Expected.REFUSED, f"conduit {name} asks for SignAndEncrypt")
        for number, rule in enumerate(conduit.get("deny") or ()):
            if not _why_not(rule, asker, action, asked, now, deny=True):
                return Reading(Expected.REFUSED, f"conduit {name} deny[{number}] denies it")
        lacking = ["no rule names the action and the part"]
        model = (self.zones.get(asker.zone) or {}).get("kind") == "model"
        for number, rule in enumerate(conduit.get("allow") or ()):
            bounds = (rule.get("bounds") or {}).get(asked.part)
            why = _why_not(rule, asker, action, asked, now, deny=False)
            if not why and model and action == "write" and asked.is_setpoint and bounds is None:
                why = "a model zone writes within bounds only, and there are none"
            if why:
                lacking.append(f"allow[{number}]: {why}")
                continue
            return Reading(
                Expected.LET,
                f"conduit {name} allow[{number}]",
                bounds=bounds if action == "write" else None,
                rate_per_minute=rule.get("rate_per_minute") if action in _EFFECTS else None,
                window="window" in rule,
            )
        closed = any(why.endswith(_CLOSED) for why in lacking)
        return Reading(Expected.REFUSED, f"conduit {name}: {lacking[-1]}", window=closed)


_EFFECTS = ("write", "call")
_CLOSED = "the window is closed"


def matches(pattern: str, part: str) -> bool:
    """A pattern of `on`: `*` stands for any text, `?` for one character; case counts."""
    regex = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(regex, part) is not None


def _by_role(asker: Asker, action: str, asked: Asked) -> Reading | None:
    """The refusal where the roles alone do not let it; None where they do."""
    held = ", ".join(sorted(asker.roles)) or "none"
    if action in _LOOKING and not asker.roles:
        return Reading(Expected.REFUSED, "without a role nobody may look")
    if action == "call" and not asker.roles & _CALLS:
        return Reading(Expected.REFUSED, f"roles ({held}) do not call methods")
    if action == "write":
        needed = _SETPOINTS if asked.is_setpoint else _VARIABLES
        if not asker.roles & needed:
            return Reading(Expected.REFUSED, f"roles ({held}) do not write it")
    return None


def _encrypts(conduit: Mapping[str, Any]) -> bool:
    target = conduit.get("target") or {}
    return target.get("SI", 0) >= 2 or target.get("DC", 0) >= 1


def _why_not(
    rule: Mapping[str, Any],
    asker: Asker,
    action: str,
    asked: Asked,
    now: datetime,
    *,
    deny: bool,
) -> str:
    """Why a rule says nothing of this; "" where it applies."""
    if action not in rule["actions"]:
        return f"is for {', '.join(rule['actions'])}"
    patterns: Sequence[str] = rule.get("on") or ("*",)
    if not any(matches(pattern, asked.part) for pattern in patterns):
        return f"is on {', '.join(patterns)}"
    if rule.get("roles") and not asker.roles & set(rule["roles"]):
        return f"is for the roles {', '.join(rule['roles'])}"
    if rule.get("users") and asker.user not in rule["users"]:
        return f"is for the users {', '.join(rule['users'])}"
    wanted = rule.get("authentication")
    if wanted and asker.authentication not in wanted:
        return f"asks for {' or '.join(wanted)}"
    if not wanted and not deny and action in _EFFECTS and asker.authentication == "Anonymous":
        return "lets nobody write or call without an account"
    mode = rule.get("security_mode")
    if mode == "SignAndEncrypt" and asker.security_mode != mode:
        return f"asks for {mode}"
    if "window" in rule and not is_open(rule["window"], now):
        return _CLOSED
    return ""


def is_open(window: Mapping[str, Any], now: datetime) -> bool:
    """Whether a time window is open at `now` (UTC); one may pass midnight."""
    begins, ends = _time(window.get("from", "00:00")), _time(window.get("until", "24:00"))
    minute = now.hour * 60 + now.minute
    days = window.get("days") or _DAYS
    today, yesterday = _DAYS[now.weekday()], _DAYS[now.weekday() - 1]
    if begins < ends:
        return today in days and begins <= minute < ends
    return (today in days and minute >= begins) or (yesterday in days and minute < ends)


def _time(text: str) -> int:
    """Minutes since midnight of `HH:MM`, with 24:00 for its end."""
    if text == "24:00":
        return 24 * 60
    parsed = time.fromisoformat(text)
    return parsed.hour * 60 + parsed.minute
