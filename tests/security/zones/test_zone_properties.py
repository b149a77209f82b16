"""What holds for all zones, conduits and rules that there can be."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security.policy import Action, Decision, Resource, Subject, WriteLimits
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import (
    NO_ZONE,
    Conduit,
    ConduitRule,
    PartPattern,
    SecurityLevels,
    Window,
    Zone,
    ZonePolicy,
    ZoneTable,
    explain,
)
from biogate_security.zones.window import DAYS

MINUTE = 60 * 10_000_000
WEEK = 7 * 24 * 60 * MINUTE
ZONES = ("cell", "dmz", "model")
PARTS = ("U", "U/f", "U/f/v", "U/g", "U/g/v", "D/s", "")
PATTERNS = ("U", "U/*", "U/f", "U/f/v", "U/*/v", "D/*", "*")
USERS = ("ada", "mes", None)
ROLES = ("Operator", "Observer", "Supervisor", "Anonymous")
KINDS = ("Anonymous", "UserName", "Certificate")
MODES = ("None", "Sign", "SignAndEncrypt")
FACES = {("cell", "U/f/v"): ("D/s",), ("cell", "D/s"): ("U/f/v",)}


def some(values: Iterable[object]) -> st.SearchStrategy[frozenset[object] | None]:
    return st.none() | st.frozensets(st.sampled_from(tuple(values)), min_size=1)


windows = st.builds(
    lambda days, start, length: Window(tuple(days), start, (start + length) % 1440),
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1439),
)
numbers = st.none() | st.integers(0, 5).map(float)
rules = st.builds(
    ConduitRule,
    name=st.uuids().map(str),
    actions=st.frozensets(st.sampled_from(tuple(Action)), min_size=1),
    on=st.none()
    | st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(
        lambda texts: tuple(PartPattern(text) for text in texts)
    ),
    roles=some(ROLES),
    users=some(("ada", "mes")),
    authentication=some(KINDS),
    security_mode=st.sampled_from(MODES),
    window=st.none() | windows,
    per_minute=numbers,
    bounds=st.dictionaries(
        st.sampled_from(PATTERNS).map(PartPattern),
        st.builds(WriteLimits, low=numbers, high=numbers, max_step=numbers),
        max_size=2,
    ),
)
levels = st.builds(SecurityLevels, SI=st.sampled_from((0, 0, 1, 2)), DC=st.sampled_from((0, 0, 1)))
conduits = st.builds(
    Conduit,
    name=st.uuids().map(str),
    source=st.sampled_from(("dmz", "model")),
    destination=st.just("cell"),
    target=levels,
    open=st.sampled_from((True, True, False)),
    allow=st.lists(rules, max_size=4).map(tuple),
    deny=st.lists(rules, max_size=2).map(tuple),
)
tables = st.builds(
    lambda joined, targets: ZoneTable(
        tuple(
            Zone(name, "model" if name == "model" else "plant", target=target, anonymous="operate")
            for name, target in zip(ZONES, targets, strict=True)
        ),
        tuple(joined),
        FACES,
    ),
    st.lists(conduits, min_size=1, max_size=3),
    st.tuples(levels, levels, levels),
)
subjects = st.builds(
    Subject,
    user=st.sampled_from(USERS),
    roles=st.frozensets(st.sampled_from(ROLES), min_size=1),
    zone=st.sampled_from(("dmz", "model", "cell", "", NO_ZONE)),
    authentication=st.sampled_from(KINDS),
    security_mode=st.sampled_from(MODES),
)
resources = st.builds(
    lambda zone, part, device, setpoint: Resource(
        f"ns=1;s={part}", device=device, is_setpoint=setpoint, zone=zone, part=part
    ),
    st.sampled_from(("cell", "cell", "cell", "", NO_ZONE)),
    st.sampled_from(PARTS),
    st.sampled_from(("", "D")),
    st.booleans(),
)
times = st.integers(0, 2 * WEEK)
actions = st.sampled_from(tuple(Action))
asked = st.tuples(subjects, actions, resources, times)


def decide(table: ZoneTable, question: tuple[Subject, Action, Resource, int]) -> Decision:
    return ZonePolicy(RolePolicy(), table).decide(*question)


def passes(decision: Decision, value: float, step: float, count: int) -> bool:
    """Whether one write keeps the limits of a decision."""

    def keeps(limits: WriteLimits) -> bool:
        return (
            (limits.low is None or value >= limits.low)
            and (limits.high is None or value <= limits.high)
            and (limits.max_step is None or step <= limits.max_step)
            and (limits.per_minute is None or count < limits.per_minute)
        )

    alternatives = decision.limits or (WriteLimits(),)
    return decision.allow and any(keeps(limits) for limits in alternatives)


def allows_no_more(after: Decision, before: Decision) -> bool:
    """Whether all that passes `after` passed `before`, over a grid finer than the bounds."""
    grid = [number / 2 for number in range(-1, 12)]
    return all(
        passes(before, *write)
        for write in product(grid, grid[1::3], (0, 2, 5))
        if passes(after, *write)
    )


@settings(max_examples=60)
@given(tables, rules, asked, st.data())
def test_a_deny_more_never_allows_more(
    table: ZoneTable,
    rule: ConduitRule,
    question: tuple[Subject, Action, Resource, int],
    data: st.DataObject,
) -> None:
    number = data.draw(st.integers(0, len(table.conduits) - 1))
    changed = list(table.conduits)
    changed[number] = replace(changed[number], deny=(*changed[number].deny, rule))
    after = decide(replace(table, conduits=tuple(changed)), question)
    assert allows_no_more(after, decide(table, question))


@settings(max_examples=60)
@given(tables, asked, st.data())
def test_an_allow_less_never_allows_more(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int], data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(table.conduits) - 1))
    changed = list(table.conduits)
    allow = changed[number].allow
    if not allow:
        return
    gone = data.draw(st.integers(0, len(allow) - 1))
    changed[number] = replace(changed[number], allow=allow[:gone] + allow[gone + 1 :])
    after = decide(replace(table, conduits=tuple(changed)), question)
    assert allows_no_more(after, decide(table, question))


@settings(max_examples=60)
@given(tables, asked, st.data())
def test_a_closed_conduit_never_allows_more(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int], data: st.DataObject
) -> None:
    policy = ZonePolicy(RolePolicy(), table)
    before = policy.decide(*question)
    policy.set_conduit_open(data.draw(st.sampled_from(table.conduits)).name, False)
    assert allows_no_more(policy.decide(*question), before)


@settings(max_examples=60)
@given(tables, asked)
def test_without_conduits_nothing_crosses(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int]
) -> None:
    subject, _, resource, _ = question
    decision = decide(replace(table, conduits=()), question)
    if resource.zone not in ("", subject.zone):
        assert not decision.allow


@settings(max_examples=60)
@given(tables, asked, st.randoms(use_true_random=False))
def test_the_order_of_rules_conduits_and_zones_means_nothing(
    table: ZoneTable,
    question: tuple[Subject, Action, Resource, int],
    shuffler: random.Random,
) -> None:
    def shuffled(things: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(shuffler.sample(things, len(things)))

    other = ZoneTable(
        shuffled(table.zones),  # type: ignore[arg-type]
        shuffled(  # type: ignore[arg-type]
            tuple(
                replace(each, allow=shuffled(each.allow), deny=shuffled(each.deny))  # type: ignore[arg-type]
                for each in table.conduits
            )
        ),
        FACES,
    )
    assert decide(other, question) == decide(table, question)


@settings(max_examples=60)
@given(tables, asked, st.lists(asked, max_size=5))
def test_equal_questions_have_equal_answers_whatever_was_asked_before(
    table: ZoneTable,
    question: tuple[Subject, Action, Resource, int],
    others: list[tuple[Subject, Action, Resource, int]],
) -> None:
    policy = ZonePolicy(RolePolicy(), table)
    subject, action, resource, now = question
    for other in (*others, (subject, action, resource, now + WEEK // 2), question):
        policy.decide(*other)
    assert policy.decide(*question) == decide(table, question)


@settings(max_examples=60)
@given(tables, asked, st.floats(0, 1, exclude_max=True))
def test_a_decision_holds_until_it_says(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int], share: float
) -> None:
    subject, action, resource, now = question
    decision = decide(table, question)
    until = now + WEEK if decision.until is None else decision.until
    assert now < until <= now + WEEK
    later = decide(table, (subject, action, resource, now + int((until - now) * share)))
    assert (later.allow, later.rule, later.limits) == (
        decision.allow,
        decision.rule,
        decision.limits,
    )


@settings(max_examples=60)
@given(tables, asked)
def test_what_is_allowed_can_be_reached(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int]
) -> None:
    """A zone's process is given what `reaches` says: nothing that is allowed may lack there."""
    subject, action, resource, _ = question
    policy = ZonePolicy(RolePolicy(), table)
    if policy.decide(*question).allow:
        assert policy.reaches(subject.zone, action, resource.zone, resource.part)


@settings(max_examples=60)
@given(tables, asked)
def test_what_crosses_is_within_what_the_levels_and_the_roles_ask_for(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int]
) -> None:
    subject, action, resource, now = question
    decision = decide(table, question)
    if not decision.allow or resource.zone in ("", subject.zone):
        return
    for each in (subject.zone, resource.zone):
        zone = table.zone(each)
        assert zone is not None
        assert MODES.index(subject.security_mode) >= MODES.index(zone.target.least_mode)
    assert RolePolicy("operate").decide(subject, action, resource, now).allow
    if subject.zone == "model" and action is Action.WRITE:
        assert decision.limits
        for limits in decision.limits:
            assert limits.low is not None
            assert limits.high is not None


@settings(max_examples=60)
@given(tables, asked)
def test_the_explanation_names_the_rules_that_decided(
    table: ZoneTable, question: tuple[Subject, Action, Resource, int]
) -> None:
    explained = explain(ZonePolicy(RolePolicy(), table), *question)
    decision = explained.decision
    holding = {each.rule: each.denies for each in explained.considered if each.verdict == "holds"}
    if decision.rule in {each.rule for each in explained.considered}:
        assert holding[decision.rule] is not decision.allow
    if any(holding.values()):
        assert not decision.allow
