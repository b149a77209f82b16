"""Zones and conduits in the site file (IEC 62443-3-2): who belongs where, and what may cross."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from biogate.site.shapes import NAME_PATTERN, Name, Strict, Uri, distinct
from biogate_security.zones.parts import PartPattern

CLOCK_PATTERN = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
FINGERPRINT_PATTERN = r"^(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$"
MOST_PER_MINUTE = 10_000

ActionName = Literal["browse", "read", "subscribe", "write", "call", "history", "events"]
RoleName = Literal[
    "Anonymous",
    "AuthenticatedUser",
    "TrustedApplication",
    "Observer",
    "Operator",
    "Engineer",
    "Supervisor",
    "ConfigureAdmin",
    "SecurityAdmin",
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Level = Annotated[int, Field(ge=0, le=4)]


def _pattern(text: str) -> str:
    return PartPattern(text).text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network such as 192.0.2.0/24: {error}") from error


PartText = Annotated[str, StringConstraints(max_length=500), AfterValidator(_pattern)]
Network = Annotated[str, AfterValidator(_network)]
Fingerprint = Annotated[str, StringConstraints(pattern=FINGERPRINT_PATTERN)]
ClockTime = Annotated[str, StringConstraints(pattern=CLOCK_PATTERN)]
_Names = Annotated[tuple[Name, ...], Field(strict=False), AfterValidator(distinct)]
_Roles = Annotated[tuple[RoleName, ...], Field(strict=False), AfterValidator(distinct)]
_Actions = Annotated[tuple[ActionName, ...], Field(strict=False), AfterValidator(distinct)]
_Parts = Annotated[tuple[PartText, ...], Field(strict=False), AfterValidator(distinct)]


class TargetConfig(Strict):
    """The target security level (SL-T) for each foundational requirement of IEC 62443, 0 to 4."""

    IAC: Level = 0
    """Identification and authentication control."""
    UC: Level = 0
    """Use control."""
    SI: Level = 0
    """System integrity."""
    DC: Level = 0
    """Data confidentiality."""
    RDF: Level = 0
    """Restricted data flow."""
    TRE: Level = 0
    """Timely response to events."""
    RA: Level = 0
    """Resource availability."""


class ZoneMembers(Strict):
    """What belongs to a zone, and who may be a client of it."""

    description: str = ""
    """For people."""
    kind: Literal["plant", "model"] = "plant"
    """`model`: of models and other programs that advise; it turns no set-point without bounds."""
    target: TargetConfig = TargetConfig()
    """Target security level (SL-T)."""
    devices: _Names = ()
    """Devices that belong to it; each is in at most one zone."""
    units: _Names = ()
    """Units that belong to it; their devices belong to it, too."""
    sections: _Names = ()
    """Sections of `nodes` that belong to it."""
    computed: bool = False
    """True: computed tags belong to it; at most one zone has them."""
    users: _Names | None = None
    """Accounts that may log in from it; all where absent."""
    networks: (
        Annotated[tuple[Network, ...], Field(strict=False), AfterValidator(distinct)] | None
    ) = None
    """Addresses that clients may come from, such as 192.0.2.0/24; all where absent."""
    certificates: (
        Annotated[tuple[Fingerprint, ...], Field(strict=False), AfterValidator(distinct)] | None
    ) = None
    """SHA-256 or SHA-1 of the client certificates of it, in hex; all that it trusts if absent."""
    applications: (
        Annotated[tuple[Uri, ...], Field(strict=False), AfterValidator(distinct)] | None
    ) = None
    """ApplicationUris of the clients of it; all where absent."""


class WindowConfig(Strict):
    """When a rule holds, each week, in UTC."""

    days: Annotated[tuple[Day, ...], Field(strict=False), AfterValidator(distinct)] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    )
    """Days that it begins on."""
    from_: Annotated[ClockTime, Field(alias="from")] = "00:00"
    """Time of the day at which it begins, HH:MM."""
    until: ClockTime = "24:00"
    """Time at which it ends; one that is before `from` is on the next day."""


class BoundsConfig(Strict):
    """What may be written to a value, in its unit."""

    low: float | None = None
    """Lowest value that may be written; any where absent."""
    high: float | None = None
    """Highest value that may be written; any where absent."""
    max_step: Annotated[float, Field(gt=0)] | None = None
    """Largest difference from the present value; any where absent."""


class _RuleConfig(Strict):
    on: _Parts | None = None
    """Parts of the model, such as `BR101/pH/*`; everything of the `to` zone where absent."""
    roles: _Roles | None = None
    """Roles of OPC UA (Part 18), of which the user has one; any where absent."""
    users: _Names | None = None
    """Accounts; any where absent."""
    authentication: (
        Annotated[
            tuple[Literal["Anonymous", "UserName", "Certificate", "IssuedToken"], ...],
            Field(strict=False),
            AfterValidator(distinct),
        ]
        | None
    ) = None
    """Kinds of user token; any where absent (but to `allow` write and call, not Anonymous)."""
    window: WindowConfig | None = None
    """When it holds; always where absent."""


class AllowConfig(_RuleConfig):
    """What may cross a conduit."""

    actions: _Actions
    """What may be done."""
    security_mode: Literal["Sign", "SignAndEncrypt"] | None = None
    """Weakest security mode of the client's channel; what `target` asks for where absent."""
    rate_per_minute: Annotated[float, Field(gt=0, le=MOST_PER_MINUTE)] | None = None
    """How many writes and calls may cross the conduit in a minute; any number where absent."""
    bounds: dict[PartText, BoundsConfig] = Field(default_factory=dict)
    """What may be written to which part of the model."""


class DenyConfig(_RuleConfig):
    """What may not cross a conduit, whatever else allows it."""

    actions: _Actions = ("browse", "read", "subscribe", "write", "call", "history", "events")
    """What may not be done; nothing at all where absent."""


class ConduitConfig(Strict):
    """What may cross from the clients of one zone to the nodes of another."""

    from_: Annotated[str, StringConstraints(pattern=NAME_PATTERN), Field(alias="from")]
    """Zone of the clients."""
    to: Name
    """Zone of the nodes."""
    description: str = ""
    """For people."""
    target: TargetConfig = TargetConfig()
    """Target security level (SL-T); with SI 2 or DC 1 only SignAndEncrypt crosses."""
    open: bool = True
    """False: nothing crosses until the conduit is opened."""
    allow: Annotated[tuple[AllowConfig, ...], Field(strict=False)] = ()
    """What may cross; nothing else does."""
    deny: Annotated[tuple[DenyConfig, ...], Field(strict=False)] = ()
    """What may not cross, whatever `allow` says."""
