"""The site resolved: every function bound to signals whose unit and range are final.

The file says what differs from the profiles; the plan says what holds. The runtime and the
information model work from the plan and never look anything up by name again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from biogate.site.membership import Membership
from biogate.site.model import DeviceConfig, FunctionConfig, Site
from biogate.site.node_plan import SectionPlan, plan_section
from biogate.site.profiles import InstalledProfiles, ProfileCatalogue, set_up_profile
from biogate_adapters.contract import Signal
from biogate_adapters.profile import Profile
from biogate_security.policy import WriteLimits


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A device: `profile` is as the device is set up (the site file's `signals:` applied)."""

    name: str
    config: DeviceConfig
    profile: Profile

    def tag(self, signal: Signal) -> str:
        """Name of the signal's tag, `DEVICE.signal`."""
        return f"{self.name}.{signal.name}"

    def write_limits(self, signal: Signal) -> WriteLimits | None:
        """What a write must keep besides its range, whoever writes; None for nothing."""
        own = self.config.signals.get(signal.name)
        if own is None or (own.max_step is None and own.writes_per_minute is None):
            return None
        return WriteLimits(
            max_step=own.max_step, per_minute=own.writes_per_minute, conduit=self.tag(signal)
        )


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
    """Devices and units by name, and the sections of declared nodes, in file order.

    `zones` says which zone each of them belongs to.
    """

    site: Site
    devices: Mapping[str, DevicePlan]
    units: Mapping[str, UnitPlan]
    sections: tuple[SectionPlan, ...] = ()
    zones: Membership = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zones", Membership(self.site))


def plan_site(site: Site, profiles: ProfileCatalogue | None = None) -> SitePlan:
    """Resolve a site that `load_site` accepted.

    Raises ValueError or OSError as profiles do, ImportError as a method's function does.
    """
    catalogue = profiles or InstalledProfiles()
    devices = {
        name: DevicePlan(name, config, set_up_profile(catalogue.load(config.profile), config))
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
    sections = tuple(plan_section(name, section) for name, section in site.nodes.items())
    return SitePlan(site, devices, units, sections)


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
    signal = devices[device].profile.by_name[signal_name]
    if function.range and role in function.RANGED:
        low, high = function.range
        signal = replace(signal, low=low, high=high)
    return Binding(role, device, signal)
