"""The site file as data: what a plant is made of, in the words of ISA-95 and OPC UA.

A `Site` made by `load_site` has also been checked against the device profiles; the model alone
checks only its own shape. All keys are described here and in `node_model` once: the JSON Schema,
the error messages and `docs/site-file.md` speak of the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from biogate.site.audit_model import AuditConfig
from biogate.site.node_model import NodeSection
from biogate.site.shapes import (
    ADDRESS_PATTERN,
    HOST_PATTERN,
    UNIT_LETTER_PATTERN,
    ClientUrl,
    Label,
    Name,
    ProfileName,
    Range,
    SignalReference,
    SiteFile,
    Strict,
    UnitCode,
    Uri,
    distinct,
    thumbprint,
)
from biogate.site.signature_model import SignatureConfig
from biogate.site.zone_model import MOST_PER_MINUTE, ConduitConfig, ZoneMembers
from biogate_security.login_throttle import LoginLimits
from biogate_security.password_demands import CharacterKind, PasswordDemands


def _format_version(version: object) -> object:
    if type(version) is not int or version != 1:
        raise ValueError(f"this biogate reads version 1 of the site file, not {version!r}")
    return version


RoleName = Literal[
    "Observer", "Operator", "Engineer", "Supervisor", "ConfigureAdmin", "SecurityAdmin"
]
Roles = Annotated[tuple[RoleName, ...], Field(strict=False), AfterValidator(distinct)]


class IssuedTokensConfig(Strict):
    """Log-in with tokens (JWT) of one identity provider; needs the extra `jwt`."""

    issuer: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """The provider's name, exactly as it stands in the tokens' `iss`."""
    audience: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """What the tokens' `aud` names this gateway; its ApplicationUri where absent."""
    jwks_file: SiteFile
    """File with the provider's public keys (JWKS), relative to the site file; read again when it
    changes. Keys that a token brings or points to are never used."""
    algorithms: Annotated[
        tuple[Literal["RS256", "PS256", "ES256"], ...],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ("RS256", "PS256", "ES256")
    """Signature algorithms to accept."""
    roles_claim: Annotated[str, StringConstraints(min_length=1)] = "roles"
    """Claim that says what the user is; dots lead into it, as in `realm_access.roles`."""
    roles: Annotated[dict[str, Roles], Field(min_length=1)]
    """Value of that claim → roles here. A token without any of these values is refused."""
    user_claim: Annotated[str, StringConstraints(min_length=1)] = "sub"
    """Claim that names the user, in sessions and in the audit trail."""
    leeway_s: Annotated[int, Field(ge=0, le=300)] = 60
    """By how much the provider's clock may differ, in seconds."""
    max_age_s: Annotated[int, Field(ge=60, le=7 * 86_400)] = 43_200
    """Age at which a token is refused even if it has not expired, in seconds."""


class OpcUaConfig(Strict):
    """The OPC UA endpoints. The defaults are the safe ones: encrypted, and no anonymous users."""

    host: Annotated[str, StringConstraints(pattern=HOST_PATTERN)] = "127.0.0.1"
    """Host name or address to listen on; 127.0.0.1 is reachable from this machine only."""
    port: Annotated[int, Field(ge=0, le=65535)] = 4840
    """TCP port; 0 takes a free one (the endpoint URL is printed)."""
    listen: bool = True
    """False: open no port; clients are reached by `reverse_connect` only."""
    reverse_connect: Annotated[tuple[ClientUrl, ...], Field(strict=False, max_length=20)] = ()
    """Clients that wait for a connection from here (Reverse Connect), `opc.tcp://host:port`."""
    security_policies: Annotated[
        tuple[
            Literal[
                "None",
                "Basic256Sha256",
                "Aes128_Sha256_RsaOaep",
                "Aes256_Sha256_RsaPss",
                "ECC_nistP256",
                "ECC_nistP384",
                "ECC_brainpoolP256r1",
                "ECC_brainpoolP384r1",
            ],
            ...,
        ],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ("Basic256Sha256",)
    """Security policies to offer."""
    security_modes: Annotated[
        tuple[Literal["Sign", "SignAndEncrypt"], ...],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ("Sign", "SignAndEncrypt")
    """Message security modes of the policies other than None."""
    anonymous: Literal["none", "read", "operate"] = "none"
    """What a client without a user name may do; `operate` is for test rigs only."""
    trust_any_client: bool = False
    """True: trust each new client certificate at first sight. For test rigs only."""
    suppress_certificate_errors: Annotated[
        tuple[
            Literal["expired", "issuer_expired", "revocation_unknown", "issuer_revocation_unknown"],
            ...,
        ],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ()
    """What does not refuse a client's certificate, and is recorded each time all the same."""
    user_certificates: Literal["thumbprint", "common_name"] = "thumbprint"
    """Whose a user certificate is: the user's that names its thumbprint, or, for one that nobody
    names, the user's that is called like its CommonName (for certificates of one's own authority).
    """
    issued_tokens: IssuedTokensConfig | None = None
    """Log-in with tokens of an identity provider; absent: none."""
    sessions_per_user: Annotated[int, Field(ge=1, le=100)] = 50
    """How many sessions one user may have at a time."""
    diagnostics: bool = True
    """Show who is connected, what they asked for and what was refused (ServerDiagnostics)."""
    application_name: Label = "biogate"
    """ApplicationName that clients show."""
    application_uri: Uri | None = None
    """ApplicationUri, unique per gateway; made from `namespace` where absent."""
    notice: Annotated[str, StringConstraints(max_length=4000)] = ""
    """System use notification: who may use this, and that it is recorded; for clients to show."""


class ZoneOpcUaConfig(OpcUaConfig):
    """The OPC UA endpoint of a zone."""

    discovery_without_security: bool = True
    """False: what the endpoint offers is told on a secure channel only."""


class ZoneConfig(ZoneMembers):
    """A security zone (IEC 62443-3-2)."""

    opcua: ZoneOpcUaConfig | None = None
    """Its own OPC UA endpoint; a zone without one has no clients."""


class UserConfig(Strict):
    """An account: a person or program that logs in with a password or a certificate."""

    roles: Roles
    """Well-known roles of OPC UA (Part 18); they decide what the user may do."""
    disabled: bool = False
    """True: nobody can log in with it."""
    certificate: Annotated[str, AfterValidator(thumbprint)] | None = None
    """Thumbprint (SHA-1 or SHA-256, hexadecimal) of the user's certificate. Such a user has no
    password, unless one is in the environment."""
    description: Annotated[str, StringConstraints(max_length=256)] = ""
    """For people."""


class PasswordsConfig(Strict):
    """What passwords are asked for, and what comes of wrong ones."""

    minimum_length: Annotated[int, Field(ge=12, le=128)] = 12
    """Characters of a new password, at least."""
    require: Annotated[
        tuple[Literal["upper", "lower", "digit", "special"], ...],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ()
    """Kinds of characters of which a new password has at least one each."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    """Failed logins of a user from one address that cost nothing; each further one locks."""
    longest_wait_s: Annotated[int, Field(ge=30, le=3600)] = 300
    """The longest that such a lock lasts, in seconds; the first one lasts 1 s."""

    @property
    def demands(self) -> PasswordDemands:
        """What new passwords are asked for."""
        return PasswordDemands(self.minimum_length, frozenset(map(CharacterKind, self.require)))

    @property
    def login_limits(self) -> LoginLimits:
        """How often a user may fail."""
        return LoginLimits(self.attempts, float(self.longest_wait_s))


class SignalConfig(Strict):
    """What this device's set-up says of one signal, where it differs from the profile."""

    unit: UnitCode | None = None
    """UNECE Recommendation 20 code of the unit the device is set to, for example L2 (l/min)."""
    range: Range | None = None
    """Engineering range (EURange) [low, high], in the unit."""
    write_range: Range | None = None
    """Values that may be written [low, high]; never wider than the profile's."""
    max_step: Annotated[float, Field(gt=0)] | None = None
    """Largest difference of a write from the present value, in the unit; any where absent."""
    writes_per_minute: Annotated[float, Field(gt=0, le=MOST_PER_MINUTE)] | None = None
    """How often it may be written in a minute, by all together; any number where absent."""


class DeviceConfig(Strict):
    """One device: which profile speaks to it, where it is, how often it is read."""

    profile: ProfileName
    """Device profile `vendor/model`, or a profile file (.yaml) relative to the site file."""
    address: Annotated[str, StringConstraints(pattern=ADDRESS_PATTERN)]
    """Where the device is: `tcp://host:port`, or `rtu+tcp://host:port` for Modbus RTU over TCP."""
    unit_id: Annotated[int, Field(ge=0, le=255)] | None = None
    """Modbus unit (server) id; 1 where absent."""
    unit_letter: Annotated[str, StringConstraints(pattern=UNIT_LETTER_PATTERN)] | None = None
    """Unit letter of a device on a serial line protocol; A where absent."""
    poll_interval_ms: Annotated[int, Field(ge=20, le=3_600_000)] = 1000
    """Time from one read of all signals to the next, in milliseconds."""
    bad_after_ms: Annotated[int, Field(ge=100, le=86_400_000)] | None = None
    """Silence after which values turn Bad; 10 polls and at least 10 s where absent."""
    simulated: bool = False
    """True: biogate starts a simulator that plays the device (port 0 takes a free one)."""
    plant: Name | None = None
    """Unit whose simulated plant a simulated device measures; the only unit where absent."""
    description: str = ""
    """For people."""
    signals: dict[str, SignalConfig] = Field(default_factory=dict)
    """What this device's set-up says of its signals, by signal name."""


class _Function(Strict):
    MEASURED: ClassVar[tuple[str, ...]]
    """Roles that show a signal."""
    TARGETS: ClassVar[tuple[str, ...]] = ()
    """Roles that a client writes, too."""
    RANGED: ClassVar[tuple[str, ...]] = ("value", "current", "target")
    """Roles that the function's `range` is for."""

    description: str = ""
    """For people."""
    range: Range | None = None
    """Engineering range (EURange) [low, high] of the function; the signal's where absent."""

    @property
    def bindings(self) -> dict[str, str]:
        """Role → signal reference (`DEVICE.signal`), of the roles that are bound."""
        roles = (*self.MEASURED, *self.TARGETS)
        return {role: bound for role in roles if (bound := getattr(self, role)) is not None}


class SensorFunction(_Function):
    """A measured value (LADS AnalogScalarSensorFunctionType)."""

    MEASURED: ClassVar = ("value",)
    kind: Literal["sensor"]
    value: SignalReference
    """Signal that is the SensorValue."""


class CompensatedSensorFunction(_Function):
    """A measured value with its compensation (LADS ...SensorFunctionWithCompensationType)."""

    MEASURED: ClassVar = ("value", "compensation")
    kind: Literal["compensated_sensor"]
    value: SignalReference
    """Signal that is the SensorValue."""
    compensation: SignalReference
    """Signal that is the CompensationValue, for example the probe's temperature."""


class ControlFunction(_Function):
    """A measured value and its set-point (LADS AnalogControlFunctionType)."""

    MEASURED: ClassVar = ("current",)
    TARGETS: ClassVar = ("target",)
    kind: Literal["control"]
    current: SignalReference
    """Signal that is the CurrentValue."""
    target: SignalReference
    """Writable signal that is the TargetValue."""


class TotalizingControlFunction(_Function):
    """A control function with a device's totalizer (LADS ...ControlFunctionWithTotalizerType)."""

    MEASURED: ClassVar = ("current", "total")
    TARGETS: ClassVar = ("target",)
    kind: Literal["totalizing_control"]
    current: SignalReference
    """Signal that is the CurrentValue."""
    target: SignalReference
    """Writable signal that is the TargetValue."""
    total: SignalReference
    """Signal that is the TotalizedValue: the device's own totalizer."""


FunctionConfig = Annotated[
    SensorFunction | CompensatedSensorFunction | ControlFunction | TotalizingControlFunction,
    Field(discriminator="kind"),
]


class UnitConfig(Strict):
    """One ISA-95 unit: a bioreactor and what it can do."""

    description: str = ""
    """For people."""
    functions: Annotated[dict[Name, FunctionConfig], Field(min_length=1)]
    """The bioreactor's functions, bound to device signals."""


_OF_ONE_ENDPOINT = {"port", "application_uri", "listen", "reverse_connect"}
"""What a zone's endpoint never takes from the site's."""

DEFAULT_USERS: Mapping[str, UserConfig] = {"operator": UserConfig(roles=("Operator",))}


class Site(Strict):
    """A plant as one gateway sees it (ISA-95 part 1: enterprise, site, area, process cell)."""

    biogate: Annotated[Literal[1], BeforeValidator(_format_version)]
    """Version of this file format."""
    enterprise: Label
    """ISA-95 enterprise."""
    site: Label
    """ISA-95 site."""
    area: Label
    """ISA-95 area."""
    process_cell: Label
    """ISA-95 process cell."""
    namespace: Uri | None = None
    """NamespaceUri of the instances' NodeIds; made from enterprise and site where absent."""
    opcua: OpcUaConfig = OpcUaConfig()
    """The OPC UA endpoints."""
    users: Annotated[dict[Name, UserConfig], Field(min_length=1)] | None = None
    """The accounts by user name; one, `operator` with the role Operator, where absent."""
    passwords: PasswordsConfig = PasswordsConfig()
    """What passwords are asked for, and what comes of wrong ones."""
    devices: Annotated[dict[Name, DeviceConfig], Field(min_length=1)] = Field(default_factory=dict)
    """The devices by tag name."""
    units: Annotated[dict[Name, UnitConfig], Field(min_length=1)] = Field(default_factory=dict)
    """The units (bioreactors) by name."""
    nodes: Annotated[dict[Name, NodeSection], Field(min_length=1)] = Field(default_factory=dict)
    """Variables without a device, and methods, in namespaces of their own; by section name."""
    zones: Annotated[dict[Name, ZoneConfig], Field(min_length=1)] = Field(default_factory=dict)
    """Security zones by name, each with its own endpoint; without them there is one endpoint."""
    conduits: Annotated[dict[Name, ConduitConfig], Field(min_length=1)] = Field(
        default_factory=dict
    )
    """What may cross from one zone to another; by name."""
    signatures: Annotated[tuple[SignatureConfig, ...], Field(strict=False, max_length=100)] = ()
    """Changes that need an electronic signature; the first that covers a part counts."""
    audit: AuditConfig = AuditConfig()
    """How the audit trail is kept."""
    front_ends: Literal["processes", "in_process"] = "processes"
    """Where the zones' endpoints run: each in a process of its own, or in the gateway's."""

    @property
    def namespace_uri(self) -> str:
        """The instances' NamespaceUri, never None."""
        return self.namespace or f"urn:biogate:{_slug(self.enterprise)}:{_slug(self.site)}"

    @property
    def application_uri(self) -> str:
        """The OPC UA ApplicationUri, never None."""
        return self.opcua.application_uri or f"{self.namespace_uri}:gateway"

    @property
    def accounts(self) -> Mapping[str, UserConfig]:
        """The accounts by user name, the default one where the file names none."""
        return DEFAULT_USERS if self.users is None else self.users

    @property
    def dangers(self) -> tuple[str, ...]:
        """Warnings of what the site lets strangers do, and of what nobody can see."""
        found = [*_dangers(self.opcua, "")] if not self.zones else []
        for name, zone in self.zones.items():
            if zone.opcua is not None:
                found += _dangers(self.zone_opcua(name), f"zone {name}: ")
        return (*found, *self._strays())

    def zone_opcua(self, name: str) -> ZoneOpcUaConfig:
        """A zone's `opcua`; what it does not say is as the site's `opcua` says."""
        own = self.zones[name].opcua
        given = self.opcua.model_dump(exclude_unset=True, exclude=_OF_ONE_ENDPOINT)
        given |= {} if own is None else own.model_dump(exclude_unset=True)
        return ZoneOpcUaConfig.model_validate(given)

    def _strays(self) -> Iterator[str]:
        """What belongs to no zone on a site that has some."""
        if not self.zones:
            return
        for key, table in (("devices", self.devices), ("units", self.units)):
            yield from self._strays_of(key, table)
        yield from self._strays_of("sections", self.nodes)

    def _strays_of(self, key: str, names: Iterable[str]) -> Iterator[str]:
        members = {member for zone in self.zones.values() for member in getattr(zone, key)}
        for name in names:
            if name not in members:
                yield f"{name} is in no zone, so that no client can see it"

    @property
    def all_simulated(self) -> bool:
        """True when no real device is touched: only then may plant time run faster than 1."""
        return all(device.simulated for device in self.devices.values())

    def check_speed(self, speed: float) -> None:
        """Raise ValueError when plant time may not run `speed` times as fast as wall time."""
        real = [name for name, device in self.devices.items() if not device.simulated]
        if not 0.0 < speed < math.inf:
            raise ValueError(f"the plant cannot run at a speed of {speed:g}: give one above 0")
        if speed != 1.0 and real:
            raise ValueError(
                f"a speed of {speed:g} needs a site whose devices are all simulated, and "
                f"{', '.join(real)} is not: take speed 1, or mark it simulated: true"
            )

    def hierarchy(self, unit: str) -> tuple[str, str, str, str, str]:
        """Enterprise, site, area, process cell and unit, top down (ISA-95 equipment levels)."""
        return (self.enterprise, self.site, self.area, self.process_cell, unit)

    def plant_of(self, device: str) -> str:
        """The unit whose plant the (simulated) device measures: its `plant`, else the only unit."""
        return self.devices[device].plant or next(iter(self.units))


def _dangers(opcua: OpcUaConfig, where: str) -> Iterator[str]:
    """What an endpoint lets strangers do."""
    if opcua.anonymous == "operate":
        said = "anonymous: operate lets anyone who reaches the port write and call"
        yield f"{where}{said}: for test rigs only"
    if opcua.trust_any_client:
        said = "trust_any_client trusts every client certificate at first sight"
        yield f"{where}{said}: for test rigs only"


def _slug(label: str) -> str:
    """A label as it can stand in a URN (RFC 8141): lower case, hyphens for blanks, rest quoted."""
    return quote("-".join(label.casefold().split()), safe="")
