"""Device addresses: `scheme://host:port`, and which schemes a profile's protocol engine speaks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

SCHEMES: dict[str, tuple[str, ...]] = {
    "modbus": ("tcp", "rtu+tcp"),
    "line": ("tcp",),
}
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+]*)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a device listens. `port` 0 stands for a free port that a simulator will take."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, protocol: str) -> Address:
    """Read an address of a device that speaks `protocol` ("modbus" or "line").

    Raises ValueError with what is allowed.
    """
    schemes = SCHEMES[protocol]
    allowed = ", ".join(f"{scheme}://host:port" for scheme in schemes)
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not an address; allowed: {allowed}")
    if match["scheme"] not in schemes:
        raise ValueError(
            f"{match['scheme']}:// does not fit a {protocol} profile; allowed: {allowed}"
        )
    port = int(match["port"])
    if port > 65535:
        raise ValueError(f"port {port} does not exist; allowed: 0 to 65535")
    return Address(match["scheme"], match["host"].strip("[]").lower(), port)
