"""The data folder: lock, certificates, users, audit log, nodesets. One gateway holds it."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from biogate.account_admin import AccountAdmin
from biogate.accounts import (
    AccountError,
    issued_tokens,
    make_accounts,
    token_roles,
    update_accounts,
)
from biogate.data_folder import nodeset_cache
from biogate.data_format import DataFormatError, bring_up_to_date
from biogate.site import Site
from biogate_nodesets import Model, load_model
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.verify import LOG_FOLDER
from biogate_security.authenticator import SiteAuthenticator
from biogate_security.clock_watch import ClockWatch
from biogate_security.folder_lock import DataFolder
from biogate_security.issued_tokens import IssuedTokenError
from biogate_security.key_kinds import KeyKind, curves_of
from biogate_security.pki import Pki
from biogate_security.pki_update import PkiError
from biogate_security.user_file import User, UserStoreError
from biogate_security.users import UserStore
from biogate_security.x509_users import UserCertificates

T = TypeVar("T")
_log = logging.getLogger(__name__)


class StorageError(Exception):
    """The data folder, or something in it, cannot be used; the message says what to do."""


@dataclass(slots=True)
class Storage:
    """Everything of a gateway that outlives the process."""

    pki: Pki
    users: UserStore
    authenticator: SiteAuthenticator
    accounts: AccountAdmin
    audit: AuditLog
    clock: ClockWatch
    _stack: AsyncExitStack

    @classmethod
    async def open(cls, folder: Path, site: Site, *, auto_trust: bool) -> Storage:
        """Take the folder, and make in it what is missing.

        A rig or demo (`auto_trust`) that takes over the folder of another application gets a
        certificate of its own; in a plant that is for people to decide. Raises LockHeldError when
        another process has the folder, StorageError when it or its content cannot be used.
        """
        try:
            return await cls._open(folder, site, auto_trust=auto_trust)
        except (PkiError, UserStoreError, AuditUnavailableError, DataFormatError) as error:
            raise StorageError(f"{error}. Restore it, or choose another data folder") from error
        except IssuedTokenError as error:
            raise StorageError(str(error)) from error
        except OSError as error:
            raise StorageError(_unusable(folder, error)) from error

    @classmethod
    async def _open(cls, folder: Path, site: Site, *, auto_trust: bool) -> Storage:
        async with AsyncExitStack() as stack:
            lock = DataFolder.lock(folder)
            stack.callback(lock.release)
            steps = bring_up_to_date(lock.path)
            audit = await AuditLog.open(lock.path / LOG_FOLDER, options=site.audit.options)
            stack.push_async_callback(audit.close)
            if steps is not None:
                await _record_migration(audit, *steps)
            clock = ClockWatch(audit.record, threshold_s=site.audit.clock_step_ms / 1000)
            clock.start()
            stack.push_async_callback(clock.stop)
            pki = Pki.open(
                lock.path / "pki",
                site.application_uri,
                host_names(site.opcua.host),
                curves=curves_of(site.opcua.security_policies),
                auto_trust=auto_trust,
                suppress=site.opcua.suppress_certificate_errors,
            )
            if auto_trust and pki.is_for_another_application:
                pki.renew()
            site.passwords.demands.keep(lock.path)
            users = UserStore(
                lock.path / "users.json",
                demands=site.passwords.demands,
                login_limits=site.passwords.login_limits,
            )
            stack.push_async_callback(users.close)
            authenticator = SiteAuthenticator(
                users,
                UserCertificates(lock.path / "pki", curves=_user_curves(site)),
                issued_tokens(site),
                by_common_name=site.opcua.user_certificates == "common_name",
            )
            accounts = AccountAdmin(users, audit, site.users or (), token_roles(site))
            return cls(pki, users, authenticator, accounts, audit, clock, stack.pop_all())

    async def update_accounts(self, site: Site, environment: Mapping[str, str]) -> None:
        """Bring the accounts to what the site asks for: call it before anybody can log in.

        Raises StorageError.
        """
        record = partial(self._record_users, "user-changed")
        await self._settle(update_accounts(site, self.users, environment, record))

    async def make_accounts(self, site: Site, environment: Mapping[str, str]) -> dict[str, str]:
        """Make the accounts that are missing; by name, the passwords that were made for them.

        They are told to nobody again: call it when nothing can fail any more. Raises
        StorageError.
        """
        record = partial(self._record_users, "user-added")
        return await self._settle(make_accounts(site, self.users, environment, record))

    async def _record_users(self, event: str, users: Sequence[User]) -> None:
        for user in users:
            state = "" if user.active else ", disabled"
            held = ", ".join(sorted(user.roles)) or "no roles"
            why = "made at the start" if user.managed else "the site file"
            await self.audit.note(event, why, new=f"{user.name}: {held}{state}")

    @staticmethod
    async def _settle(work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except (AccountError, AuditUnavailableError) as error:
            raise StorageError(str(error)) from error
        except OSError as error:
            raise StorageError(f"the accounts cannot be stored: {error}") from error

    async def close(self) -> None:
        """Close the databases and give the folder back."""
        await self._stack.aclose()


async def _record_migration(audit: AuditLog, old: int, new: int) -> None:
    try:
        await audit.note("data-migrated", "format of the data folder", old=str(old), new=str(new))
    except AuditUnavailableError:
        _log.exception("the data folder is of format %d now, and no record says so", new)


def _unusable(folder: Path, error: OSError) -> str:
    why = error.strerror or str(error)
    where = "" if error.filename in (None, str(folder)) else f" ({error.filename})"
    return (
        f"data folder {folder} cannot be used: {why}{where}."
        " Let this user write there, or choose another data folder"
    )


def model_of(folder: Path, site: Site, nodesets: Path | None) -> Model:
    """The official nodesets, linked; from `nodesets`, the folder's cache, or npm.

    A site without units needs OPC UA's own types only, and starts faster with them. Raises
    NodesetSourceError or NodesetError.
    """
    return load_model(
        None if site.units else (),
        folder=nodesets,
        cache=nodeset_cache(folder),
        application_uri=site.application_uri,
    )


def _user_curves(site: Site) -> tuple[KeyKind, ...]:
    """The kinds of keys that users' certificates may have, wherever they log in."""
    zones = (site.zone_opcua(name) for name, zone in site.zones.items() if zone.opcua is not None)
    offers = (site.opcua, *zones)
    return curves_of({name for opcua in offers for name in opcua.security_policies})


def host_names(host: str) -> list[str]:
    """The names and addresses by which clients reach `host`, for the certificate."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    names = [socket.gethostname(), "localhost", "127.0.0.1"]
    return names if everywhere or host in names else [host, *names]
