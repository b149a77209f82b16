"""Device addresses in a site file: as the adapters read them, and port 0 for a simulator."""

from __future__ import annotations

import ipaddress

from biogate_adapters.factory import Address
from biogate_adapters.factory import parse_address as parse_device_address

__all__ = ["Address", "is_loopback", "parse_address"]


def parse_address(text: str, protocol: str) -> Address:
    """Read the address of a device that speaks `protocol` ("modbus" or "line").

    Port 0 stands for a free port that a simulator will take. Raises ValueError with what is
    allowed.
    """
    return parse_device_address(text, protocol, free_port=True)


def is_loopback(address: Address) -> bool:
    """True where only this machine can reach the address."""
    if address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False
