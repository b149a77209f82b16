"""Logins with a password: one answer for every refusal, at one price, and never for free."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from biogate_security.filetime import now_ticks
from biogate_security.log_budget import LogBudget
from biogate_security.log_text import safe_text
from biogate_security.login_queue import LoginQueue, TooManyLoginsError
from biogate_security.login_throttle import LoginLimits, LoginThrottle, network_of
from biogate_security.passwords import Passwords
from biogate_security.user_file import MAX_NAME_LENGTH, User

MAX_WAITING = 32
MAX_WAITING_PER_SOURCE = 8
_MAX_DETAIL = 200
_log = logging.getLogger(__name__)

FindUser = Callable[[str], User | None]
RenewHash = Callable[[User, str], Awaitable[None]]


class Logins:
    """Checks passwords, `max_hashing` at a time, and counts what fails.

    A login costs memory and time by design, and must not be a way to take all of it: sources wait
    in turn, and a bounded number of logins waits at all. `find` gives the account as it is now,
    `renew` stores a hash with today's parameters.
    """

    def __init__(
        self,
        passwords: Passwords,
        find: FindUser,
        renew: RenewHash,
        *,
        limits: LoginLimits,
        max_hashing: int = 2,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = now_ticks,
    ) -> None:
        self._passwords = passwords
        self._find = find
        self._renew = renew
        self._clock = clock
        self._wall_clock = wall_clock
        self._queue = LoginQueue(max_hashing, per_source=MAX_WAITING_PER_SOURCE, most=MAX_WAITING)
        self._under_way: set[asyncio.Task[User | None]] = set()
        self._log_budget = LogBudget()
        self.throttle = LoginThrottle(clock, limits)
        self.counters: Counter[str] = Counter()

    async def check(self, name: str, password: str, source: str) -> User | None:
        """The account, or None for any reason to refuse: which one, only the log says.

        An attempt once begun is counted even if the caller is cancelled.
        """
        attempt = asyncio.create_task(self._attempt(name, password, source))
        self._under_way.add(attempt)
        attempt.add_done_callback(self._under_way.discard)
        return await asyncio.shield(attempt)

    async def close(self) -> None:
        """Wait until the attempts under way are over."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def refuse(
        self, name: str, source: str, why: str, locked_s: float = 0.0, detail: str = ""
    ) -> None:
        """Count a login that is refused, and log it, unless there are too many lines.

        `why` is one of a few reasons, by which they are counted; `detail` is for the log.
        """
        self.counters[why.replace(" ", "_")] += 1
        left_out = self._log_budget.spend(self._clock())
        if left_out is not None:
            _log.warning(
                "login refused: %s",
                why,
                extra={
                    "user": safe_text(name, MAX_NAME_LENGTH),
                    "source": source,
                    **({"detail": safe_text(detail, _MAX_DETAIL)} if detail else {}),
                    "locked_s": round(locked_s, 1),
                    "lines_left_out": left_out,
                },
            )

    async def _attempt(self, name: str, password: str, source: str) -> User | None:
        try:
            if not self._locked_s(name, source):
                async with self._queue.turn(network_of(source)):
                    if not self._locked_s(name, source):  # by an attempt ahead of this one
                        return await self._verify(name, password, source)
        except TooManyLoginsError:
            self.refuse(name, source, "too many logins at once")
            return None
        self.refuse(name, source, "locked out", self._locked_s(name, source))
        return None

    async def _verify(self, name: str, password: str, source: str) -> User | None:
        user = self._find(name)
        stored = (user.password_hash if user else None) or self._passwords.dummy_hash
        fits = await asyncio.to_thread(self._passwords.verify, stored, password)
        current = self._find(name)
        if not fits or current is None or current.password_hash != stored:
            locked_s = self.throttle.failed(name, source, known=self._find(name) is not None)
            # Unknown user and wrong password are one thing, in the log too.
            self.refuse(name, source, "wrong user name or password", locked_s)
            return None
        if not current.active:
            self.refuse(name, source, "account disabled")
            return None
        if current.expires is not None and self._wall_clock() >= current.expires:
            self.refuse(name, source, "one-time password expired")
            return None
        self.throttle.succeeded(name, source)
        if self._passwords.is_outdated(stored):
            await self._renew(current, password)
        self.counters["accepted"] += 1
        return current

    def _locked_s(self, name: str, source: str) -> float:
        """Seconds until the user may try again from there."""
        return self.throttle.remaining_s(name, source, known=self._find(name) is not None)
