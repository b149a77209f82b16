"""From a site file to a run of the prover: on a rehearsal, or on the gateway that runs."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from biogate.data_folder import nodeset_cache
from biogate.prove.access import ClientIdentity, Login, ZoneAccess, accounts_of, admits_anonymous
from biogate.prove.asking import AttemptLog
from biogate.prove.attempt import Result, Verdict
from biogate.prove.client import POLICIES, quiet
from biogate.prove.errors import ProveError, SiteWithoutZonesError
from biogate.prove.evidence import evidence
from biogate.prove.identity import client_identity
from biogate.prove.parts import parts_of
from biogate.prove.plan import Planner
from biogate.prove.prover import Prover, Tell, Tools, tell_of
from biogate.prove.reading import SiteRules, with_defaults
from biogate.prove.rehearsal import Rehearsal, has_windows, moved, rehearsal
from biogate.prove.report import Run, write_report
from biogate.prove.trail import try_trail
from biogate.site import Site, load_site, plan_site
from biogate_adapters.document import parse_document

AS_STATED, NOT_AS_STATED, COULD_NOT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `logins`: zone → accounts to try it with; none: all."""

    data: Path
    report: Path | None
    rehearse: bool
    allow_writes: bool
    sample: int
    logins: Mapping[str, Sequence[Login]] = field(default_factory=dict)


def read_site(site_file: Path) -> tuple[Site, dict[str, Any]]:
    """The site, checked, and its YAML as it stands. Raises SiteError or SiteWithoutZonesError."""
    site = load_site(site_file)
    data = parse_document(site_file.read_bytes(), str(site_file)).data
    if not isinstance(data, dict) or not data.get("zones"):
        raise SiteWithoutZonesError(f"{site_file} has no zones: there is nothing to prove")
    return site, with_defaults(data)


async def prove(site_file: Path, options: Options, tell: Tell) -> int:
    """Run, write the report, and return the exit code.

    Ctrl-C ends the attempts; what was tried until then is reported. Raises SiteError,
    SiteWithoutZonesError, RehearsalError, PkiError or OSError.
    """
    quiet()
    site, data = read_site(site_file)
    trial = _Trial(site_file, site, data, options, tell)
    started = datetime.now(UTC)
    complete = await _until_stopped(trial.run())
    run = Run(
        str(site_file),
        await asyncio.to_thread(_digest, site_file),
        version("biogate"),
        started,
        datetime.now(UTC),
        options.rehearse,
        complete,
        trial.could_not,
    )
    return _conclude(run, trial.log.results, options, tell)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Do the work until it is done or Ctrl-C ends it; True when it was done."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(work)
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    try:
        await asyncio.wait((running,))
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if running.cancelled():
        return False
    running.result()
    return True


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _conclude(run: Run, results: Sequence[Result], options: Options, tell: Tell) -> int:
    for zone, why in run.could_not.items():
        tell(f"zone {zone} could not be tried: {why}")
    if options.report is not None:
        for file in write_report(options.report, run, results, evidence(results)):
            tell(f"wrote {file}")
    wrong = sum(result.verdict in (Verdict.LEAKS, Verdict.BLOCKS) for result in results)
    left_out = sum(result.verdict is Verdict.NOT_COVERED for result in results)
    tell(
        f"{len(results)} attempts: {len(results) - wrong - left_out} as stated, {wrong} not, "
        f"{left_out} not covered" + ("" if run.complete else "; stopped before the end")
    )
    if wrong:
        return NOT_AS_STATED
    return AS_STATED if run.complete and results and not run.could_not else COULD_NOT


