"""The file of users: JSON, 0600, every entry checked with its place named.

Format 2; files of format 1 (of biogate 0.1) are read as well, and written anew as format 2.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from biogate_security.passwords import is_password_hash
from biogate_security.private_file import close_to_others, write_private
from biogate_security.roles import ASSIGNABLE_ROLES

FORMAT = 2
MAX_NAME_LENGTH = 64
MAX_DESCRIPTION_LENGTH = 256
MAX_CERTIFICATES = 16
_OLD_KEYS = {"password_hash", "roles", "disabled"}
_THUMBPRINT_LENGTHS = (40, 64)


class UserStoreError(Exception):
    """The users' file, or a change to it, is not acceptable; the message says what and where."""


@dataclass(frozen=True, slots=True)
class User:
    """One account. `roles` are Part 18 role names.

    `password_hash` None: nobody can log in with a password. `certificates` are SHA-1 or SHA-256
    thumbprints (lower-case hex) of the user's certificates. `disabled` is what the site file says,
    `suspended` what an administrator said, and either shuts the account. `managed`: made by an
    administrator, not by the site file. `removed`: gone for good; its name is not given again,
    since records name it. `expires` (FILETIME ticks): until then the password must have been
    changed. `given_hash` is of the password that the environment gave last: one that it gave
    before must not come back after its user has changed it.
    """

    name: str
    password_hash: str | None = field(repr=False)
    roles: frozenset[str]
    disabled: bool = False
    suspended: bool = False
    managed: bool = False
    removed: bool = False
    no_delete: bool = False
    no_change_by_user: bool = False
    must_change_password: bool = False
    expires: int | None = None
    certificates: tuple[str, ...] = ()
    description: str = ""
    given_hash: str | None = field(default=None, repr=False)

    @property
    def active(self) -> bool:
        """True unless the account is shut, whoever shut it."""
        return not (self.disabled or self.suspended or self.removed)


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
    entries = {user.name: _entry(user) for user in users.values()}
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


def check_description(description: str) -> None:
    """Raise UserStoreError for one that is too long or has characters that are no text."""
    if len(description) > MAX_DESCRIPTION_LENGTH or not (description or " ").isprintable():
        raise UserStoreError(
            f"a description is one line of at most {MAX_DESCRIPTION_LENGTH} characters"
        )


def check_thumbprint(text: str) -> str:
    """The thumbprint in lower case without separators. Raises UserStoreError."""
    plain = "".join(character for character in text if character not in " :").lower()
    hexadecimal = all(character in "0123456789abcdef" for character in plain)
    if len(plain) not in _THUMBPRINT_LENGTHS or not hexadecimal:
        raise UserStoreError(
            f"{text[:80]!r} is no thumbprint: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits"
        )
    return plain


def _entry(user: User) -> dict[str, Any]:
    """What differs from the defaults; hash and roles always."""
    entry: dict[str, Any] = {
        "password_hash": user.password_hash,
        "roles": sorted(user.roles),
        "disabled": user.disabled,
    }
    for each in fields(User):
        value = getattr(user, each.name)
        if each.name not in entry and each.default is not MISSING and value != each.default:
            entry[each.name] = list(value) if isinstance(value, tuple) else value
    return entry


def _parse(content: bytes, path: Path) -> dict[str, User]:
    try:
        document = json.loads(content, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise UserStoreError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from error
    except ValueError as error:
        raise UserStoreError(f"{path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") not in (1, FORMAT):
        raise UserStoreError(f"{path}: not a users file of format 1 or {FORMAT}")
    entries = document.get("users")
    if not isinstance(entries, dict):
        raise UserStoreError(f"{path}: users: not an object of users by name")
    old = document["format"] == 1
    return {name: _parse_user(name, entry, path, old=old) for name, entry in entries.items()}


def _parse_user(name: str, entry: Any, path: Path, *, old: bool) -> User:
    try:
        check_name(name)
        if not isinstance(entry, dict) or not entry.keys() >= _OLD_KEYS:
            raise UserStoreError(f"an object with the keys {', '.join(sorted(_OLD_KEYS))}")
        if unknown := entry.keys() - (_OLD_KEYS if old else _KEYS):
            raise UserStoreError(f"unknown key {', '.join(sorted(unknown))}")
        for key, value in entry.items():
            _check_value(key, value)
        check_roles(frozenset(entry["roles"]))
        check_description(entry.get("description", ""))
        certificates = tuple(map(check_thumbprint, entry.get("certificates", ())))
    except UserStoreError as error:
        raise UserStoreError(f"{path}: user {name!r}: {error}") from None
    rest = {key: value for key, value in entry.items() if key not in ("roles", "certificates")}
    return User(name=name, roles=frozenset(entry["roles"]), certificates=certificates, **rest)


def _check_value(key: str, value: Any) -> None:
    if key in ("password_hash", "given_hash"):
        if value is not None and (not isinstance(value, str) or not is_password_hash(value)):
            raise UserStoreError(f"{key}: not an Argon2id hash")
    elif key in ("roles", "certificates"):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            what = "role names" if key == "roles" else "thumbprints"
            raise UserStoreError(f"{key}: not a list of {what}")
    elif key == "expires":
        if value is not None and (type(value) is not int or value < 0):
            raise UserStoreError("expires: not a time in FILETIME ticks")
    elif key == "description":
        if not isinstance(value, str):
            raise UserStoreError("description: not a text")
    elif not isinstance(value, bool):
        raise UserStoreError(f"{key}: not true or false")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key occurs twice among {', '.join(name for name, _ in pairs)}")
    return found


_KEYS = {each.name for each in fields(User)} - {"name"}
