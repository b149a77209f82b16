"""The site resolved: every function bound to signals whose unit and range are final.

The file says what differs from the profiles; the plan says what holds. The runtime and the
information model work from the plan and never look anything up by name again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from biogate.site.model import DeviceConfig, FunctionConfig, Site
from biogate.site.profiles import InstalledProfiles, Profile, ProfileCatalogue
from biogate_adapters.contract import Signal


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A device with its signals as its set-up makes them (profile plus `signals:`)."""

    name: str
    config: DeviceConfig
    profile: Profile
    signals: tuple[Signal, ...]

    def tag(self, signal: Signal) -> str:
        """Name of the signal's tag, `DEVICE.signal`."""
        return f"{self.name}.{signal.name}"


@dataclass(frozen=True, slots=True)
class Binding:
    """One role of a function: its tag, and its signal with the function's range applied."""

    role: str
    device: str
    signal: Signal

    @property
    def tag(self) -> str:
        """Name of the bound tag, `DEVICE.signal`."""
        return f"{self.device}.{self.signal.name}"


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A function: `bindings` by role (value, compensation, current, target, total)."""

    name: str
    kind: str
    description: str
    bindings: Mapping[str, Binding]


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """A unit (bioreactor); `hierarchy` is enterprise, site, area, process cell, unit."""

    name: str
    description: str
    hierarchy: tuple[str, str, str, str, str]
    functions: tuple[FunctionPlan, ...]


@dataclass(frozen=True, slots=True)
class SitePlan:
    """Devices and units by name, in file order."""

    site: Site
    devices: Mapping[str, DevicePlan]
    units: Mapping[str, UnitPlan]


def plan_site(site: Site, profiles: ProfileCatalogue | None = None) -> SitePlan:
    """Resolve a site that `load_site` accepted. Raises ValueError or OSError as profiles do."""
    catalogue = profiles or InstalledProfiles()
    devices = {
        name: _plan_device(name, config, catalogue.load(config.profile))
        for name, config in site.devices.items()
    }
    units = {
        name: UnitPlan(
            name,
            unit.description,
            site.hierarchy(name),
            tuple(_plan_function(key, each, devices) for key, each in unit.functions.items()),
        )
        for name, unit in site.units.items()
    }
    return SitePlan(site, devices, units)


def _plan_device(name: str, config: DeviceConfig, profile: Profile) -> DevicePlan:
    return DevicePlan(name, config, profile, device_signals(config, profile))


def device_signals(config: DeviceConfig, profile: Profile) -> tuple[Signal, ...]:
    """The profile's signals with the unit and ranges that the site file sets."""
    return tuple(_set_up(signal, config) for signal in profile.signals)


def _set_up(signal: Signal, config: DeviceConfig) -> Signal:
    own = config.signals.get(signal.name)
    if own is None:
        return signal
    low, high = own.range or (signal.low, signal.high)
    write_low, write_high = own.write_range or (signal.write_low, signal.write_high)
    return replace(
        signal,
        unit=own.unit or signal.unit,
        low=low,
        high=high,
        write_low=write_low,
        write_high=write_high,
    )


def _plan_function(
    name: str, function: FunctionConfig, devices: Mapping[str, DevicePlan]
) -> FunctionPlan:
    bindings = {
        role: _bind(role, reference, function, devices)
        for role, reference in function.bindings.items()
    }
    return FunctionPlan(name, function.kind, function.description, bindings)


def _bind(
    role: str, reference: str, function: FunctionConfig, devices: Mapping[str, DevicePlan]
) -> Binding:
    device, _, signal_name = reference.partition(".")
    signal = next(each for each in devices[device].signals if each.name == signal_name)
    if function.range and role in function.RANGED:
        low, high = function.range
        signal = replace(signal, low=low, high=high)
    return Binding(role, device, signal)
