"""A rehearsal: the site's gateway in a temporary folder, with simulated devices on loopback."""

from __future__ import annotations

import asyncio
import copy
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from biogate.prove.access import ClientIdentity, accounts_of
from biogate.prove.errors import RehearsalError
from biogate.prove.identity import client_identity
from biogate.prove.reading import is_open
from biogate.site.site_checks import password_variable

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 10.0
_READY = "Ctrl-C stops everything."
_TOLD_LINES = 30
_REMOVALS, _REMOVAL_PAUSE_S = 50, 0.1
_LOOPBACK = "127.0.0.1/32"
_SESSIONS = "sessions_per_user"
_OF_USERS = (("opcua", _SESSIONS), ("passwords", "attempts"))


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A folder to run a gateway in: its site as it is started, and what opens each zone.

    `certificates` are those of users that a rule asks to log in by one. The gateway's own keys are
    made at the first start and stay for the next.
    """

    data: Mapping[str, Any]
    root: Path
    identities: Mapping[str, ClientIdentity]
    passwords: Mapping[str, str]
    certificates: Mapping[str, ClientIdentity]

    @property
    def folder(self) -> Path:
        """The gateway's data folder."""
        return self.root / "data"

    @asynccontextmanager
    async def running(self, data: Mapping[str, Any]) -> AsyncIterator[None]:
        """Run the gateway for `data` (as `self.data`, or turned) until the end of the block.

        Raises RehearsalError.
        """
        site_file = self.root / "site.yaml"
        await asyncio.to_thread(_write, site_file, data)
        async with _running(site_file, self.folder, self.passwords):
            yield


@contextmanager
def rehearsal(site: Mapping[str, Any], folder_of_site: Path, nodesets: Path) -> Iterator[Rehearsal]:
    """A rehearsal of a site's YAML; at the end of the block nothing of it remains.

    `nodesets` is a cache of the official nodesets; where there is none, they are fetched.
    """
    root = Path(mkdtemp(prefix="biogate-rehearsal-"))
    try:
        identities = {zone: _identity(root, site, zone) for zone in site["zones"]}
        data = as_rehearsed(site, folder_of_site, identities)
        passwords = {user: _password(data) for user in _users(data)}
        certificates = _give_certificates(root, data)
        _furnish(root / "data", identities, certificates, nodesets)
        yield Rehearsal(data, root, identities, passwords, certificates)
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    """Processes of zones that were cut off in their start may still write for a moment."""
    for _ in range(_REMOVALS):
        shutil.rmtree(root, ignore_errors=True)
        if not root.exists():
            return
        time.sleep(_REMOVAL_PAUSE_S)
    raise RehearsalError(f"{root} cannot be removed: remove it by hand, there are keys in it")


def as_rehearsed(
    site: Mapping[str, Any], folder: Path, identities: Mapping[str, ClientIdentity]
) -> dict[str, Any]:
    """The site with free ports on loopback, all devices simulated, and room for the prover.

    Zones and conduits stay as they are, but that listed certificates, applications and networks
    have the prover's among them. It logs in often, and wrongly: its users have as many sessions
    and attempts as by default.
    """
    data = copy.deepcopy(dict(site))
    for owner, key in _OF_USERS:
        (data.get(owner) or {}).pop(key, None)
    for device in (data.get("devices") or {}).values():
        device["simulated"] = True
        device["address"] = device["address"].partition("://")[0] + "://127.0.0.1:0"
        if data.get("units"):
            device.setdefault("plant", next(iter(data["units"])))
        if device["profile"].endswith((".yaml", ".yml")):
            device["profile"] = str((folder / device["profile"]).resolve())
    ports = iter(_free_ports(len(data["zones"])))
    for name, zone in data["zones"].items():
        if zone.get("opcua") is not None:
            zone["opcua"] = {**zone["opcua"], "host": "127.0.0.1", "port": next(ports)}
            tokens = zone["opcua"].get("issued_tokens")
            if tokens:
                keys = str((folder / tokens["jwks_file"]).resolve())
                zone["opcua"]["issued_tokens"] = {**tokens, "jwks_file": keys}
            for key in ("reverse_connect", "listen", _SESSIONS):
                zone["opcua"].pop(key, None)
        _admit(zone, identities[name])
    return data


