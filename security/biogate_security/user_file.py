"""The file of users: JSON, 0600, every entry checked with its place named."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biogate_security.passwords import is_password_hash
from biogate_security.private_file import close_to_others, write_private
from biogate_security.roles import ASSIGNABLE_ROLES

FORMAT = 1
MAX_NAME_LENGTH = 64
_KEYS = {"password_hash", "roles", "disabled"}


class UserStoreError(Exception):
    """The users' file, or a change to it, is not acceptable; the message says what and where."""


@dataclass(frozen=True, slots=True)
class User:
    """One account. `roles` are Part 18 role names."""

    name: str
    password_hash: str = field(repr=False)
    roles: frozenset[str]
    disabled: bool = False


def read_users(path: Path) -> tuple[dict[str, User], bool]:
    """The users by name ({} where there is no file), and whether the file was open to others.

    Raises UserStoreError naming the file, the user and the key.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}, False
    except OSError as error:
        raise UserStoreError(f"{path}: {error.strerror}") from error
    return _parse(content, path), close_to_others(path)


def write_users(path: Path, users: Mapping[str, User]) -> None:
    """Replace the file atomically. Raises OSError; the old file is then untouched."""
    entries = {
        user.name: {
            "password_hash": user.password_hash,
            "roles": sorted(user.roles),
            "disabled": user.disabled,
        }
        for user in users.values()
    }
    text = json.dumps({"format": FORMAT, "users": entries}, indent=2, ensure_ascii=False)
    write_private(path, f"{text}\n".encode())


def check_name(name: str) -> None:
    """Raise UserStoreError for a name that is not 1 to 64 printable characters in NFC."""
    printable = bool(name) and name.isprintable() and name == name.strip()
    if not printable or len(name) > MAX_NAME_LENGTH or name != unicodedata.normalize("NFC", name):
        raise UserStoreError(
            f"{name[:MAX_NAME_LENGTH]!r} is no user name: 1 to {MAX_NAME_LENGTH} printable "
            "characters without spaces at the ends"
        )


def check_roles(roles: frozenset[str]) -> None:
    """Raise UserStoreError for a role that cannot be assigned."""
    if unknown := sorted(roles.difference(ASSIGNABLE_ROLES)):
        raise UserStoreError(
            f"no such role: {', '.join(unknown)}; known are {', '.join(ASSIGNABLE_ROLES)}"
        )


def _parse(content: bytes, path: Path) -> dict[str, User]:
    try:
        document = json.loads(content, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise UserStoreError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from error
    except ValueError as error:
        raise UserStoreError(f"{path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserStoreError(f"{path}: not a users file of format {FORMAT}")
    entries = document.get("users")
    if not isinstance(entries, dict):
        raise UserStoreError(f"{path}: users: not an object of users by name")
    return {name: _parse_user(name, entry, path) for name, entry in entries.items()}


def _parse_user(name: str, entry: Any, path: Path) -> User:
    try:
        check_name(name)
        if not isinstance(entry, dict) or entry.keys() != _KEYS:
            raise UserStoreError(f"an object with exactly the keys {', '.join(sorted(_KEYS))}")
        stored, roles, disabled = entry["password_hash"], entry["roles"], entry["disabled"]
        if not isinstance(stored, str) or not is_password_hash(stored):
            raise UserStoreError("password_hash: not an Argon2id hash")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise UserStoreError("roles: not a list of role names")
        if not isinstance(disabled, bool):
            raise UserStoreError("disabled: not true or false")
        check_roles(frozenset(roles))
    except UserStoreError as error:
        raise UserStoreError(f"{path}: user {name!r}: {error}") from None
    return User(name, stored, frozenset(roles), disabled)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key occurs twice among {', '.join(name for name, _ in pairs)}")
    return found
