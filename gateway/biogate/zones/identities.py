"""Who has logged in through a zone's link: nobody else can act through it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from biogate.opcua.ports import Identity
from biogate.zones.messages import SubjectOf
from biogate_security.policy import Subject
from biogate_security.roles import AccountChange, Role

_MOST = 10_000
_ANONYMOUS = frozenset({"Anonymous"})


@dataclass(frozen=True, slots=True)
class _Known:
    roles: frozenset[str]
    authentication: str


class NotLoggedInError(Exception):
    """The zone's process names a user that never logged in through it."""


class Identities:
    """The identities that this core has found over one link."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def add(self, identity: Identity) -> None:
        """Somebody has logged in; their roles are those of the last time."""
        self._known[identity.user] = _Known(identity.roles, identity.authentication)
        self._known.move_to_end(identity.user)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def changed(self, change: AccountChange) -> None:
        """An account is another one now: who acts as it has its new roles, or logs in again.

        Whoever changed their own password (`by_session`) need not; the core cannot tell the
        sessions of one user apart, so that the others are the front end's to close.
        """
        known = self._known.get(change.user)
        if known is None:
            return
        if change.active and (change.by_session or not change.secret_changed):
            self._known[change.user] = _Known(change.roles, known.authentication)
        else:
            del self._known[change.user]

    def subject(self, who: SubjectOf) -> Subject:
        """The subject of a request: user, roles and zone are the core's word, the channel's
        address, certificate and security the zone's. Raises NotLoggedInError."""
        roles, authentication = _ANONYMOUS, "Anonymous"
        if who.user is not None:
            known = self._known.get(who.user)
            if known is None:
                raise NotLoggedInError(who.user)
            roles, authentication = known.roles, known.authentication
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
