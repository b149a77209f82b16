"""Checks of the functions: every binding names a signal that can play its role."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.site.model import DeviceConfig, FunctionConfig, Site
from biogate.site.profiles import set_up_profile
from biogate_adapters.contract import Signal
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed
from biogate_adapters.profile import Profile

_NOT_ANALOG = ("String", "Boolean")


def check_functions(document: Document, site: Site, profiles: Mapping[str, Profile]) -> None:
    """Report bindings to unknown or unfit signals, missing ranges, and set-points shared."""
    signals = signals_of(site, profiles)
    targets: dict[str, str] = {}
    for unit_name, unit in site.units.items():
        for name, function in unit.functions.items():
            path: KeyPath = ("units", unit_name, "functions", name)
            for role, reference in function.bindings.items():
                signal = _resolve(document, site, (*path, role), reference, signals)
                if signal:
                    _check_role(document, (*path, role), function, reference, signal)
            _check_target(document, path, function, targets)


def signals_of(site: Site, profiles: Mapping[str, Profile]) -> Mapping[str, Mapping[str, Signal]]:
    """Device → its signals by name, of the devices whose profile is known."""
    return {name: _signals(profile, site.devices[name]) for name, profile in profiles.items()}


def _signals(profile: Profile, config: DeviceConfig) -> Mapping[str, Signal]:
    """Signals by name; as set up where the set-up fits the profile (else it is reported)."""
    try:
        return set_up_profile(profile, config).by_name
    except ValueError:
        return profile.by_name


def _resolve(
    document: Document,
    site: Site,
    path: KeyPath,
    reference: str,
    signals: Mapping[str, Mapping[str, Signal]],
) -> Signal | None:
    """The bound signal. None where it is not known; reported unless the device's own entry is."""
    device, _, name = reference.partition(".")
    if device in signals:
        signal = signals[device].get(name)
        if signal is None:
            known = signals[device]
            document.report(
                path,
                f"{device} ({site.devices[device].profile}) has no signal {name}",
                allowed=listed(known),
                hint=did_you_mean(name, known),
            )
        return signal
    if not document.has(("devices", device)):
        document.report(
            path,
            f"there is no device {device}",
            allowed=listed(site.devices),
            hint=did_you_mean(device, site.devices),
        )
    return None


def _check_role(
    document: Document, path: KeyPath, function: FunctionConfig, reference: str, signal: Signal
) -> None:
    role = path[-1]
    if signal.data_type in _NOT_ANALOG:
        document.report(
            path,
            f"{reference} is a {signal.data_type}; {role} of a {function.kind} is a number",
            hint="bind a numeric signal",
        )
        return
    if role in function.TARGETS and not signal.writable:
        document.report(path, f"{reference} cannot be written, so it cannot be the {role}")
    ranged = role in function.RANGED and (
        function.range is not None or document.has((*path[:-1], "range"))
    )
    if not ranged and (signal.low is None or signal.high is None):
        _report_no_range(document, path, function, reference)


def _report_no_range(
    document: Document, path: KeyPath, function: FunctionConfig, reference: str
) -> None:
    device, _, name = reference.partition(".")
    if document.has(("devices", device, "signals", name, "range")):
        return
    at_device = f"range: [low, high] under devices.{device}.signals.{name}"
    at_function = "range: [low, high] to the function, or "
    document.report(
        path,
        f"{reference} has no engineering range (EURange) in its profile",
        hint=f"add {at_function if path[-1] in function.RANGED else ''}{at_device}",
    )


def _check_target(
    document: Document, path: KeyPath, function: FunctionConfig, targets: dict[str, str]
) -> None:
    """A set-point has one owner: two functions that write it would fight."""
    for role in function.TARGETS:
        reference = function.bindings[role]
        owner = ".".join(str(part) for part in path[1::2])
        if reference in targets:
            document.report(
                (*path, role), f"{reference} is already the {role} of {targets[reference]}"
            )
        targets.setdefault(reference, owner)
