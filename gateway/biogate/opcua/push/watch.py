"""Lets changed certificates take effect, whoever changed them: a method, the command line, a hand.

A new own certificate is offered at once; channels that were opened with the old one are closed,
and so are channels and sessions whose certificate is no longer good (Part 12, 7.8.2.5, 7.10.9).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from biogate.opcua.ports import PkiAdmin
from biogate.opcua.push.facts import accepted_fact, noticed
from biogate.opcua.roles.account_changes import certificate_users_changed
from biogate.opcua.stack import StatusCodes, status_name
from biogate.opcua.transport.interfaces import ConnectionHandle
from biogate_security.pki_update import PkiChange
from biogate_security.trust_content import Group

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext

_log = logging.getLogger(__name__)
POLL_S = 1.0
"""How often the folders are looked at."""
GRACE_S = 0.3
"""So long an answer has to reach whoever changed the certificates, before channels are closed."""


class CertificateWatch:
    """Looks at the PKI now and then; `tick` drives it.

    `handles` gives all connections, `renewed` makes the front end offer the new own certificate.
    """

    def __init__(
        self,
        server: ServerContext,
        admin: PkiAdmin,
        handles: Callable[[], Sequence[ConnectionHandle]],
        renewed: Callable[[], None],
    ) -> None:
        self._server = server
        self._admin = admin
        self._handles = handles
        self._renewed = renewed
        self.busy = False
        """A method changes the files now, and looks itself when it has done so."""
        self._look_at_s = 0.0
        self._sweep_at_s: float | None = None
        self._outdated: list[ConnectionHandle] = []
        self._sweeping: asyncio.Task[None] | None = None

    def tick(self, now_s: float) -> None:
        """Time has passed."""
        if now_s >= self._look_at_s and not self.busy:
            self._look_at_s = now_s + POLL_S
            self.look()
            for accepted in self._admin.take_accepted():
                fact = accepted_fact(accepted, self._server.wall_clock())
                self._server.auditor.note(fact)
        due = self._sweep_at_s is not None and now_s >= self._sweep_at_s
        if due and (self._sweeping is None or self._sweeping.done()):
            self._sweep_at_s = None
            self._sweeping = asyncio.get_running_loop().create_task(self._close_affected())

    async def stop(self) -> None:
        """Close nothing more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    def look(self, *, recorded: bool = False) -> Sequence[PkiChange]:
        """What has changed, taking effect now; `recorded` where whoever changed it records it."""
        changes = self._admin.poll()
        for change in changes:
            what = "own certificate" if change.group is None else f"{change.group} trust list"
            _log.warning("%s changed", what, extra={"removed": change.old, "added": change.new})
            if not recorded:
                self._server.auditor.note(noticed(change, self._server.wall_clock()))
        if any(change.group is None for change in changes):
            before = self._shown()
            self._renewed()
            after = self._shown()
            replaced = {uri for uri, der in before.items() if der != after.get(uri)}
            self._outdated += [each for each in self._handles() if _is_of(each, replaced)]
        if any(change.group is Group.USER for change in changes):
            self._log_out_certificate_users()
        if changes:
            self._sweep_at_s = self._server.clock() + GRACE_S
        return changes

    def _shown(self) -> dict[str, bytes]:
        """The own certificate of each security policy that is offered."""
        endpoints = self._server.endpoints.descriptions
        return {str(each.SecurityPolicyUri): each.ServerCertificate for each in endpoints}

    def _log_out_certificate_users(self) -> None:
        """Whoever logged in with a certificate, or is about to, has to do so again, and is judged
        anew."""
        certificate_users_changed(self._server)
        sessions = self._server.sessions
        for session in list(sessions):
            if session.activations and session.subject.authentication == "Certificate":
                _log.warning("session ended: users' trust list changed", extra=_who(session.name))
                sessions.drop(session)

    async def _close_affected(self) -> None:
        try:
            await self._sweep()
        except Exception as error:  # noqa: BLE001  logged; the next change sweeps again
            self._server.log_failure("channels could not be judged anew", error)

    async def _sweep(self) -> None:
        """Close what the changes affect, one connection at a time."""
        verdicts: dict[bytes, int] = {}
        for session in list(self._server.sessions):
            if await self._verdict(session.channel.client_chain, verdicts) != StatusCodes.Good:
                _log.warning("session ended: its certificate is refused", extra=_who(session.name))
                self._server.sessions.drop(session)
        outdated, self._outdated = set(self._outdated), []
        for handle in list(self._handles()):
            channel = handle.channel
            if channel is not None and channel.client_certificate is None:
                continue
            chain = b"" if channel is None else channel.client_chain
            verdict = await self._verdict(chain, verdicts)
            if channel is not None and verdict != StatusCodes.Good:
                address = {"address": channel.remote_address, "status": status_name(verdict)}
                _log.warning("channel closed: its certificate is refused", extra=address)
                handle.close(StatusCodes.BadSecurityChecksFailed, "certificate refused")
            elif handle in outdated:
                handle.close(StatusCodes.BadSecureChannelClosed, "the server's certificate changed")

    async def _verdict(self, chain: bytes, verdicts: dict[bytes, int]) -> int:
        if not chain:
            return StatusCodes.Good
        if chain not in verdicts:
            await asyncio.sleep(0)
            verdicts[chain] = self._admin.judge_again(chain)
        return verdicts[chain]


def _is_of(handle: ConnectionHandle, policies: Collection[str]) -> bool:
    """Whether it has a channel of one of the policies, or none yet: then it may be opening one."""
    return handle.channel is None or handle.channel.security_policy_uri in policies


def _who(name: str) -> dict[str, str]:
    return {"session": name}
