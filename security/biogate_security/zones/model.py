"""Zones and conduits as data (IEC 62443-3-2), resolved and immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from biogate_security.policy import Action, WriteLimits
from biogate_security.role_policy import AnonymousMode
from biogate_security.zones.parts import PartPattern
from biogate_security.zones.window import Window

NO_ZONE = "-"
"""The zone of what the site file puts into none: no session can be of it, nothing leads to it."""

SecurityMode = Literal["None", "Sign", "SignAndEncrypt"]
SECURITY_MODES: tuple[SecurityMode, ...] = ("None", "Sign", "SignAndEncrypt")
"""Message security modes, weakest first (Part 4, 7.20)."""

ZoneKind = Literal["plant", "model"]


@dataclass(frozen=True, slots=True)
class SecurityLevels:
    """A target level (SL-T) for each foundational requirement, 0 to 4 (IEC 62443-1-1)."""

    IAC: int = 0
    UC: int = 0
    SI: int = 0
    DC: int = 0
    RDF: int = 0
    TRE: int = 0
    RA: int = 0

    @property
    def least_mode(self) -> SecurityMode:
        """The weakest security mode that meets the levels for integrity and confidentiality.

        SI 1 asks for integrity of what is sent (SR 3.1): Sign. SI 2 and above, or DC 1 and above
        (SR 4.1: what is sent is read by nobody else): SignAndEncrypt.
        """
        if self.SI >= 2 or self.DC >= 1:
            return "SignAndEncrypt"
        return "Sign" if self.SI == 1 else "None"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone: who is of it. Empty `users`, `networks`, `certificates`, `applications`: anybody.

    `networks` are addresses in CIDR form; `certificates` SHA-256 or SHA-1 in lower-case hex.
    `anonymous`: what a session without a user may do within the zone.
    """

    name: str
    kind: ZoneKind = "plant"
    description: str = ""
    target: SecurityLevels = SecurityLevels()
    users: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    certificates: frozenset[str] | None = None
    applications: frozenset[str] | None = None
    anonymous: AnonymousMode = "none"


@dataclass(frozen=True, slots=True)
class ConduitRule:
    """What may cross, or may not. `name` tells it apart in records and explanations.

    None is "any": parts of the target zone, roles, users, kinds of authentication (of an allow
    rule for write and call: any but Anonymous). `bounds` are by pattern; a rule with bounds for a
    value allows writes that keep them. Of a rule that denies, `security_mode`, `per_minute` and
    `bounds` mean nothing.
    """

    name: str
    actions: frozenset[Action]
    on: tuple[PartPattern, ...] | None = None
    roles: frozenset[str] | None = None
    users: frozenset[str] | None = None
    authentication: frozenset[str] | None = None
    security_mode: SecurityMode = "None"
    window: Window | None = None
    per_minute: float | None = None
    bounds: Mapping[PartPattern, WriteLimits] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )


@dataclass(frozen=True, slots=True)
class Conduit:
    """What may cross from the sessions of `source` to the nodes of `destination`."""

    name: str
    source: str
    destination: str
    target: SecurityLevels = SecurityLevels()
    open: bool = True
    allow: tuple[ConduitRule, ...] = ()
    deny: tuple[ConduitRule, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """All zones and conduits of a site.

    `faces`: (zone, part) → the other parts of the zone that show the same value. What denies or
    bounds a value holds for all of them.
    Raises ValueError for names that stand twice, and for zones that there are not.
    """

    zones: tuple[Zone, ...]
    conduits: tuple[Conduit, ...] = ()
    faces: Mapping[tuple[str, str], tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )

    def __post_init__(self) -> None:
        names = [zone.name for zone in self.zones]
        for kind, found in (("zone", names), ("conduit", [each.name for each in self.conduits])):
            twice = {name for name in found if found.count(name) > 1}
            if twice:
                raise ValueError(f"two {kind}s are named {', '.join(sorted(twice))}")
        for conduit in self.conduits:
            ends = {conduit.source, conduit.destination}
            if len(ends) == 1 or not ends <= set(names):
                raise ValueError(f"conduit {conduit.name} does not join two of the zones")

    def zone(self, name: str) -> Zone | None:
        """The zone of that name, or None."""
        return next((zone for zone in self.zones if zone.name == name), None)
