"""What a newcomer reads when the gateway is up: where it is, and how to connect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from biogate.gateway import Gateway
from biogate.storage import OPERATOR


def tell(gateway: Gateway, speed: float, console: Console) -> None:
    """Print the endpoint, what it offers, and a command to try. Lines are never wrapped."""
    console.print(f"OPC UA endpoint: [bold]{gateway.endpoint_url}[/bold]", soft_wrap=True)
    for topic, text in _topics(gateway, speed):
        console.print(f"  {topic + ':':10}{text}", soft_wrap=True)
    console.print("Ctrl-C stops everything.")


def _topics(gateway: Gateway, speed: float) -> Iterator[tuple[str, str]]:
    opcua = gateway.site.opcua
    modes = ", ".join(opcua.security_modes)
    yield (
        "security",
        ", ".join(name if name == "None" else f"{name} ({modes})" for name in _policies(gateway)),
    )
    reading = "anyone may read" if opcua.anonymous == "read" else "reading needs an account"
    yield "accounts", f"{reading}; writing needs the account [bold]{OPERATOR}[/bold]"
    if gateway.first_password is not None:
        password = f"[bold]{escape(gateway.first_password)}[/bold]"
        yield "password", f"{password}  (of {OPERATOR}; made now, shown only this once)"
    if gateway.site.all_simulated:
        pace = "in real time" if speed == 1 else f"{speed:g} times faster than real time"
        yield "plant", f"simulated, {pace}"
    if "None" in opcua.security_policies and opcua.anonymous == "read":
        yield "try it", f"{_tool('uaread')} -u {gateway.endpoint_url} -n '{_example(gateway)}'"


def _policies(gateway: Gateway) -> list[str]:
    """None first, then the secure ones as the site file lists them."""
    return sorted(gateway.site.opcua.security_policies, key=lambda name: name != "None")


def _example(gateway: Gateway) -> str:
    """NodeId of the first value that a function of a unit shows."""
    return escape(next(node for tag in gateway.tags for node in gateway.node_ids(tag.name)))


def _tool(name: str) -> str:
    """Path of a command beside this Python, as short as it works from here."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        return name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
