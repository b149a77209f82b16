"""Who has logged in through a zone's link: nobody else can act through it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from biogate.opcua.ports import Identity
from biogate.zones.messages import SubjectOf
from biogate_adapters.filetime import now_ticks
from biogate_security.policy import Subject
from biogate_security.roles import AccountChange, Role

_MOST = 10_000
_ANONYMOUS = frozenset({"Anonymous"})
_WAYS = ("UserName", "Certificate", "IssuedToken")


class _Known(NamedTuple):
    roles: frozenset[str]
    until: int | None


class NotLoggedInError(Exception):
    """The zone's process names a user that never logged in through it."""


class Identities:
    """The identities that this core has found over one link. `clock` is FILETIME ticks."""

    def __init__(self, zone: str, clock: Callable[[], int] = now_ticks) -> None:
        self._zone = zone
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def add(self, identity: Identity) -> None:
        """Somebody has logged in; their roles are those of the last time in the same way.

        A certificate may open a conduit that a password does not: each way stands for itself.
        Whoever has to change their password first has no roles before, as in the front end.
        """
        key = (identity.user, identity.authentication)
        roles = _ANONYMOUS if identity.must_change_password else identity.roles
        self._known[key] = _Known(roles, identity.until)
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def changed(self, change: AccountChange) -> None:
        """An account is another one now: who acts as it has its new roles, or logs in again.

        Whoever changed their own password (`by_session`) need not; the core cannot tell the
        sessions of one user apart, so that the others are the front end's to close.
        """
        goes_on = change.active and (change.by_session or not change.secret_changed)
        for key in [(change.user, way) for way in _WAYS if (change.user, way) in self._known]:
            if goes_on:
                self._known[key] = self._known[key]._replace(roles=change.roles)
            else:
                del self._known[key]

    def subject(self, who: SubjectOf) -> Subject:
        """The subject of a request: user, roles and zone are the core's word, the channel's
        address, certificate and security the zone's. It says by which of the ways that the user
        has logged in. Raises NotLoggedInError."""
        roles, authentication = _ANONYMOUS, "Anonymous"
        if who.user is not None:
            authentication = who.authentication
            known = self._known.get((who.user, authentication))
            if known is None or (known.until is not None and known.until <= self._clock()):
                raise NotLoggedInError(who.user)
            roles = known.roles
        if who.certificate_sha256:  # as the front end judged the channel's certificate
            roles |= {Role.TRUSTED_APPLICATION.value}
        return Subject(
            user=who.user,
            roles=roles,
            session_id=who.session_id,
            application_uri=who.application_uri,
            certificate_sha256=who.certificate_sha256,
            address=who.address,
            security_policy_uri=who.security_policy_uri,
            security_mode=who.security_mode,
            zone=self._zone,
            authentication=authentication,
        )