@dataclass(slots=True)
class _Trial:
    """One call of the command: against the plant, or a rehearsal or two."""

    site_file: Path
    site: Site
    data: dict[str, Any]
    options: Options
    tell: Tell
    log: AttemptLog = field(default_factory=AttemptLog)
    could_not: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        if not self.options.rehearse:
            await self._try_plant()
            return
        cache = nodeset_cache(self.options.data)
        with rehearsal(self.data, self.site_file.parent, cache) as stage:
            self.tell("starting the gateway with simulated devices")
            await self._rehearse(stage, stage.data)
            first = len(self.log.results)
            await try_trail(stage.folder, stage.root / "trail.jsonl", self.log)
            tell_of("audit trail", self.log.results[first:], self.tell)
            if has_windows(self.data):
                self.tell("starting it again with each time window turned")
                turned = moved(stage.data, datetime.now(UTC))
                await self._rehearse(stage, turned, frozenset({"window"}))

    async def _rehearse(
        self, stage: Rehearsal, data: Mapping[str, Any], only: frozenset[str] = frozenset()
    ) -> None:
        logins = {zone: list(_logins(stage, data, zone)) for zone in data["zones"]}
        stranger = client_identity(stage.root / "stranger", "stranger")
        async with stage.running(data):
            access = _access(data, stage.folder, stage.identities, logins)
            tools = Tools(access, stranger, effects=True, may_move=True)
            await self._try(data, tools, only)

    async def _try_plant(self) -> None:
        folder, zones = self.options.data / "prove", self.data["zones"]
        identities = {
            zone: client_identity(folder / zone, zone, config.get("applications"))
            for zone, config in zones.items()
        }
        stranger = client_identity(folder / "stranger", "stranger")
        access = _access(self.data, self.options.data, identities, self.options.logins)
        await self._try(
            self.data, Tools(access, stranger, self.options.allow_writes, may_move=False)
        )
        for zone in self.could_not:
            self.tell(f"what zone {zone} has to trust: {identities[zone].certificate}")

    async def _try(
        self, data: Mapping[str, Any], tools: Tools, only: frozenset[str] = frozenset()
    ) -> None:
        rules, parts = SiteRules(data), parts_of(plan_site(self.site))
        planner = Planner(rules, parts, self.options.sample)
        prover = Prover(rules, parts, planner, tools, self.tell, self.log, only)
        await prover.run()
        self.could_not.update(prover.could_not)


def _logins(stage: Rehearsal, data: Mapping[str, Any], zone: str) -> Iterator[Login]:
    """All accounts of a zone by password, then those that have one by certificate."""
    accounts = accounts_of(data, zone)
    for user, roles in accounts.items():
        yield Login(user, roles, stage.passwords[user])
    for user, roles in accounts.items():
        if user in stage.certificates:
            yield Login(user, roles, certificate=stage.certificates[user])


def _access(
    data: Mapping[str, Any],
    folder: Path,
    identities: Mapping[str, ClientIdentity],
    logins: Mapping[str, Sequence[Login]],
) -> dict[str, ZoneAccess]:
    return {
        zone: _zone_access(zone, config, folder, identities[zone], logins.get(zone, ()))
        for zone, config in data["zones"].items()
        if config.get("opcua") is not None
    }


def _zone_access(
    zone: str,
    config: Mapping[str, Any],
    folder: Path,
    identity: ClientIdentity,
    logins: Sequence[Login],
) -> ZoneAccess:
    opcua: Mapping[str, Any] = config["opcua"]
    policies = tuple(opcua.get("security_policies", ("Basic256Sha256",)))
    if not any(name in POLICIES or name == "None" for name in policies):
        raise ProveError(
            f"zone {zone} offers {', '.join(policies)} only, which the client that proves does not"
            f" speak: for the proof, offer one of {', '.join(POLICIES)} too"
        )
    anonymous = admits_anonymous(config)
    own = folder / "zones" / zone / "pki" / "own" / "certs" / "application.der"
    host = str(opcua.get("host", "127.0.0.1"))
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  to connect to, not to listen on
    return ZoneAccess(
        zone,
        f"opc.tcp://{host}:{opcua.get('port', 4840)}",
        identity,
        (*logins, *((Login("", frozenset()),) if anonymous else ())),
        own.read_bytes() if own.exists() else b"",
        policies,
        tuple(opcua.get("security_modes", ("Sign", "SignAndEncrypt"))),
        anonymous=anonymous,
    )
