"""Tries everything that a site file states, zone by zone, against the running gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from biogate.prove.access import ClientIdentity, Login, ZoneAccess
from biogate.prove.asking import Asking, AttemptLog, Sent
from biogate.prove.attempt import Attempt, Expected, Result, Verdict
from biogate.prove.borders import Borders
from biogate.prove.client import Connection, RefusedError
from biogate.prove.limits import Limits
from biogate.prove.parts import Kind, Part
from biogate.prove.plan import Planned, Planner
from biogate.prove.reading import Asker, SiteRules

MOST_WALKED = 5000
Tell = Callable[[str], None]
_WEAKER = "Sign"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the prover tries with.

    `stranger` is a certificate that no zone trusts. `effects`: writes that should be let are made;
    `may_move`: set-points may be moved, since no plant is there.
    """

    access: Mapping[str, ZoneAccess]
    stranger: ClientIdentity
    effects: bool
    may_move: bool


@dataclass(slots=True)
class Prover:
    """One run. `could_not` says which zones could not be tried, and why.

    `only`: kinds of attempts on parts to make, and none at the borders; empty: everything.
    """

    rules: SiteRules
    parts: Sequence[Part]
    planner: Planner
    tools: Tools
    tell: Tell
    log: AttemptLog
    only: frozenset[str] = frozenset()
    could_not: dict[str, str] = field(default_factory=dict)
    _values: dict[str, Any] = field(default_factory=dict)
    _namespaces: list[str] = field(default_factory=list)
    _sent: Sent = field(default_factory=Sent)
    _limited: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Try all zones. What was tried is in `log`, also when it is cancelled."""
        for zone, access in self.tools.access.items():
            await self._look(zone, access)
        for zone, access in self.tools.access.items():
            if zone not in self.could_not:
                try:
                    await self._try_zone(access)
                except RefusedError as error:
                    self.could_not[zone] = f"it answered no more: {error.status}"

    async def _look(self, zone: str, access: ZoneAccess) -> None:
        """See whether the zone lets us in, and note present values of its parts."""
        if not access.logins:
            self.could_not[zone] = "no account to try it with: name one with --as ZONE=USER"
            return
        for login in access.logins:
            try:
                connection = await Connection.open(access.way(login))
            except RefusedError as error:
                who = access.asker(login).name
                self.could_not[zone] = f"{who} is not let in at {access.url}: {error.status}"
                return
            self._note_namespaces(connection.namespaces)
            try:
                await self._note_values(connection)
            finally:
                await connection.close()

    def _note_namespaces(self, seen: Sequence[str]) -> None:
        """All zones have the same indices; each is told the names of those that it may see."""
        named = {part.node.partition(";")[0] for part in self.parts}
        self._namespaces += [""] * (len(seen) - len(self._namespaces))
        for index, uri in enumerate(seen):
            if uri in named:
                self._namespaces[index] = uri

    async def _note_values(self, connection: Connection) -> None:
        for part in self.parts:
            if part.writable and part.name not in self._values:
                status, value = await connection.read(connection.node(part.node, self._namespaces))
                if status == "Good":
                    self._values[part.name] = value

    async def _try_zone(self, access: ZoneAccess) -> None:
        for login in access.logins:
            await self._try_login(access, access.asker(login), login)
        if self.only:
            return
        login = access.logins[0]
        await self._step(f"{access.zone}: weaker channels", self._try_weaker(access, login))
        border = Borders(access, self.rules.zones[access.zone], login, self.log)
        foreign, others = self._foreign(access)
        trying = border.try_all(self.tools.stranger, foreign, others)
        await self._step(f"{access.zone}: its border", trying)

    def _foreign(self, access: ZoneAccess) -> tuple[dict[str, ClientIdentity], list[Login]]:
        """Certificates and accounts of the other zones, which have no business in this one."""
        own = {login.user for login in access.logins}
        admitted = self.rules.zones[access.zone].get("users")
        others: dict[str, Login] = {}
        foreign = {}
        for zone, other in self.tools.access.items():
            if zone != access.zone:
                foreign[zone] = other.identity
                others.update({login.user: login for login in other.logins if login.user})
        shut = [x for n, x in others.items() if admitted is not None and n not in (*admitted, *own)]
        most = self.planner.sample or None
        return dict(islice(foreign.items(), most)), shut[:most]

    async def _try_login(self, access: ZoneAccess, asker: Asker, login: Login) -> None:
        async with AsyncExitStack() as stack:
            connection = await Connection.open(access.way(login))
            stack.push_async_callback(connection.close)
            asking = self._asking(connection)
            for target in self.rules.zones:
                name = f"{asker.name}: {asker.zone} -> {target}"
                await self._step(name, self._try_target(asking, asker, target))
            if not self.only:
                walk = self._walk(asking, asker)
                await self._step(f"{asker.name}: all that {asker.zone} sees", walk)

    async def _try_target(self, asking: Asking, asker: Asker, target: str) -> None:
        bounded: list[Planned] = []
        for planned in self.planner.crossings(asker, target, _now()):
            if self.only and planned.attempt.kind not in self.only:
                continue
            await asking.ask(planned)
            if planned.attempt.action == "write" and planned.attempt.expected is Expected.LET:
                bounded.append(planned)
        await self._try_limits(asking, bounded)

    async def _try_limits(self, asking: Asking, bounded: Sequence[Planned]) -> None:
        """Once for each rule: whoever comes next finds its rate used up."""
        rated: dict[str, Limits] = {}
        for planned in bounded:
            if planned.reading.because in self._limited:
                continue
            limits = Limits(asking, planned)
            await limits.try_all()
            if planned.reading.per_minute is not None:
                rated[planned.reading.because] = limits
        for limits in rated.values():
            await limits.try_rate()
        self._limited |= {planned.reading.because for planned in bounded}

    async def _walk(self, asking: Asking, asker: Asker) -> None:
        """Browse all that can be reached: none of it may be what the zone may not see."""
        hidden = self.planner.hidden(asker, _now())
        if not hidden:
            return
        found, is_all = await asking.connection.walk(MOST_WALKED)
        attempt = Attempt(
            "walk",
            asker.zone,
            "",
            asker.name,
            "browse",
            f"all {len(hidden)} hidden parts",
            Expected.REFUSED,
            "what a zone may not see does not exist for it",
        )
        shown = sorted(hidden[node].name for node in found & hidden.keys())
        verdict = Verdict.LEAKS if shown else Verdict.AS_STATED
        more = "" if is_all else f"; only the first {MOST_WALKED} were browsed"
        among = f"{len(found)} nodes, none of them"
        detail = (f"shows {', '.join(shown[:10])}" if shown else among) + more
        self.log.add(attempt, "Good", verdict, detail)

    async def _try_weaker(self, access: ZoneAccess, login: Login) -> None:
        """Where the endpoint offers Sign, that must not carry what asks for encryption."""
        if _WEAKER not in access.modes:
            return
        try:
            connection = await Connection.open(access.way(login, mode=_WEAKER))
        except RefusedError as error:
            self.log.add(_connecting(access.zone, login.user), error.status, Verdict.BLOCKS)
            return
        try:
            await self._try_mode(self._asking(connection), access.asker(login, _WEAKER))
        finally:
            await connection.close()

    async def _try_mode(self, asking: Asking, asker: Asker) -> None:
        for target in self.rules.zones:
            part = next(
                (p for p in self.planner.parts_in(target) if p.kind is not Kind.OBJECT), None
            )
            if part is None or part.kind is Kind.METHOD:
                continue
            planned = self.planner.plan(asker, "read", part, _now())
            await asking.ask(_named(planned, "weaker mode"))

    def _asking(self, connection: Connection) -> Asking:
        return Asking(
            connection,
            self.log,
            values=self._values,
            namespaces=self._namespaces,
            sent=self._sent,
            effects=self.tools.effects,
            may_move=self.tools.may_move,
        )

    async def _step(self, name: str, work: Any) -> None:
        """Do a part of the work, and tell what came of it."""
        first = len(self.log.results)
        try:
            await work
        finally:
            tell_of(name, self.log.results[first:], self.tell)


def _connecting(zone: str, user: str) -> Attempt:
    because = f"security_modes has {_WEAKER}"
    return Attempt("weaker mode", zone, "", user, "connect", "", Expected.LET, because)


def tell_of(name: str, done: Sequence[Result], tell: Tell) -> None:
    """Tell what came of a part of the work: one line, and one for each that is not as stated."""
    if not done:
        return
    wrong = [r for r in done if r.verdict in (Verdict.LEAKS, Verdict.BLOCKS)]
    left_out = sum(r.verdict is Verdict.NOT_COVERED for r in done)
    more = f", {left_out} not covered" if left_out else ""
    told = f"{len(wrong)} NOT AS STATED" if wrong else "as stated"
    tell(f"{name}: {len(done)} attempts, {told}{more}")
    for result in wrong:
        tell(f"  {describe(result)}")


def describe(result: Result) -> str:
    """A result as a line for people."""
    attempt = result.attempt
    what = " ".join(word for word in (attempt.action, attempt.part) if word)
    detail = f" ({result.detail})" if result.detail else ""
    return (
        f"{result.id} {result.verdict}: {attempt.kind}, {attempt.user or 'anonymous'} of "
        f"{attempt.zone}, {what}: should be {attempt.expected} ({attempt.because}), "
        f"came {result.status}{detail}"
    )


def _named(planned: Planned, kind: str) -> Planned:
    return replace(planned, attempt=replace(planned.attempt, kind=kind))


def _now() -> datetime:
    return datetime.now(UTC)
