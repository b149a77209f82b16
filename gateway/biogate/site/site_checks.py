"""Checks of the site as a whole: which parts it has, its accounts, and what only a test rig may."""

from __future__ import annotations

import ipaddress

from biogate.site.model import OpcUaConfig, Site
from biogate_adapters.document import Document


def check_parts(document: Document, site: Site) -> None:
    """A site has devices and units, or nodes of its own, or both."""
    if document.has(("nodes",)):
        if document.has(("units",)) and not document.has(("devices",)):
            _report_missing(document, "devices")
        return
    for key in ("devices", "units"):
        if not document.has((key,)):
            _report_missing(document, key)


def _report_missing(document: Document, key: str) -> None:
    hint = f"add {key}: ..."
    if not document.has(("devices",)):
        hint += ", or nodes: ... for variables without a device"
    document.report((), f"key {key} is missing", hint=hint, key=True)


def check_users(document: Document, site: Site) -> None:
    """Names of users differ in more than case and punctuation: see `password_variable`."""
    seen: dict[str, str] = {}
    for name in site.users or ():
        variable = password_variable(name)
        if variable in seen:
            document.report(
                ("users", name),
                f"{name} and {seen[variable]} would both take their password from {variable}",
                hint="rename one of them",
                key=True,
            )
        seen.setdefault(variable, name)


def password_variable(user: str) -> str:
    """The environment variable that an account's password comes from."""
    return f"BIOGATE_PASSWORD_{user.upper().replace('-', '_')}"


def check_test_rig(
    document: Document, site: Site, opcua: OpcUaConfig, path: tuple[str, ...]
) -> None:
    """What lets strangers in is for rigs without a real device; `path` is the endpoint's."""
    real = next((name for name, each in site.devices.items() if not each.simulated), None)
    if real is None:
        return
    if opcua.anonymous == "operate":
        message = f"anonymous clients may not operate {real}"
        _report_open(document, (*path, "anonymous"), message)
    if opcua.trust_any_client:
        _report_open(document, (*path, "trust_any_client"), f"{real} is not for any client")


def check_endpoint(document: Document, opcua: OpcUaConfig, path: tuple[str, ...]) -> None:
    """What an endpoint offers, and to whom; `path` is where the file says so.

    Without security anyone on the way reads and changes what is sent, so that it stays on this
    machine; elsewhere channels without security serve discovery only (Part 4, 5.5.4).
    """
    if "None" in opcua.security_policies and not is_loopback(opcua.host):
        document.report(
            (*path, "security_policies"),
            f"policy None would be offered on {opcua.host}, where others can reach it",
            hint="leave None out (discovery works without it), or set host: 127.0.0.1",
        )
    if not (opcua.listen or opcua.reverse_connect):
        document.report(
            (*path, "listen"),
            "no client could ever connect: the endpoint does not listen",
            hint="name clients in reverse_connect, or leave listen out",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _report_open(document: Document, path: tuple[str, ...], message: str) -> None:
    document.report(
        path,
        f"{message}: it is a real device",
        hint="this is for test rigs, whose devices are all simulated: true",
    )
