"""What a newcomer reads when the gateway is up: where it is, and how to connect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from biogate.gateway import Gateway
from biogate.storage import OPERATOR


def tell(gateway: Gateway, speed: float) -> None:
    """Print the endpoint, what it offers, and a command to try."""
    typer.echo(f"OPC UA endpoint: {_bold(gateway.endpoint_url)}")
    for topic, text in _topics(gateway, speed):
        typer.echo(f"  {topic + ':':10}{text}")
    typer.echo("Ctrl-C stops everything.")


def _bold(text: str) -> str:
    """Bold on a terminal; `typer.echo` takes it out elsewhere."""
    return typer.style(text, bold=True)


def _topics(gateway: Gateway, speed: float) -> Iterator[tuple[str, str]]:
    opcua = gateway.site.opcua
    modes = ", ".join(opcua.security_modes)
    yield (
        "security",
        ", ".join(name if name == "None" else f"{name} ({modes})" for name in _policies(gateway)),
    )
    reading = "anyone may read" if opcua.anonymous == "read" else "reading needs an account"
    yield "accounts", f"{reading}; writing needs the account {_bold(OPERATOR)}"
    if gateway.first_password is not None:
        password = _bold(gateway.first_password)
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
    return next(node for tag in gateway.tags for node in gateway.node_ids(tag.name))


def _tool(name: str) -> str:
    """Path of a command beside this Python, as short as it works from here."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        return name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
