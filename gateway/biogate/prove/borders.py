"""Attempts at the border of a zone: who is let in at all."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from biogate.prove.access import ClientIdentity, Login, ZoneAccess
from biogate.prove.asking import AttemptLog
from biogate.prove.attempt import Attempt, Expected, Verdict
from biogate.prove.client import Connection, RefusedError, Way, says_hello

_OTHER_ADDRESS = "127.0.0.2"
_MODES = ("Sign", "SignAndEncrypt")


class Borders:
    """Tries one zone's endpoint as somebody who should not be let in."""

    def __init__(
        self, access: ZoneAccess, zone: Mapping[str, Any], login: Login, log: AttemptLog
    ) -> None:
        """`zone` is the zone as the site file has it, `login` one that may come in."""
        self._access = access
        self._zone = zone
        self._login = login
        self._protocol = log

    async def try_all(
        self,
        stranger: ClientIdentity,
        foreign: Mapping[str, ClientIdentity],
        others: Sequence[Login],
    ) -> None:
        """`stranger` is trusted nowhere, `foreign` by other zones only; `others` log in there."""
        access = self._access
        untrusted = access.way(self._login, **_identity(stranger))
        await self._refused("untrusted certificate", untrusted, "nobody trusts the certificate")
        for zone, identity in foreign.items():
            way = access.way(self._login, **_identity(identity))
            await self._refused("foreign certificate", way, f"only zone {zone} trusts it")
        if self._login.authentication == "UserName":
            wrong = access.way(self._login, password="not the password")  # noqa: S106
            await self._refused("wrong password", wrong, "the password is wrong")
        for other in others:
            why = f"users of zone {access.zone} are others"
            await self._refused("foreign user", access.way(other), why, other.user)
        await self._try_anonymous()
        await self._try_modes()
        await self._try_address()

    async def _try_anonymous(self) -> None:
        if self._access.anonymous:
            return
        why = "anonymous is none, or the zone lists its users"
        await self._refused("anonymous", self._access.way(None), why, "")

    async def _try_modes(self) -> None:
        """Channels that the endpoint does not offer."""
        access = self._access
        if "None" not in access.policies:
            way = access.way(self._login, policy=None, certificate=None, key=None)
            await self._refused("no security", way, "security_policies has no None")
        for mode in _MODES:
            if mode not in access.modes:
                way = access.way(self._login, mode=mode)
                await self._refused("unoffered mode", way, f"security_modes has no {mode}")

    async def _try_address(self) -> None:
        networks = self._zone.get("networks")
        if networks is None:
            return
        let = any(
            ipaddress.ip_address(_OTHER_ADDRESS) in ipaddress.ip_network(each) for each in networks
        )
        expected = Expected.LET if let else Expected.REFUSED
        attempt = self._attempt("address", "", f"networks: {', '.join(networks)}", expected)
        try:
            heard = await says_hello(self._access.url, _OTHER_ADDRESS)
        except OSError as error:
            self._protocol.left_out(attempt, f"no connection from {_OTHER_ADDRESS}: {error}")
            return
        verdict = Verdict.AS_STATED
        if heard != let:
            verdict = Verdict.LEAKS if heard else Verdict.BLOCKS
        answer = "hello answered" if heard else "connection closed"
        self._protocol.add(attempt, answer, verdict, f"from {_OTHER_ADDRESS}")

    async def _refused(self, kind: str, way: Way, because: str, user: str | None = None) -> None:
        """Try to come in; it must not come about, whatever the server says."""
        name = self._login.user if user is None else user
        attempt = self._attempt(kind, name, because, Expected.REFUSED)
        try:
            connection = await Connection.open(way)
        except RefusedError as error:
            self._protocol.add(attempt, error.status, Verdict.AS_STATED)
            return
        await connection.close()
        self._protocol.add(attempt, "Good", Verdict.LEAKS, "a session was opened")

    def _attempt(self, kind: str, user: str, because: str, expected: Expected) -> Attempt:
        zone = self._access.zone
        return Attempt(kind, zone, zone, user, "connect", "", expected, because)


def _identity(identity: ClientIdentity) -> dict[str, Any]:
    return {
        "application_uri": identity.application_uri,
        "certificate": identity.certificate,
        "key": identity.key,
    }
