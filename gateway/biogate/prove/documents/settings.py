"""The security settings in effect, for programs (SR 7.6 RE1): read from the code, not retyped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from biogate.opcua.config import Limits
from biogate.opcua.transport.config import TransportConfig
from biogate.site import Site
from biogate_security import login_throttle
from biogate_security.lock_out import BackOff
from biogate_security.role_policy import RULES

_NUMBERS = (bool, int, float)


def settings(site: Site, site_file: Path, data: Path) -> str:
    """All settings as JSON; `data` is the data folder, whose trust lists are told by hash.

    Raises OSError.
    """
    document = {
        "biogate": version("biogate"),
        "site_file": str(site_file),
        "site_file_sha256": hashlib.sha256(site_file.read_bytes()).hexdigest(),
        "endpoints": _endpoints(site),
        "zones": {name: zone.model_dump(mode="json") for name, zone in site.zones.items()},
        "conduits": {
            name: conduit.model_dump(mode="json", by_alias=True)
            for name, conduit in site.conduits.items()
        },
        "accounts": {name: account.model_dump(mode="json") for name, account in _accounts(site)},
        "roles": [_rule(rule) for rule in RULES],
        "logins": {
            "least_password_length": site.passwords.minimum_length,
            "passwords_require": sorted(site.passwords.require),
            "back_off": {
                **{
                    name.removesuffix("_BACK_OFF").lower(): asdict(value)
                    for name, value in vars(login_throttle).items()
                    if isinstance(value, BackOff)
                },
                "pair": asdict(site.passwords.login_limits.pair_back_off),
            },
        },
        "signatures": [each.model_dump(mode="json") for each in site.signatures],
        "audit": site.audit.model_dump(mode="json"),
        "limits": asdict(Limits()),
        "transport": {
            field.name: field.default
            for field in fields(TransportConfig)
            if isinstance(field.default, _NUMBERS)
        },
        "trust_lists": {name: dict(_hashes(folder)) for name, folder in _pki_folders(data)},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _accounts(site: Site) -> Iterator[tuple[str, Any]]:
    yield from site.accounts.items()


def _endpoints(site: Site) -> dict[str, Mapping[str, Any]]:
    if not site.zones:
        return {"": site.opcua.model_dump(mode="json")}
    return {
        name: site.zone_opcua(name).model_dump(mode="json")
        for name, zone in site.zones.items()
        if zone.opcua is not None
    }


def _rule(rule: Any) -> dict[str, Any]:
    return {
        "id": rule.id,
        "roles": [str(role) for role in rule.roles],
        "actions": [str(action) for action in rule.actions],
        "on": [str(scope) for scope in rule.scopes],
    }


def _pki_folders(data: Path) -> Iterator[tuple[str, Path]]:
    """The PKI folder of the gateway itself and of each zone, as far as there are such."""
    if (data / "pki").is_dir():
        yield "gateway", data / "pki"
    for folder in sorted(data.glob("zones/*/pki")):
        yield folder.parent.name, folder


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """The files that decide who is trusted, with the SHA-256 of each."""
    for kind in ("own/certs", "trusted", "issuer"):
        for file in sorted((folder / kind).rglob("*")):
            if file.is_file():
                name = file.relative_to(folder).as_posix()
                yield name, hashlib.sha256(file.read_bytes()).hexdigest()
