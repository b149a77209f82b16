"""What a user may do with a node, and why: told from the site file, without a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from biogate.site import Site, load_site, plan_site
from biogate.site.part_finder import UnknownPartError, find_part
from biogate.site.part_list import SitePart, list_parts
from biogate.site.zone_table import ACTIONS, zone_table
from biogate_adapters.problems import did_you_mean, listed
from biogate_security.filetime import now_ticks, to_datetime
from biogate_security.policy import Action, Decision, Policy, Resource, Subject, WriteLimits
from biogate_security.role_policy import RolePolicy
from biogate_security.roles import Role
from biogate_security.zones import HOLDS, NO_ZONE, Admission, Considered, ZonePolicy
from biogate_security.zones import explain as explain_by_zones

ANONYMOUS = "anonymous"
_TOLD = {"subscribe": "subscribe to", "history": "read the history of", "events": "hear of"}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class CannotTellError(ValueError):
    """The question names something that the site does not have; the message says what."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to do what; `at` is an ISO 8601 time, UTC where it has no offset."""

    user: str
    node: str
    action: str
    zone: str | None = None
    at: str | None = None
    mode: str = "SignAndEncrypt"
    authentication: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`allowed` says what a client meets; `notes` what else stands in its way."""

    question: Question
    subject: Subject
    part: SitePart
    now: int
    decision: Decision
    considered: tuple[Considered, ...]
    notes: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether the client can do it."""
        return self.decision.allow and not self.notes


def answer(path: Path, question: Question) -> Answer:
    """Decide by the site file. Raises SiteError or CannotTellError."""
    site = load_site(path)
    plan = plan_site(site)
    signals = {name: device.profile.by_name for name, device in plan.devices.items()}
    try:
        part = find_part(list_parts(site, signals), question.node)
    except UnknownPartError as error:
        raise CannotTellError(str(error)) from error
    now = _time(question.at)
    roles = RolePolicy(site.opcua.anonymous)
    policy = ZonePolicy(roles, zone_table(plan)) if site.zones else None
    subject = _subject(site, policy, question)
    action = ACTIONS[question.action]
    resource = _resource(part)
    considered: tuple[Considered, ...] = ()
    if policy is None:
        decision = roles.decide(subject, action, resource, now)
    else:
        explained = explain_by_zones(policy, subject, action, resource, now)
        decision, considered = explained.decision, explained.considered
    notes = tuple(_notes(site, policy or roles, subject, action, part, now))
    return Answer(question, subject, part, now, decision, considered, notes)


def _resource(part: SitePart) -> Resource:
    return Resource(
        f"nsu={part.namespace};s={part.node}",
        tag=part.tag,
        device=part.device,
        is_setpoint=part.writable,
        zone=part.zone,
        part=part.name,
    )


def _time(text: str | None) -> int:
    if text is None:
        return now_ticks()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CannotTellError(f"{text!r} is no time such as 2026-03-02T22:30") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round((moment - _EPOCH).total_seconds()) * 10_000_000


def _subject(site: Site, policy: ZonePolicy | None, question: Question) -> Subject:
    zone = _zone(policy, question)
    if question.user == ANONYMOUS:
        roles = frozenset({str(Role.ANONYMOUS)})
        return Subject(
            None,
            roles,
            security_mode=question.mode,
            zone=zone,
            authentication=question.authentication or "Anonymous",
        )
    account = site.accounts.get(question.user)
    if account is None:
        known = [*site.accounts, ANONYMOUS]
        hint = did_you_mean(question.user, known)
        message = f"the site has no account {question.user}, but {listed(known)}"
        raise CannotTellError(f"{message}; {hint}" if hint else message)
    return Subject(
        question.user,
        frozenset({str(Role.AUTHENTICATED_USER), *account.roles}),
        security_mode=question.mode,
        zone=zone,
        authentication=question.authentication or "UserName",
    )


def _zone(policy: ZonePolicy | None, question: Question) -> str:
    if policy is None:
        if question.zone is not None:
            raise CannotTellError(f"the site has no zones, so none called {question.zone}")
        return ""
    names = [zone.name for zone in policy.table.zones]
    if question.zone is None:
        if len(names) > 1:
            raise CannotTellError(f"which zone do they come from? --zone {' | '.join(names)}")
        return names[0]
    if question.zone not in names:
        hint = did_you_mean(question.zone, names)
        raise CannotTellError(f"the site has no zone {question.zone}, but {listed(names)}; {hint}")
    return question.zone


def _notes(
    site: Site, policy: Policy, subject: Subject, action: Action, part: SitePart, now: int
) -> Iterator[str]:
    """What stops a client whatever the decision is."""
    if isinstance(policy, ZonePolicy):
        zone = policy.table.zone(subject.zone)
        if zone is not None and not Admission(zone).user(subject.user):
            yield f"{subject.user or ANONYMOUS} may not log in from zone {zone.name}"
        if site.zones[subject.zone].opcua is None:
            yield f"zone {subject.zone} has no endpoint for clients"
    account = site.accounts.get(subject.user or "")
    if account is not None and account.disabled:
        yield f"the account {subject.user} is disabled"
    seen = policy.decide(subject, Action.BROWSE, _resource(part), now)
    if action is not Action.BROWSE and not seen.allow:
        yield f"it may not be browsed, so that it does not exist for them ({seen.reason})"
    if action is Action.WRITE and not part.writable:
        yield "nobody can write it"
    if action is Action.CALL and not part.is_method:
        yield "it is no method"


def as_text(found: Answer) -> Iterator[str]:
    """The answer in words, a line at a time."""
    question, decision = found.question, found.decision
    who = f"{question.user} of zone {found.subject.zone}" if found.subject.zone else question.user
    zone = "no zone" if found.part.zone == NO_ZONE else f"zone {found.part.zone}"
    what = f"{found.part.name} of {zone}" if found.part.zone else found.part.name
    may = "may" if found.allowed else "may not"
    yield f"{who} {may} {_TOLD.get(question.action, question.action)} {what}, on {_utc(found.now)}"
    yield f"  decided by  {decision.rule}: {'allow' if decision.allow else 'deny'}"
    yield f"  because     {decision.reason}"
    if decision.conduit:
        yield f"  conduit     {decision.conduit}"
    for limits in decision.limits:
        yield f"  limits      {_limits(limits)}"
    if decision.until is not None:
        yield f"  until       {_utc(decision.until)}"
    for note in found.notes:
        yield f"  but         {note}"
    if found.considered:
        yield "rules of the conduits between the zones:"
    for each in found.considered:
        kind = "denies" if each.denies else "allows"
        verdict = kind if each.verdict == HOLDS else f"does not hold: {each.verdict}"
        yield f"  {each.rule}  {verdict}"


def _utc(ticks: int) -> str:
    return f"{to_datetime(ticks):%a %Y-%m-%d %H:%M:%S} UTC"


def _limits(limits: WriteLimits) -> str:
    parts = []
    if limits.low is not None or limits.high is not None:
        low = "any" if limits.low is None else f"{limits.low:g}"
        high = "any" if limits.high is None else f"{limits.high:g}"
        parts.append(f"{low} to {high}")
    if limits.max_step is not None:
        parts.append(f"steps of at most {limits.max_step:g}")
    if limits.per_minute is not None:
        parts.append(f"{limits.per_minute:g} a minute over conduit {limits.conduit}")
    return ", ".join(parts) or "none"
