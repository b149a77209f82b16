"""What a newcomer reads when the gateway is up: where it is, and how to connect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from biogate.accounts import ADMINISTRATOR
from biogate.gateway import Gateway
from biogate.site import Site
from biogate.site.model import OpcUaConfig


def tell(gateway: Gateway, speed: float) -> None:
    """Print the endpoints, what they offer, and a command to try."""
    for zone, url in gateway.endpoint_urls.items():
        typer.echo(f"OPC UA endpoint{f' of zone {zone}' if zone else ''}: {_bold(url)}")
    for topic, text in _topics(gateway, speed):
        typer.echo(f"  {topic + ':':10}{text}")
    typer.echo("Ctrl-C stops everything.")


def _bold(text: str) -> str:
    """Bold on a terminal; `typer.echo` takes it out elsewhere."""
    return typer.style(text, bold=True)


def _topics(gateway: Gateway, speed: float) -> Iterator[tuple[str, str]]:
    site = gateway.site
    if site.zones:
        for zone in gateway.endpoint_urls:
            yield zone, _security(site.zone_opcua(zone))
    else:
        yield "security", _security(site.opcua)
        yield "accounts", _accounts(site)
    for user, password in gateway.first_passwords.items():
        yield "password", f"{_bold(password)}  (of {user}; {_kind(user)}shown only this once)"
    for danger in site.dangers:
        yield "WARNING", typer.style(danger, fg="red", bold=True)
    if site.nodes:
        yield "nodes", _nodes(gateway)
    if site.devices and site.all_simulated:
        pace = "in real time" if speed == 1 else f"{speed:g} times faster than real time"
        yield "plant", f"simulated, {pace}"
    example = "" if site.zones else _example(gateway)
    if "None" in site.opcua.security_policies and site.opcua.anonymous != "none" and example:
        yield "try it", f"{_tool('uaread')} -u {gateway.endpoint_url} -n '{example}'"


def _kind(user: str) -> str:
    if user == ADMINISTRATOR:
        return "must be changed at the first login, within 24 hours; "
    return "made now, "


def _security(opcua: OpcUaConfig) -> str:
    """None first, then the secure policies as the site file lists them."""
    offered = opcua.security_policies
    secure = ", ".join(name for name in offered if name != "None")
    modes = f"{secure} ({', '.join(opcua.security_modes)})" if secure else ""
    return ", ".join(part for part in ("None" if "None" in offered else "", modes) if part)


_ANONYMOUS = {
    "none": "reading needs an account",
    "read": "anyone may read",
    "operate": "anyone may read, write variables and call methods",
}


def _accounts(site: Site) -> str:
    anyone = _ANONYMOUS[site.opcua.anonymous]
    if site.users is None and site.opcua.anonymous != "operate":
        return f"{anyone}; writing needs the account {_bold(*site.accounts)}"
    named = ", ".join(
        f"{_bold(name)} ({', '.join(user.roles)}{', disabled' if user.disabled else ''})"
        for name, user in site.accounts.items()
    )
    return f"{anyone}; {named}"


def _nodes(gateway: Gateway) -> str:
    uris = ", ".join(section.namespace for section in gateway.site.nodes.values())
    number = gateway.declared_variables
    return f"{number:,} {'variable' if number == 1 else 'variables'} without a device, in {uris}"


def _example(gateway: Gateway) -> str:
    """NodeId of the first value that clients see; "" where there is none."""
    return next((node for tag in gateway.tags for node in gateway.node_ids(tag.name)), "")


def _tool(name: str) -> str:
    """Path of a command beside this Python, as short as it works from here."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        return name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