def moved(site: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The site with each time window turned: closed where it is open at `now`, or opened."""
    data = copy.deepcopy(dict(site))
    for conduit in (data.get("conduits") or {}).values():
        for rule in (*(conduit.get("allow") or ()), *(conduit.get("deny") or ())):
            if "window" in rule:
                hours = 6 if is_open(rule["window"], now) else -1
                begins, ends = now + timedelta(hours=hours), now + timedelta(hours=hours + 2)
                rule["window"] = {"from": f"{begins:%H:%M}", "until": f"{ends:%H:%M}"}
    return data


def has_windows(site: Mapping[str, Any]) -> bool:
    """Whether any rule of a conduit holds at times only."""
    return any(
        "window" in rule
        for conduit in (site.get("conduits") or {}).values()
        for rule in (*(conduit.get("allow") or ()), *(conduit.get("deny") or ()))
    )


def _admit(zone: dict[str, Any], identity: ClientIdentity) -> None:
    if "certificates" in zone:
        zone["certificates"] = [*zone["certificates"], identity.fingerprint]
    if "applications" in zone and identity.application_uri not in zone["applications"]:
        zone["applications"] = [*zone["applications"], identity.application_uri]
    if "networks" in zone:
        zone["networks"] = [*{*zone["networks"], _LOOPBACK}]


def _identity(root: Path, site: Mapping[str, Any], zone: str) -> ClientIdentity:
    return client_identity(root / "clients" / zone, zone, site["zones"][zone].get("applications"))


def _password(data: Mapping[str, Any]) -> str:
    """One that is as long as the site asks for, with characters of every kind."""
    least = int((data.get("passwords") or {}).get("minimum_length", 0))
    return f"{secrets.token_urlsafe(max(18, least))}-aA1"


def _users(data: Mapping[str, Any]) -> set[str]:
    return {user for zone in data["zones"] for user in accounts_of(data, zone)}


def _give_certificates(root: Path, data: Mapping[str, Any]) -> dict[str, ClientIdentity]:
    """Certificates for the users that a rule asks to log in by one; `data` gets to know them."""
    asked = {
        user
        for conduit in (data.get("conduits") or {}).values()
        for rule in conduit.get("allow") or ()
        if "Certificate" in rule.get("authentication", ())
        for user in accounts_of(data, conduit["from"])
        if user in rule.get("users", (user,)) and user in (data.get("users") or {})
    }
    made = {user: client_identity(root / "users" / user, f"user:{user}") for user in sorted(asked)}
    for user, identity in made.items():
        data["users"][user]["certificate"] = identity.fingerprint
    return made


def _furnish(
    folder: Path,
    identities: Mapping[str, ClientIdentity],
    certificates: Mapping[str, ClientIdentity],
    nodesets: Path,
) -> None:
    """A data folder in which each zone trusts the prover's certificate for it, and no other."""
    users = folder / "pki" / "trustedUser" / "certs"
    users.mkdir(parents=True, mode=0o700)
    for user, identity in certificates.items():
        shutil.copy(identity.certificate, users / f"{user}.der")
    for zone, identity in identities.items():
        trusted = folder / "zones" / zone / "pki" / "trusted" / "certs"
        trusted.mkdir(parents=True, mode=0o700)
        shutil.copy(identity.certificate, trusted / "prove.der")
    if nodesets.exists():
        (folder / "nodesets").symlink_to(nodesets.resolve())


def _write(file: Path, data: Mapping[str, Any]) -> None:
    from ruamel.yaml import YAML

    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(dict(data), stream)


def _free_ports(number: int) -> list[int]:
    """Ports that are free now; another program may take one before the gateway does."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def _running(
    site_file: Path, folder: Path, passwords: Mapping[str, str]
) -> AsyncIterator[None]:
    arguments = ["run", str(site_file), "--data", str(folder), "--quiet"]
    secret = {password_variable(user): password for user, password in passwords.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "biogate",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **secret},
        start_new_session=True,
    )
    reader: asyncio.Task[None] | None = None
    try:
        await _wait_until_ready(process)
        assert process.stdout
        reader = asyncio.create_task(_drain(process.stdout))
        yield
    finally:
        await _stop(process)
        if reader is not None:
            await reader


async def _wait_until_ready(process: asyncio.subprocess.Process) -> None:
    told: list[str] = []
    assert process.stdout
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            async for raw in process.stdout:
                told.append(raw.decode("utf-8", "replace").rstrip())
                if told[-1] == _READY:
                    return
            code = await process.wait()
    except TimeoutError:
        code = None
    ended = "was not ready in time" if code is None else f"ended with exit code {code}"
    raise RehearsalError("\n".join((f"the gateway {ended}:", *told[-_TOLD_LINES:])))


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
