"""The zone and conduit records of IEC 62443-3-2 (ZCR 6), as far as a site file knows them.

What only the plant's owner can say (who is accountable, physical borders, criticality) stands in
the records as something to fill in, so that nobody takes silence for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from biogate.prove.documents.words import access_point, clients, rule_lines, vector

_SOURCE = (
    "Data of IEC 62443-3-2, ZCR 6, taken from the site file. SL-T is the target level in the order "
    "IAC UC SI DC RDF TRE RA."
)
TO_FILL_IN = "_to be filled in by the asset owner_"


def records(data: Mapping[str, Any]) -> str:
    """All records as Markdown."""
    zones: Mapping[str, Any] = data["zones"]
    conduits: Mapping[str, Any] = data.get("conduits") or {}
    lines = [
        f"# Zone and conduit records: {data['enterprise']}, {data['site']}",
        "",
        _SOURCE,
    ]
    for name, zone in zones.items():
        lines += _record(f"Zone {name}", _zone(name, zone, conduits, data))
    for name, conduit in conduits.items():
        lines += _record(f"Conduit {name}", _conduit(conduit))
    return "\n".join(lines) + "\n"


def _record(title: str, fields: Iterator[tuple[str, str]]) -> list[str]:
    rows = [f"| {name} | {_cell(value)} |" for name, value in fields]
    return ["", f"## {title}", "", "| | |", "|---|---|", *rows]


def _zone(
    name: str, zone: Mapping[str, Any], conduits: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    yield "Description", zone.get("description") or TO_FILL_IN
    yield "Kind", "models and advisers" if zone.get("kind") == "model" else "plant"
    yield "Accountable organisation", TO_FILL_IN
    yield "Logical border", "the zone's own OPC UA endpoint; everything else is denied"
    yield "Physical border", TO_FILL_IN
    yield "Safety designation", TO_FILL_IN
    yield "Access points (logical)", access_point(zone)
    yield "Access points (physical)", TO_FILL_IN
    yield "Clients admitted", "; ".join(clients(zone)) or "any that the zone trusts"
    yield "Security level (SL-T)", vector(zone.get("target"))
    yield "Assets", "; ".join(_assets(zone, data)) or "none"
    yield "Criticality of the assets", TO_FILL_IN
    joined = [n for n, each in conduits.items() if name in (each["from"], each["to"])]
    yield "Conduits", ", ".join(joined) or "none"
    yield "Data flows", "; ".join(_flows(name, conduits)) or "none"
    yield "Policies, assumptions, external dependencies", TO_FILL_IN


def _assets(zone: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    for device in zone.get("devices") or ():
        config = data["devices"][device]
        simulated = ", simulated" if config.get("simulated") else ""
        yield f"device {device} ({config['profile']} at {config['address']}{simulated})"
    for unit in zone.get("units") or ():
        yield f"unit {unit} ({', '.join(data['units'][unit]['functions'])})"
    for section in zone.get("sections") or ():
        yield f"variables of {section} ({data['nodes'][section]['namespace']})"


def _flows(name: str, conduits: Mapping[str, Any]) -> Iterator[str]:
    """Data flows against the direction of the asking: who reads gets, who writes gives."""
    for conduit, each in conduits.items():
        actions = {action for rule in each.get("allow") or () for action in rule["actions"]}
        peer = each["to"] if each["from"] == name else each["from"]
        if name in (each["from"], each["to"]):
            gets = bool(actions - {"write", "call"})
            gives = bool(actions & {"write", "call"})
            asks = each["from"] == name
            if gets:
                yield f"values {'from' if asks else 'to'} {peer} ({conduit})"
            if gives:
                yield f"commands {'to' if asks else 'from'} {peer} ({conduit})"


def _conduit(conduit: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Description", conduit.get("description") or TO_FILL_IN
    yield "From (clients)", conduit["from"]
    yield "To (nodes)", conduit["to"]
    yield "Accountable organisation", TO_FILL_IN
    yield "Channel", f"OPC UA, at the endpoint of zone {conduit['from']}"
    yield "Security level (SL-T)", vector(conduit.get("target"))
    yield "State at start", "open" if conduit.get("open", True) else "closed"
    yield "What may pass", "; ".join(rule_lines(conduit))
    yield "Policies, assumptions, external dependencies", TO_FILL_IN


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
