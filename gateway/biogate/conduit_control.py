"""Opening and closing conduits while the gateway runs, and the island mode that closes all."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from biogate.records import Records
from biogate_security.audit import AuditUnavailableError
from biogate_security.policy import Decision, Resource, Subject
from biogate_security.private_file import write_private
from biogate_security.zones import ZonePolicy

_log = logging.getLogger(__name__)
FILE = "conduits.json"


class ConduitControl:
    """Opens and closes the conduits of one gateway.

    What was closed stays closed over a restart (`<data>/conduits.json`): an island that a restart
    joins to the mainland is none. Where the site file's `open` is, that is what the first start
    begins with. `on_change` is called whenever a conduit has been opened or closed.
    """

    def __init__(
        self,
        policy: ZonePolicy,
        records: Records,
        data: Path,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._policy = policy
        self._records = records
        self._path = data / FILE
        self._on_change = on_change
        self._opening: set[tuple[str, object]] = set()
        self._keeping = asyncio.Lock()

    def restore(self) -> None:
        """Take up what was opened or closed before this start.

        A file that cannot be read closes all conduits: nobody knows what it said.
        """
        try:
            kept = read_changes(self._path.parent)
        except (OSError, ValueError) as error:
            _log.error("%s cannot be read (%s): all conduits are closed", self._path, error)
            kept = dict.fromkeys(self._policy.open_conduits, False)
        for name, is_open in kept.items():
            if name in self._policy.open_conduits and self._policy.set_conduit_open(name, is_open):
                _log.warning(
                    "a conduit is %s as it was at the last stop",
                    "open" if is_open else "closed",
                    extra={"conduit": name},
                )

    async def open(self, name: str, reason: str, subject: Subject) -> None:
        """Open a conduit, once that is recorded.

        Raises KeyError for a conduit that there is not, ValueError without a reason,
        AuditUnavailableError where it could not be recorded: then it stays closed.
        """
        self._check([name], reason)
        if self._policy.open_conduits[name]:
            return
        this = (name, object())  # somebody else may open it at the same time
        self._opening.add(this)
        try:
            await self._record("conduit-opened", name, reason, subject)
            if this not in self._opening:
                return  # somebody closed it meanwhile, and that counts
            self._policy.set_conduit_open(name, is_open=True)
        finally:
            self._opening.discard(this)
        self._on_change()
        await self._keep()

    async def close(self, names: Iterable[str], reason: str, subject: Subject) -> None:
        """Close conduits at once, and record it. Raises as `open`; they are closed even then."""
        wanted = list(names)
        self._check(wanted, reason)
        opening = {name for name, _ in self._opening}
        closed = [
            name
            for name in wanted
            if self._policy.set_conduit_open(name, is_open=False) or name in opening
        ]
        self._opening = {each for each in self._opening if each[0] not in closed}
        if not closed:
            return
        self._on_change()
        await self._keep()
        failed: AuditUnavailableError | None = None
        for name in closed:
            try:
                await self._record("conduit-closed", name, reason, subject)
            except AuditUnavailableError as error:
                failed = error
        if failed is not None:
            raise failed

    async def isolate(self, reason: str, subject: Subject) -> None:
        """Island mode: close all conduits. Raises as `close`."""
        await self.close(self._policy.open_conduits, reason, subject)

    def _check(self, names: Iterable[str], reason: str) -> None:
        for name in names:
            if name not in self._policy.open_conduits:
                known = ", ".join(self._policy.open_conduits) or "none"
                raise KeyError(f"the site has no conduit {name}; it has {known}")
        if not reason.strip():
            raise ValueError("say why: a reason is part of the record")

    async def _record(self, event: str, name: str, reason: str, subject: Subject) -> None:
        decision = Decision(allow=True, reason=reason, conduit=name)
        _log.warning(event.replace("-", " "), extra={"conduit": name, "reason": reason})
        await self._records.intention(
            self._records.entry(event, subject, Resource("", attribute=""), decision)
        )

    async def _keep(self) -> None:
        """The file has what holds when it is written, whoever came first."""
        async with self._keeping:
            content = json.dumps(self._unlike_the_file(), indent=1, sort_keys=True)
            try:
                await asyncio.to_thread(write_private, self._path, content.encode())
            except OSError as error:
                _log.error("%s cannot be written (%s): a restart undoes it", self._path, error)

    def _unlike_the_file(self) -> dict[str, bool]:
        """Only these are kept: of all others the site file has the word, also when it changes."""
        now = self._policy.open_conduits
        return {
            conduit.name: now[conduit.name]
            for conduit in self._policy.table.conduits
            if now[conduit.name] != conduit.open
        }


def read_changes(data: Path) -> dict[str, bool]:
    """Which conduits were opened (true) or closed at run time, unlike what the site file says.

    Raises OSError, or ValueError for what is no table of truth values.
    """
    try:
        kept = json.loads((data / FILE).read_bytes())
    except FileNotFoundError:
        return {}
    if not isinstance(kept, dict) or not all(isinstance(each, bool) for each in kept.values()):
        raise ValueError("it is no table of conduits")
    return kept
