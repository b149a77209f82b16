"""What a gateway runs with, as audit records: at each start, and what has changed since the last.

21 CFR 11.10(k) and EU Annex 11, 10: configuration, profiles and models are under change control.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from biogate.builder import software_revision
from biogate.site import Site
from biogate.site.shapes import PROFILE_FILE_SUFFIXES
from biogate_nodesets.catalogue import entries
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.private_file import write_private

_log = logging.getLogger(__name__)
CONFIGURATION_FILE = "configuration.json"
"""In the data folder: what the last start ran with, by name."""
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


async def record_start(audit: AuditLog, site: Site, data: Path) -> None:
    """Record that the gateway starts, with what, and what of that is new.

    A start without a record goes on: who reads is not kept from it (IEC 62443-4-2, CCSC 1).
    """
    present, before = configuration_of(site), _last(data)
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


async def record_stop(audit: AuditLog) -> None:
    """Record that the gateway stops."""
    try:
        await audit.note("gateway-stopped", "")
    except AuditUnavailableError:
        _log.exception("the stop could not be recorded")


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
