"""Checks of the devices against their profiles, and of the devices among one another."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.site.address import Address, is_loopback, parse_address
from biogate.site.model import DeviceConfig, SignalConfig, Site
from biogate.site.profiles import ProfileCatalogue, set_up_profile
from biogate.site.shapes import PROFILE_FILE_SUFFIXES
from biogate_adapters.contract import Signal
from biogate_adapters.document import Document
from biogate_adapters.problems import did_you_mean, listed
from biogate_adapters.profile import Profile, ProfileError
from biogate_adapters.schema_modbus import ModbusProfile


def load_profiles(
    document: Document, site: Site, catalogue: ProfileCatalogue
) -> dict[str, Profile]:
    """Device name → profile. A profile that cannot be loaded is reported and left out."""
    found = {}
    for name, device in site.devices.items():
        profile = _load(document, name, device.profile, catalogue)
        if profile:
            found[name] = profile
    return found


def _load(
    document: Document, device: str, profile: str, catalogue: ProfileCatalogue
) -> Profile | None:
    path = ("devices", device, "profile")
    known = catalogue.names()
    if not profile.endswith(PROFILE_FILE_SUFFIXES) and profile not in known:
        document.report(
            path,
            f"there is no profile {profile}",
            allowed=f"{listed(known)}, or a profile file (.yaml)",
            hint=did_you_mean(profile, known),
        )
        return None
    try:
        return catalogue.load(profile)
    except OSError as error:
        document.report(path, f"profile file {profile} cannot be read: {error.strerror or error}")
    except ProfileError as error:
        message, *_ = str(error).splitlines()
        document.report(path, f"profile {profile} is not usable: {message}")
        document.problems += error.problems
    return None


def check_devices(document: Document, site: Site, profiles: Mapping[str, Profile]) -> None:
    """Report addresses, unit ids, signal set-ups and plants that do not fit."""
    addresses = {}
    for name, device in site.devices.items():
        _check_plant(document, site, name)
        if name not in profiles:
            continue
        _check_set_up(document, name, device, profiles[name])
        address = _check_address(document, name, device, profiles[name].protocol)
        if address:
            addresses[name] = address
        _check_unit(document, name, device, profiles[name])
    _check_shared_addresses(document, site, addresses)
    _check_shared_names(document, site)


def _check_address(
    document: Document, name: str, device: DeviceConfig, protocol: str
) -> Address | None:
    path = ("devices", name, "address")
    try:
        address = parse_address(device.address, protocol)
    except ValueError as error:
        document.report(path, str(error))
        return None
    if device.simulated and not is_loopback(address):
        document.report(
            path,
            f"simulated devices listen on this machine only, not on {address.host}",
            allowed=f"{address.scheme}://127.0.0.1:port (port 0 takes a free one)",
            hint="or remove simulated: true",
        )
    is_real = "simulated" in device.model_fields_set or not document.has((*path[:2], "simulated"))
    if address.port == 0 and is_real and not device.simulated:
        document.report(
            path,
            "port 0 (any free port) is for simulated devices only",
            allowed="the port that the device listens on, 1 to 65535",
            hint="or add simulated: true",
        )
    return address


def _check_unit(document: Document, name: str, device: DeviceConfig, profile: Profile) -> None:
    """Modbus devices have a unit id, devices on a line protocol a letter; both within limits."""
    facts = profile.facts
    if isinstance(facts, ModbusProfile):
        own, foreign = "unit_id", "unit_letter"
        low, high = facts.modbus.unit_ids
        allowed, fits = f"{low} to {high}", low <= (device.unit_id or 0) <= high
    else:
        own, foreign = "unit_letter", "unit_id"
        allowed, fits = ", ".join(facts.line.units), (device.unit_letter or "") in facts.line.units
    if getattr(device, foreign) is not None:
        document.report(
            ("devices", name, foreign),
            f"{foreign} has no meaning for a {profile.protocol} profile",
            hint=f"use {own}",
            key=True,
        )
    given = getattr(device, own)
    if given is not None and not fits:
        document.report(
            ("devices", name, own),
            f"{device.profile} cannot have the {own} {given}",
            allowed=allowed,
        )


def _check_plant(document: Document, site: Site, name: str) -> None:
    device = site.devices[name]
    units = _all_units(document)
    if device.plant is not None and device.plant not in units:
        document.report(
            ("devices", name, "plant"),
            f"there is no unit {device.plant}",
            allowed=listed(units),
            hint=did_you_mean(device.plant, units),
        )
    elif device.simulated and not units:
        document.report(
            ("devices", name),
            "a simulated device needs a unit: whose plant does it measure?",
            hint="add units: ...",
            key=True,
        )
    elif device.simulated and not document.has(("devices", name, "plant")) and len(units) > 1:
        document.report(
            ("devices", name),
            "a simulated device needs plant: which unit's values does it measure?",
            allowed=listed(units),
            hint="add plant: ...",
            key=True,
        )


def _all_units(document: Document) -> list[str]:
    """Units by name, also those whose own description is wrong."""
    return [str(path[1]) for path in document.keys if path[:1] == ("units",) and len(path) == 2]


def _check_set_up(document: Document, name: str, device: DeviceConfig, profile: Profile) -> None:
    before = len(document.problems)
    _check_signals(document, name, device, profile)
    if len(document.problems) > before:
        return
    try:
        set_up_profile(profile, device)
    except ProfileError as error:
        document.report(("devices", name, "signals"), str(error))


def _check_signals(document: Document, name: str, device: DeviceConfig, profile: Profile) -> None:
    known = {signal.name: signal for signal in profile.signals}
    for signal_name, own in device.signals.items():
        path = ("devices", name, "signals", signal_name)
        if signal_name in known:
            _check_signal(document, path, known[signal_name], own)
            continue
        document.report(
            path,
            f"profile {device.profile} has no signal {signal_name}",
            allowed=listed(known),
            hint=did_you_mean(signal_name, known),
            key=True,
        )


def _check_signal(
    document: Document, path: tuple[str, ...], signal: Signal, own: SignalConfig
) -> None:
    given = own.model_fields_set
    if signal.data_type in ("String", "Boolean"):
        for key in sorted(given - {"writes_per_minute"}):
            message = f"{signal.name} is a {signal.data_type}: it has no {key}"
            document.report((*path, key), message, key=True)
    for key in ("write_range", "max_step", "writes_per_minute"):
        if getattr(own, key) is not None and not signal.writable:
            document.report((*path, key), f"{signal.name} cannot be written", key=True)
    if own.write_range is None or not signal.writable:
        return
    low, high = own.write_range
    if (signal.write_low is not None and low < signal.write_low) or (
        signal.write_high is not None and high > signal.write_high
    ):
        document.report(
            (*path, "write_range"),
            f"[{low:g}, {high:g}] is wider than the device takes",
            allowed=f"within [{_limit(signal.write_low)}, {_limit(signal.write_high)}]",
        )


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _check_shared_addresses(
    document: Document, site: Site, addresses: Mapping[str, Address]
) -> None:
    """Two devices never answer at one place; a bus gateway's address differs in the unit id."""
    seen: dict[tuple[object, ...], str] = {}
    for name, address in addresses.items():
        if address.port == 0:
            continue
        device = site.devices[name]
        unit = None if device.simulated else (device.unit_id or 1, device.unit_letter or "A")
        place = (address.host, address.port, unit)
        if place in seen:
            _report_shared(document, name, seen[place], device)
        seen.setdefault(place, name)


def _report_shared(document: Document, name: str, other: str, device: DeviceConfig) -> None:
    different = "port" if device.simulated else "port or unit"
    document.report(
        ("devices", name, "address"),
        f"{device.address} is already the address of {other}",
        hint=f"give one of them another {different}",
    )


def _check_shared_names(document: Document, site: Site) -> None:
    """Device and unit names are tag names of one plant: a name stands for one thing."""
    for name in site.units:
        if name in site.devices:
            document.report(
                ("units", name),
                f"{name} is already the name of a device",
                hint="rename one of them",
                key=True,
            )
