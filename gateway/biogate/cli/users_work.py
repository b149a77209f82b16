"""What the commands of `biogate users` do; each function gives the exit code.

A change takes the data folder's lock: a running gateway has the accounts in its memory, and is
told through OPC UA. Each change is recorded in the audit log before it happens.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import typer

from biogate.data_format import DataFormatError, bring_up_to_date
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.verify import LOG_FOLDER
from biogate_security.filetime import now_ticks
from biogate_security.folder_lock import DataFolder, LockHeldError
from biogate_security.password_demands import DemandsError, PasswordDemands
from biogate_security.passwords import PasswordError
from biogate_security.user_file import User, UserStoreError, read_users
from biogate_security.users import UserStore

OK, FAILED = 0, 1
_WHILE_IT_RUNS = (
    "While a gateway runs, change its accounts over OPC UA: the methods of "
    "ServerConfiguration/UserManagement (AddUser, ModifyUser, RemoveUser, ChangePassword) and "
    "AddIdentity and RemoveIdentity of the roles, as SecurityAdmin on an encrypted channel."
)
_ERRORS = (
    AuditUnavailableError,
    DataFormatError,
    DemandsError,
    OSError,
    PasswordError,
    UserStoreError,
)
Change = Callable[[UserStore], Awaitable[str]]
"""Changes the accounts; what to tell."""


def list_users(folder: Path) -> int:
    """One line for each account."""
    try:
        users, _ = read_users(folder / "users.json")
    except UserStoreError as error:
        return _failed(error)
    shown = sorted((u for u in users.values() if not u.removed), key=lambda user: user.name)
    if not shown:
        typer.echo(f"no accounts in {folder}")
    for user in shown:
        typer.echo(f"{user.name}: {_facts(user)}")
    return OK


def add(
    folder: Path,
    name: str,
    roles: Sequence[str],
    certificates: Sequence[str],
    password: str | None,
    description: str,
) -> int:
    """Add an account; without a password or a certificate it gets a one-time password."""

    async def change(users: UserStore) -> str:
        await users.add(
            name, password, roles, certificates=tuple(certificates), description=description
        )
        if password is not None or certificates:
            return f"{name} added"
        return await _one_time(users, name)

    held = ", ".join(roles) or "no roles"
    return _run(folder, "user-added", f"{name}: {held}", change)


def set_password(folder: Path, name: str, password: str) -> int:
    """Change a password."""

    async def change(users: UserStore) -> str:
        await users.set_password(name, password)
        return f"the password of {name} is changed"

    return _run(folder, "password-changed", name, change)


def reset(folder: Path, name: str) -> int:
    """Give a one-time password."""

    async def change(users: UserStore) -> str:
        return await _one_time(users, name)

    return _run(folder, "password-reset", name, change)


def set_disabled(folder: Path, name: str, *, disabled: bool) -> int:
    """Shut or open an account."""

    async def change(users: UserStore) -> str:
        users.set_disabled(name, disabled=disabled)
        user = users.find(name)
        if not disabled and user is not None and not user.active:
            return f"{name} stays disabled by the site file"
        return f"{name} is {'disabled' if disabled else 'enabled'}"

    what = "disabled" if disabled else "enabled"
    return _run(folder, "user-changed", f"{name}: {what}", change)


def set_roles(folder: Path, name: str, roles: Sequence[str]) -> int:
    """Give other roles."""

    async def change(users: UserStore) -> str:
        users.set_roles(name, roles)
        user = users.find(name)
        from_site = user is not None and not user.managed
        hint = "; where the site file names it, the next start sets what stands there"
        return f"{name} has now: {', '.join(roles)}{hint if from_site else ''}"

    return _run(folder, "user-changed", f"{name}: {', '.join(roles)}", change)


def _run(folder: Path, event: str, new: str, change: Change) -> int:
    try:
        typer.echo(asyncio.run(_recorded(folder, event, new, change)))
    except LockHeldError as error:
        return _failed(f"{error}. {_WHILE_IT_RUNS}")
    except _ERRORS as error:
        return _failed(error)
    return OK


async def _recorded(folder: Path, event: str, new: str, change: Change) -> str:
    """The record first, then the change; one that fails has a record more."""
    async with AsyncExitStack() as stack:
        lock = stack.enter_context(DataFolder.lock(folder))
        bring_up_to_date(lock.path)
        users = UserStore(lock.path / "users.json", demands=PasswordDemands.of(lock.path))
        audit = await AuditLog.open(lock.path / LOG_FOLDER)
        stack.push_async_callback(audit.close)
        await audit.record(_record(event, new, "biogate users"))
        try:
            return await change(users)
        except _ERRORS as error:
            await audit.record(_record(f"{event}-outcome", new, f"not done: {error}"))
            raise


def _record(event: str, new: str, reason: str) -> AuditRecord:
    """Who it was is what the operating system says."""
    return AuditRecord(
        event, now_ticks(), getpass.getuser(), address="command line", new=new, reason=reason
    )


async def _one_time(users: UserStore, name: str) -> str:
    password = await users.reset_password(name)
    return (
        f"password: {password}  (of {name}; shown only this once, must be changed at the first "
        "login, within 24 hours)"
    )


def _facts(user: User) -> str:
    facts = [", ".join(sorted(user.roles)) or "no roles"]
    if user.certificates:
        facts.append(f"certificate {', '.join(user.certificates)}")
    if user.password_hash is None:
        facts.append("no password")
    if user.must_change_password:
        facts.append("must change the password")
    if not user.active:
        facts.append("disabled")
    facts.append("made by an administrator" if user.managed else "of the site file")
    if user.description:
        facts.append(user.description)
    return "; ".join(facts)


def _failed(error: object) -> int:
    typer.echo(f"biogate: {error}", err=True)
    return FAILED
