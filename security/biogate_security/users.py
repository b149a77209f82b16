"""Users and their passwords: who is it, told without telling who exists."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from biogate_security.lock_out import BackOff, LockOut
from biogate_security.log_budget import LogBudget
from biogate_security.log_text import safe_text
from biogate_security.passwords import HashParameters, Passwords, readable_password
from biogate_security.roles import Identity, Role
from biogate_security.user_file import (
    MAX_NAME_LENGTH,
    User,
    UserStoreError,
    check_name,
    check_roles,
    read_users,
    write_users,
)

# A user's lock is short, since a stranger can cause it; a source's is long. Both end by
# themselves (IEC 62443 CR 1.11).
USER_BACK_OFF = BackOff(free_failures=4, first_s=1.0, longest_s=300.0, forget_s=900.0)
SOURCE_BACK_OFF = BackOff(free_failures=19, first_s=1.0, longest_s=900.0, forget_s=3600.0)
MAX_WAITING = 32
MINIMUM_LENGTH = 12
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is asked for; `password` None: as it is, or a random one."""

    name: str
    roles: frozenset[str]
    password: str | None = field(default=None, repr=False)
    disabled: bool = False


class UserStore:
    """The accounts of one gateway, in one file.

    Passwords are hashed in threads, `max_hashing` at a time: a login costs memory and time by
    design, and must not be a way to take all of it.
    """

    def __init__(
        self,
        path: Path,
        *,
        parameters: HashParameters | None = None,
        minimum_length: int = MINIMUM_LENGTH,
        max_hashing: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read `path` (a missing file holds no users); `clock` gives seconds.

        Raises UserStoreError for a file that is not acceptable.
        """
        self._path = path
        self._clock = clock
        self._users, was_open = read_users(path)
        if was_open:
            _log.warning("users file was open to others; closed", extra={"file": str(path)})
        self._passwords = Passwords(parameters or HashParameters(), minimum_length)
        self._hashing = asyncio.Semaphore(max_hashing)
        self._attempts: set[asyncio.Task[Identity | None]] = set()
        self._user_locks = LockOut(USER_BACK_OFF, clock)
        # Names that do not exist lock just the same, but apart: their number is not ours.
        self._stranger_locks = LockOut(USER_BACK_OFF, clock)
        self._source_locks = LockOut(SOURCE_BACK_OFF, clock)
        self._log_budget = LogBudget()
        self.counters: Counter[str] = Counter()

    @property
    def names(self) -> list[str]:
        """The user names, sorted."""
        return sorted(self._users)

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        """The identity, or None for any reason to refuse: which one, only the log says.

        `source` is the peer's address without its port; "" is not counted as one. An attempt
        once begun is counted even if the caller is cancelled.
        """
        if len(self._attempts) >= MAX_WAITING:
            self._refuse(name, source, "too many logins at once")
            return None
        attempt = asyncio.create_task(self._attempt(name, password, source))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return await asyncio.shield(attempt)

    def check_password(self, password: str) -> None:
        """Raise PasswordError for a password that may not be set."""
        self._passwords.check_new(password)

    async def make_missing(self, accounts: Iterable[Account]) -> dict[str, str]:
        """Make the accounts that there are not; the random passwords by name, told this once.

        An account with a password of its own has none made for it. All are stored at once or
        none: raises UserStoreError, PasswordError, or OSError from storing them.
        """
        made: dict[str, str] = {}
        missing = [account for account in accounts if account.name not in self._users]
        for account in missing:
            check_name(account.name)
            check_roles(account.roles)
            if self._is_taken(account.name):
                raise UserStoreError(_taken(account.name))
            if account.password is None:
                made[account.name] = readable_password()
        hashes = await asyncio.gather(
            *(self._hash_new(made.get(a.name) or a.password or "") for a in missing)
        )
        users = [
            User(account.name, stored, account.roles, account.disabled)
            for account, stored in zip(missing, hashes, strict=True)
        ]
        if users:
            self._store(*users)
        return made

    async def update(self, accounts: Iterable[Account], *, close_others: bool = False) -> None:
        """Bring the accounts that there are to what is asked; `close_others` shuts all others.

        All are stored at once or none: raises UserStoreError, PasswordError or OSError.
        """
        wanted = {account.name: account for account in accounts}
        changed: list[User] = []
        for user in self._users.values():
            account = wanted.get(user.name)
            new = replace(user, disabled=user.disabled or close_others)
            if account is not None:
                new = await self._as_asked(user, account)
            if new != user:
                changed.append(new)
                _log.warning(
                    "account changed",
                    extra={
                        "user": user.name,
                        "roles": ", ".join(sorted(new.roles)),
                        "disabled": new.disabled,
                        "new_password": new.password_hash != user.password_hash,
                    },
                )
        if changed:
            self._store(*changed)

    async def _as_asked(self, user: User, account: Account) -> User:
        check_roles(account.roles)
        stored, password = user.password_hash, account.password
        if password is not None and not await asyncio.to_thread(
            self._passwords.verify, stored, password
        ):
            stored = await self._hash_new(password)
        return User(user.name, stored, account.roles, account.disabled)

    async def add(self, name: str, password: str, roles: Iterable[str]) -> None:
        """Add an account. Raises UserStoreError, PasswordError, or OSError from storing it."""
        check_name(name)
        wanted = frozenset(roles)
        check_roles(wanted)
        user = User(name, await self._hash_new(password), wanted)
        if self._is_taken(name):
            raise UserStoreError(_taken(name))
        self._store(user)

    async def set_password(self, name: str, password: str) -> None:
        """Change a password. Raises UserStoreError, PasswordError or OSError."""
        stored = await self._hash_new(password)
        self._store(replace(self._known(name), password_hash=stored))

    def set_roles(self, name: str, roles: Iterable[str]) -> None:
        """Change the assigned roles. Raises UserStoreError or OSError."""
        wanted = frozenset(roles)
        check_roles(wanted)
        self._store(replace(self._known(name), roles=wanted))

    def set_disabled(self, name: str, *, disabled: bool) -> None:
        """Shut or open an account. Accounts are never removed: records name them for ever.

        Raises UserStoreError or OSError.
        """
        self._store(replace(self._known(name), disabled=disabled))

    async def close(self) -> None:
        """Wait until the attempts under way are over."""
        await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _attempt(self, name: str, password: str, source: str) -> Identity | None:
        if not self._locked_s(name, source):
            async with self._hashing:
                if not self._locked_s(name, source):  # by an attempt ahead of this one
                    return await self._verify(name, password, source)
        self._refuse(name, source, "locked out", self._locked_s(name, source))
        return None

    async def _verify(self, name: str, password: str, source: str) -> Identity | None:
        user = self._users.get(name)
        stored = user.password_hash if user else self._passwords.dummy_hash
        fits = await asyncio.to_thread(self._passwords.verify, stored, password)
        current = self._users.get(name)
        if not fits or current is None or current.password_hash != stored:
            self._count_failure(name, source)
            return None
        if current.disabled:
            self._refuse(name, source, "account disabled")
            return None
        self._user_locks.succeeded(name)
        if self._passwords.is_outdated(stored):
            await self._refresh(current, password)
        self.counters["accepted"] += 1
        return Identity(current.name, current.roles | {Role.AUTHENTICATED_USER})

    def _locked_s(self, name: str, source: str) -> float:
        """Seconds until the user may try again from there."""
        locked_s = self._name_locks(name).remaining_s(name)
        return max(locked_s, self._source_locks.remaining_s(source))

    def _name_locks(self, name: str) -> LockOut:
        return self._user_locks if name in self._users else self._stranger_locks

    def _count_failure(self, name: str, source: str) -> None:
        """Unknown user and wrong password are one thing, in the log too."""
        locked_s = self._name_locks(name).failed(name)
        if source:
            locked_s = max(locked_s, self._source_locks.failed(source))
        self._refuse(name, source, "wrong user name or password", locked_s)

    def _refuse(self, name: str, source: str, why: str, locked_s: float = 0.0) -> None:
        self.counters[why.replace(" ", "_")] += 1
        left_out = self._log_budget.spend(self._clock())
        if left_out is not None:
            _log.warning(
                "login refused: %s",
                why,
                extra={
                    "user": safe_text(name, MAX_NAME_LENGTH),
                    "source": source,
                    "locked_s": round(locked_s, 1),
                    "lines_left_out": left_out,
                },
            )

    async def _refresh(self, user: User, password: str) -> None:
        """Store a hash with today's parameters; the login is good whether or not that works."""
        stored = await asyncio.to_thread(self._passwords.hash, password)
        current = self._known(user.name)
        if current.password_hash != user.password_hash:
            return  # a new password was set meanwhile: the one at hand is the old one
        try:
            self._store(replace(current, password_hash=stored))
        except OSError as error:
            _log.warning(
                "password hash not renewed", extra={"user": user.name, "error": str(error)}
            )

    async def _hash_new(self, password: str) -> str:
        self.check_password(password)
        async with self._hashing:
            return await asyncio.to_thread(self._passwords.hash, password)

    def _is_taken(self, name: str) -> bool:
        return name.casefold() in (known.casefold() for known in self._users)

    def _known(self, name: str) -> User:
        user = self._users.get(name)
        if user is None:
            raise UserStoreError(f"there is no user {name!r}; known are {', '.join(self.names)}")
        return user

    def _store(self, *changed: User) -> None:
        """The file first, and at once: memory and disk never differ, whoever is cancelled."""
        users = {**self._users, **{user.name: user for user in changed}}
        write_users(self._path, users)
        self._users = users


def _taken(name: str) -> str:
    return f"there is a user {name!r} already (case does not count)"
