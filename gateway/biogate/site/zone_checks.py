"""Checks of the zones: what they name is there, belongs to one of them, and can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from biogate.site.model import OpcUaConfig, Site, ZoneConfig
from biogate.site.parts import COMPUTED
from biogate.site.site_checks import check_endpoint, check_test_rig
from biogate.site.zone_table import levels
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed

_MEMBERS = {"devices": "device", "units": "unit", "sections": "section of nodes"}


def check_zones(document: Document, site: Site) -> None:
    """Report members, accounts and endpoints of zones that do not fit."""
    if not site.zones:
        _check_needless(document)
        return
    for name, zone in site.zones.items():
        _check_members(document, name, zone)
        _check_accounts(document, site, name, zone)
        if zone.opcua is not None:
            opcua = site.zone_opcua(name)
            check_endpoint(document, opcua, ("zones", name, "opcua"))
            check_test_rig(document, site, opcua, ("zones", name, "opcua"))
            _check_security(document, name, zone, opcua)
    _check_single_membership(document, site)
    _check_units(document, site)
    _check_ports(document, site)
    _check_names(document, site)


def _check_needless(document: Document) -> None:
    if document.has(("conduits",)) and not document.has(("zones",)):
        document.report(("conduits",), "conduits join zones: add zones: ...", key=True)


def _check_members(document: Document, name: str, zone: ZoneConfig) -> None:
    for key, noun in _MEMBERS.items():
        table = "nodes" if key == "sections" else key
        known = names_below(document, table)
        for number, member in enumerate(getattr(zone, key)):
            if member not in known:
                report_unknown(document, ("zones", name, key, number), noun, member, known)


def _check_accounts(document: Document, site: Site, name: str, zone: ZoneConfig) -> None:
    check_users(document, site, ("zones", name, "users"), zone.users)


def check_users(document: Document, site: Site, path: KeyPath, users: Iterable[str] | None) -> None:
    """Report accounts that the site does not have."""
    known = names_below(document, "users") or list(site.accounts)
    for number, user in enumerate(users or ()):
        if user not in known:
            report_unknown(document, (*path, number), "account", user, known)


def report_unknown(
    document: Document, path: KeyPath, noun: str, name: str, known: Iterable[str]
) -> None:
    """Report something that is named and not there."""
    known = list(known)
    document.report(
        path,
        f"there is no {noun} {name}",
        allowed=listed(known),
        hint=did_you_mean(name, known),
    )


def names_below(document: Document, key: str) -> list[str]:
    """Names below a top-level key, also those whose own description is wrong."""
    return [str(path[1]) for path in document.keys if path[:1] == (key,) and len(path) == 2]


def _check_security(document: Document, name: str, zone: ZoneConfig, opcua: OpcUaConfig) -> None:
    """An endpoint that cannot meet the zone's target levels would serve nobody."""
    least = levels(zone.target).least_mode
    secure = [policy for policy in opcua.security_policies if policy != "None"]
    if least == "None" or (
        secure and (least == "Sign" or "SignAndEncrypt" in opcua.security_modes)
    ):
        return
    key = "security_modes" if secure else "security_policies"
    document.report(
        ("zones", name, "opcua", key),
        f"target SI {zone.target.SI}, DC {zone.target.DC} asks for {least}, which is not offered",
        hint="offer it, or take the target level back",
    )


def _check_single_membership(document: Document, site: Site) -> None:
    seen: dict[tuple[str, str], str] = {}
    for path, key, member in _members(site.zones):
        zone = str(path[1])
        other = seen.setdefault((key, member), zone)
        if other != zone:
            document.report(
                path,
                f"{_MEMBERS[key]} {member} is in zone {other} already"
                if member
                else f"zone {other} has the computed tags already",
                hint="take it out of one of them: a conduit says what else may be seen of it",
            )


def _members(zones: Mapping[str, ZoneConfig]) -> Iterator[tuple[KeyPath, str, str]]:
    for name, zone in zones.items():
        for key in _MEMBERS:
            for number, member in enumerate(getattr(zone, key)):
                yield ("zones", name, key, number), key, member
        if zone.computed:
            yield ("zones", name, "computed"), "computed", ""


def _check_units(document: Document, site: Site) -> None:
    """What a unit shows are its devices' signals: they are one zone's, or nobody's rule holds."""
    zone_of = {(key, member): str(path[1]) for path, key, member in _members(site.zones)}
    for unit, config in site.units.items():
        own = zone_of.get(("units", unit))
        devices = {
            bound.partition(".")[0]
            for function in config.functions.values()
            for bound in function.bindings.values()
        }
        for device in sorted(devices & site.devices.keys()):
            other = zone_of.get(("devices", device))
            if other != own:
                _report_apart(document, site, unit, own, device, other)


def _report_apart(
    document: Document, site: Site, unit: str, own: str | None, device: str, other: str | None
) -> None:
    path: KeyPath = ("units", unit)
    if own is not None:
        path = ("zones", own, "units", site.zones[own].units.index(unit))
    document.report(
        path,
        f"unit {unit} is in {_zone_text(own)}, and its device {device} in {_zone_text(other)}",
        hint="put them into the same zone",
        key=own is None,
    )


def _zone_text(zone: str | None) -> str:
    return "no zone" if zone is None else f"zone {zone}"


def _check_ports(document: Document, site: Site) -> None:
    """Each zone listens at an address of its own; port 0 takes a free one."""
    seen: dict[tuple[str, int], str] = {}
    for name, zone in site.zones.items():
        opcua = site.zone_opcua(name)
        if zone.opcua is None or not opcua.listen or opcua.port == 0:
            continue
        other = seen.setdefault((opcua.host, opcua.port), name)
        if other != name:
            path = ("zones", name, "opcua", "port")
            document.report(
                path if document.has(path) else path[:-1],
                f"{opcua.host}:{opcua.port} is already the endpoint of zone {other}",
                hint="give one of them another port",
            )


def _check_names(document: Document, site: Site) -> None:
    """Rules name devices, units and sections alike: a name stands for one of them."""
    taken = dict.fromkeys(site.devices, "a device") | dict.fromkeys(site.units, "a unit")
    for key in ("devices", "units", "nodes"):
        for name in getattr(site, key):
            what = "what is computed" if name == COMPUTED else key == "nodes" and taken.get(name)
            if what:
                document.report(
                    (key, name),
                    f"{name} is already the name of {what}",
                    hint="rename one of them: rules of zones would mean both",
                    key=True,
                )
