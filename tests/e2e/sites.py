"""Site files for the tests: one bioreactor whose devices are simulated, or are at an address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from e2e.driving import Program

NAMESPACE = "urn:test:plant"
POLL_INTERVAL_S = 0.25

_DEVICES = {
    "AE101": {"profile": "hamilton/arc-ph", "address": "tcp://127.0.0.1:0"},
    "AE102": {"profile": "hamilton/visiferm-do", "address": "rtu+tcp://127.0.0.1:0"},
    "FIC101": {"profile": "alicat/mfc", "address": "tcp://127.0.0.1:0"},
    "RC101": {"profile": "generic/reactor-controller", "address": "tcp://127.0.0.1:0"},
}
_FUNCTIONS = {
    "pH": {"kind": "sensor", "value": "AE101.ph"},
    "DO": {"kind": "sensor", "value": "AE102.do"},
    "Temperature": {"kind": "sensor", "value": "RC101.temperature"},
    "GasFlow": {"kind": "sensor", "value": "FIC101.mass_flow"},
}


def write_site(
    path: Path, addresses: Mapping[str, str] | None = None, **own: Mapping[str, Any]
) -> Path:
    """Write a site file: without `addresses` all devices are simulated, with them none is.

    `own` are keys of single devices, such as `AE101={"poll_interval_ms": 100}`.
    """
    devices: dict[str, dict[str, Any]] = {}
    for name, device in _DEVICES.items():
        where = {"simulated": True} if addresses is None else {"address": addresses[name]}
        interval = {"poll_interval_ms": round(POLL_INTERVAL_S * 1000)}
        devices[name] = {**device, **interval, **where, **own.get(name, {})}
    site = {
        "biogate": 1,
        "enterprise": "Example Bio",
        "site": "Test Plant",
        "area": "Upstream",
        "process_cell": "Cell 1",
        "namespace": NAMESPACE,
        "opcua": {"port": 0, "security_policies": ["None"], "anonymous": "read"},
        "devices": devices,
        "units": {"BR101": {"functions": _FUNCTIONS}},
    }
    path.write_text(json.dumps(site, indent=2))  # JSON is YAML
    return path


async def addresses_of(simulators: Iterable[Program]) -> dict[str, str]:
    """Device → address, as simulator processes print them; waits until they are ready."""
    found = {}
    for program in simulators:
        await program.line("^ready$")
        lines = (re.fullmatch(r"device (\S+) (\S+)", line) for line in program.lines)
        found.update({line[1]: line[2] for line in lines if line})
    return found


async def endpoint_of(gateway: Program) -> str:
    """The URL that a gateway prints."""
    return (await gateway.line(r"endpoint: (opc\.tcp://\S+)"))[1]
