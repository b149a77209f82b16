"""What a gateway runs with, as audit records: at each start, and what has changed since the last.

Users and certificates count as well: while no gateway runs, nobody sees them change.
21 CFR 11.10(k) and EU Annex 11, 10: configuration, profiles and models are under change control.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from biogate.builder import software_revision
from biogate.site import Site
from biogate.site.shapes import PROFILE_FILE_SUFFIXES
from biogate_nodesets.catalogue import entries
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.private_file import write_private
from biogate_security.trust_content import Group

_log = logging.getLogger(__name__)
CONFIGURATION_FILE = "configuration.json"
"""In the data folder: what the last run began with, and its users and certificates at its end."""
_SHOWN_DIGITS = 16


def configuration_of(site: Site) -> dict[str, str]:
    """The version of biogate, and the sha256 of the site as it was read, of the profiles that it
    uses and of the official nodesets, each by name."""
    content = json.dumps(site.model_dump(mode="json"), sort_keys=True).encode()
    found = {"biogate": software_revision(), "site": _sha256(content)}
    for profile in sorted({device.profile for device in site.devices.values()}):
        found[f"profile {profile}"] = _sha256(_profile_bytes(profile))
    for entry in entries(None if site.units else ()):
        found[f"nodeset {entry.name}"] = entry.sha256
    return found


def access_of(data: Path) -> dict[str, str]:
    """The sha256 of what in the data folder says who may come in: users, own certificates, and
    trust lists with their revocation lists, each by name. Raises OSError."""
    found = {"users": _content([data / "users.json"])}
    for root in (data / "pki", *sorted((data / "zones").glob("*/pki"))):
        whose = "" if root.parent == data else f" of zone {root.parent.name}"
        found[f"own certificates{whose}"] = _content((root / "own" / "certs").glob("*.der"))
        for group in Group:
            files = (file for folder in group.folders(root).all() for file in folder.glob("*"))
            found[f"trust list of {group}s' certificates{whose}"] = _content(files)
    return found


def _content(files: Iterable[Path]) -> str:
    """The sha256 of what is in these files, whatever they are called and in whichever order."""
    digests = sorted(
        hashlib.sha256(file.read_bytes()).digest()
        for file in files
        if file.is_file() and not file.name.startswith(".")
    )
    return _sha256(b"".join(digests))


async def record_start(audit: AuditLog, site: Site, data: Path) -> None:
    """Record that the gateway starts, with what, and what of that is new.

    A start without a record goes on: who reads is not kept from it (IEC 62443-4-2, CCSC 1).
    """
    present, before = {**configuration_of(site), **_access_of(data)}, _last(data)
    old = None if before is None else _shown(before)
    reason = "first start" if before is None else _changes(before, present)
    try:
        await audit.note("gateway-started", f"biogate {software_revision()}")
        await audit.note("configuration-loaded", reason, old=old, new=_shown(present))
        write_private(data / CONFIGURATION_FILE, json.dumps(present, indent=1).encode())
    except AuditUnavailableError:
        _log.exception("the start could not be recorded")
    except OSError:
        _log.exception("the configuration of this start could not be kept for the next one")


async def record_stop(audit: AuditLog, data: Path) -> None:
    """Record that the gateway stops. What changed of its users and certificates while it ran has
    records of its own, and is nothing new to the next start."""
    try:
        await audit.note("gateway-stopped", "")
        if (began := _last(data)) is not None:
            kept = {**began, **_access_of(data)}
            write_private(data / CONFIGURATION_FILE, json.dumps(kept, indent=1).encode())
    except AuditUnavailableError:
        _log.exception("the stop could not be recorded")
    except OSError:
        _log.exception("the configuration of this run could not be kept for the next start")


def _access_of(data: Path) -> dict[str, str]:
    try:
        return access_of(data)
    except OSError as error:
        _log.warning("users and certificates are not compared with the last run's: %s", error)
        return {}


def _changes(before: Mapping[str, str], present: Mapping[str, str]) -> str:
    changed = sorted(name for name in {*before, *present} if before.get(name) != present.get(name))
    if not changed:
        return "nothing has changed since the last start"
    return f"changed since the last start: {', '.join(changed)}"


def _shown(configuration: Mapping[str, str]) -> str:
    own = {name: value for name, value in configuration.items() if name in ("biogate", "site")}
    others = {
        name: value[:_SHOWN_DIGITS] for name, value in configuration.items() if name not in own
    }
    return "; ".join(f"{name} {value}" for name, value in {**own, **others}.items())


def _last(data: Path) -> dict[str, str] | None:
    try:
        found = json.loads((data / CONFIGURATION_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        _log.warning("what the last start ran with cannot be read: taken as unknown")
        return None
    return {str(name): str(value) for name, value in found.items()} if found else None


def _profile_bytes(name: str) -> bytes:
    if name.endswith(PROFILE_FILE_SUFFIXES):
        return Path(name).read_bytes()
    folder = resources.files("biogate_adapters") / "profiles"
    return folder.joinpath(f"{name}.yaml").read_bytes()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
