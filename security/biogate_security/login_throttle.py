"""When a login may be tried again: per user and source, per user, and per source.

A stranger's guesses lock the stranger, not the user: the lock is on the pair of both. What slows
a user's logins from everywhere (guesses from many sources) and all logins of one source (one
password tried for many users) leaves out whoever logged in well from that source before.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from biogate_security.lock_out import BackOff, LockOut
from biogate_security.user_file import MAX_NAME_LENGTH

# All end by themselves (IEC 62443-4-2 CR 1.11).
_FORGET_S = 3600.0
USER_BACK_OFF = BackOff(free_failures=50, first_s=1.0, longest_s=30.0, forget_s=_FORGET_S)
SOURCE_BACK_OFF = BackOff(free_failures=19, first_s=1.0, longest_s=900.0, forget_s=_FORGET_S)
MAX_GOOD_SOURCES = 32
"""How many sources a user is remembered to have logged in from; the longest unused goes first."""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How often somebody may fail: so many `attempts` of a user from one source cost nothing, and
    no lock of these lasts longer than `longest_wait_s`. The other numbers are not for choosing:
    they guard the users against each other."""

    attempts: int = 4
    longest_wait_s: float = 300.0

    @property
    def pair_back_off(self) -> BackOff:
        """The back-off of a user at a source."""
        return BackOff(self.attempts, 1.0, self.longest_wait_s, _FORGET_S)


class LoginThrottle:
    """Counts failed logins. Names that are no user's lock just the same, but in tables of their
    own: their number is not ours, and must not push out those of users. Nor is their length: one
    that is too long for a user is kept as its hash."""

    def __init__(self, clock: Callable[[], float], limits: LoginLimits = LoginLimits()) -> None:
        pairs = limits.pair_back_off
        self._pairs: LockOut[tuple[str, str]] = LockOut(pairs, clock)
        self._users: LockOut[str] = LockOut(USER_BACK_OFF, clock)
        self._strange_pairs: LockOut[tuple[str, str]] = LockOut(pairs, clock)
        self._strange_users: LockOut[str] = LockOut(USER_BACK_OFF, clock)
        self._sources: LockOut[str] = LockOut(SOURCE_BACK_OFF, clock)
        self._good: dict[str, OrderedDict[str, None]] = {}

    def remaining_s(self, user: str, source: str, *, known: bool) -> float:
        """Seconds until `user` may try again from `source` ("" is none); 0.0 when they may now."""
        user, place = _kept_name(user), network_of(source)
        pairs, users = self._tables(known=known)
        locked_s = pairs.remaining_s((user, place))
        if place in self._good.get(user, ()):
            return locked_s
        return max(locked_s, users.remaining_s(user), self._sources.remaining_s(place))

    def failed(self, user: str, source: str, *, known: bool) -> float:
        """Count a failure; the seconds for which `user` may not try again from there."""
        user, place = _kept_name(user), network_of(source)
        pairs, users = self._tables(known=known)
        pairs.failed((user, place))
        if place not in self._good.get(user, ()):
            users.failed(user)
            if place:
                self._sources.failed(place)
        return self.remaining_s(user, source, known=known)

    def succeeded(self, user: str, source: str) -> None:
        """A user logged in: their own failures from there are forgotten, no one else's."""
        place = network_of(source)
        self._pairs.succeeded((user, place))
        good = self._good.setdefault(user, OrderedDict())
        good[place] = None
        good.move_to_end(place)
        while len(good) > MAX_GOOD_SOURCES:
            good.popitem(last=False)

    def forget(self, user: str) -> None:
        """Trust no source of a user any more: whoever knew the old password may be there."""
        self._good.pop(user, None)

    def _tables(self, *, known: bool) -> tuple[LockOut[tuple[str, str]], LockOut[str]]:
        if known:
            return self._pairs, self._users
        return self._strange_pairs, self._strange_users


def _kept_name(user: str) -> str:
    if len(user) <= MAX_NAME_LENGTH:
        return user
    return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


def network_of(source: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 network of an IPv6 one.

    Of IPv6 addresses, whoever has one has 2**64 of them (RFC 6177).
    """
    try:
        address = ipaddress.ip_address(source.strip("[]").partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
