"""The users' trust list on a site with zones: users log in through the core, which watches it.

On a site without zones the front end does (opcua/push/watch.py).
"""

from __future__ import annotations

import asyncio
import logging

from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.pki import Pki
from biogate_security.pki_update import PkiChange
from biogate_security.trust_content import Group
from biogate_security.users import UserStore

_log = logging.getLogger(__name__)
POLL_S = 1.0


class UserTrustWatch:
    """Records changes of the site's PKI folder, and has users with certificates log in again.

    `by_common_name`: any user may have logged in with a certificate, not only those that name one.
    """

    def __init__(
        self, pki: Pki, users: UserStore, audit: AuditLog, *, by_common_name: bool
    ) -> None:
        self._pki = pki
        self._users = users
        self._audit = audit
        self._by_common_name = by_common_name
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, in the running event loop."""
        self._task = asyncio.create_task(self._watch(), name="user trust")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.look()

    async def look(self) -> None:
        """Let what has changed since the last time have its effect."""
        for change in self._pki.poll():
            _log.warning(
                "the site's certificates changed",
                extra={"removed": change.old, "added": change.new},
            )
            if change.group is Group.USER:
                self._users.log_in_again(
                    user.name
                    for user in self._users.users
                    if self._by_common_name or user.certificates
                )
            await self._record(change)

    async def _record(self, change: PkiChange) -> None:
        event = "certificate-changed" if change.group is None else "trust-list-changed"
        about = "own certificate" if change.group is None else f"trust list of {change.group}s"
        try:
            await self._audit.note(
                event,
                f"{about}, changed in the PKI folder of the site",
                old=change.old or None,
                new=change.new or None,
            )
        except AuditUnavailableError:
            _log.exception("a change of the site's certificates could not be recorded")
