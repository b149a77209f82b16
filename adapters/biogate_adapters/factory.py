"""Profile + address → adapter. The engine of the protocol is imported on use."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from biogate_adapters.contract import Adapter
from biogate_adapters.link import LinkSettings
from biogate_adapters.profile import Profile
from biogate_adapters.schema_line import LineProfile
from biogate_adapters.schema_modbus import ModbusProfile

_SCHEMES = {"modbus": ("tcp", "rtu+tcp"), "line": ("tcp",)}


@dataclass(frozen=True, slots=True)
class Address:
    """A device's address: `scheme` is "tcp" or "rtu+tcp"."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_address(text: str, protocol: str, *, free_port: bool = False) -> Address:
    """The parts of a device address, for example "tcp://192.0.2.7:502".

    `free_port` allows port 0. Raises ValueError that says what is allowed.
    """
    schemes = _SCHEMES[protocol]
    allowed = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
    lowest = 0 if free_port else 1
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no device address ({error}): write {allowed}") from error
    if parts.scheme not in schemes:
        raise ValueError(f"{text!r}: a {protocol} device has an address like {allowed}")
    if not host or port is None or port < lowest or parts.path not in ("", "/") or parts.username:
        raise ValueError(f"{text!r}: write {allowed}, with a port from {lowest} to 65535")
    return Address(parts.scheme, host, port)


def create_adapter(
    profile: Profile,
    address: str,
    *,
    name: str = "",
    unit_id: int = 1,
    unit: str = "A",
    timeout_s: float | None = None,
    tries: int | None = None,
) -> Adapter:
    """The adapter of one device.

    `name` is what log lines call the device (default: its profile and address). `unit_id` is a
    Modbus unit id, `unit` the letter of a line-protocol device; `timeout_s` and `tries` replace
    the profile's. Raises ValueError for an address, unit id or letter that the
    device cannot have.
    """
    place = parse_address(address, profile.protocol)
    timing = profile.facts.timing
    timeout_s = timing.timeout_ms / 1000 if timeout_s is None else timeout_s
    tries = timing.tries if tries is None else tries
    if timeout_s <= 0 or tries < 1:
        raise ValueError(f"time-out {timeout_s:g} s, {tries} tries: both must be above 0")
    own = f"unit id {unit_id}" if profile.protocol == "modbus" else f"unit {unit}"
    settings = LinkSettings(
        place.host,
        place.port,
        timeout_s,
        tries,
        timing.gap_ms / 1000,
        where=f"{profile.name} at {place}, {own}",
    )
    if isinstance(profile.facts, ModbusProfile):
        return _modbus(
            profile, profile.facts, settings, name, unit_id, rtu=place.scheme == "rtu+tcp"
        )
    return _line(profile, profile.facts, settings, name, unit)


def _modbus(
    profile: Profile,
    facts: ModbusProfile,
    settings: LinkSettings,
    name: str,
    unit_id: int,
    *,
    rtu: bool,
) -> Adapter:
    low, high = facts.modbus.unit_ids
    if not low <= unit_id <= high:
        raise ValueError(f"unit id {unit_id}: {profile.name} has {low} to {high}")
    from biogate_adapters.modbus.adapter import ModbusAdapter
    from biogate_adapters.modbus.link import ModbusLink

    link = ModbusLink(settings, rtu=rtu, unit_id=unit_id)
    return ModbusAdapter(profile, link, where=settings.where, device=name)


def _line(
    profile: Profile, facts: LineProfile, settings: LinkSettings, name: str, unit: str
) -> Adapter:
    if len(unit) != 1 or unit not in facts.line.units:
        raise ValueError(f"unit {unit!r}: {profile.name} has one letter of {facts.line.units}")
    from biogate_adapters.line.adapter import LineAdapter
    from biogate_adapters.line.link import LineLink

    link = LineLink(settings, line=facts.line)
    return LineAdapter(profile, link, unit=unit, where=settings.where, device=name)
