"""What is remembered of requests is found by its bytes, and bounded for each session and all."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from biogate.opcua.lanes.header import PARAMETERS
from biogate.opcua.lanes.plan_store import PlanStore

HEAD = b"h" * PARAMETERS
KEY = (1, 1, 1)


@dataclass(eq=False)
class FakePlan:
    parameters: bytes
    size: int = 100
    key: tuple[int, int, int] = KEY


class FakeSession(SimpleNamespace):
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def session() -> Any:
    return FakeSession(rights=SimpleNamespace(key=KEY), closed=False)


def parameters(number: int, length: int) -> bytes:
    return number.to_bytes(2, "big") * (length // 2)


@pytest.mark.parametrize("length", [2, 256, 258, 30_000])
def test_a_request_is_found_by_all_of_its_bytes(length: int) -> None:
    store: PlanStore[FakePlan] = PlanStore()
    asking, other = session(), session()
    plans = [FakePlan(parameters(n, length)) for n in range(5)]
    for plan in plans:
        store.learn(asking, plan)
    for plan in plans:
        assert store.find(asking, HEAD + plan.parameters) is plan
        assert store.find(other, HEAD + plan.parameters) is None
    body = plans[0].parameters
    assert store.find(asking, HEAD + body[:-1] + b"x") is None
    assert store.find(asking, HEAD + body + b"x") is None
    assert store.find(asking, HEAD + body[1:]) is None


@pytest.mark.parametrize("length", [10, 1000])
def test_a_plan_that_was_made_with_other_rights_is_void(length: int) -> None:
    store: PlanStore[FakePlan] = PlanStore()
    asking = session()
    plan = FakePlan(parameters(1, length))
    store.learn(asking, plan)
    asking.rights.key = (1, 2, 1)
    assert store.find(asking, HEAD + plan.parameters) is None
    assert store.size == 0


@pytest.mark.parametrize("length", [10, 1000])
def test_a_plan_replaces_the_one_for_the_same_request(length: int) -> None:
    store: PlanStore[FakePlan] = PlanStore()
    asking = session()
    store.learn(asking, FakePlan(parameters(1, length)))
    newer = FakePlan(parameters(1, length), size=70)
    store.learn(asking, newer)
    assert store.find(asking, HEAD + newer.parameters) is newer
    assert store.size == 70


def test_a_session_keeps_the_plans_that_it_used_last() -> None:
    store: PlanStore[FakePlan] = PlanStore(own_bytes=300)
    asking = session()
    plans = [FakePlan(parameters(n, 10)) for n in range(4)]
    for plan in plans[:3]:
        store.learn(asking, plan)
    store.find(asking, HEAD + plans[0].parameters)
    store.learn(asking, plans[3])
    kept = [store.find(asking, HEAD + plan.parameters) is plan for plan in plans]
    assert kept == [True, False, True, True]
    assert store.size == 300


def test_many_groups_of_as_many_items_are_told_apart() -> None:
    """A client that reads fifty groups in turn finds the plan of each."""
    store: PlanStore[FakePlan] = PlanStore()
    asking = session()
    plans = [FakePlan(parameters(n, 1000)) for n in range(50)]
    for plan in plans:
        store.learn(asking, plan)
    assert all(store.find(asking, HEAD + plan.parameters) is plan for plan in plans)


def test_few_plans_that_begin_and_end_alike_are_compared() -> None:
    store: PlanStore[FakePlan] = PlanStore()
    asking = session()
    plans = [FakePlan(bytes(500) + bytes((n,)) + bytes(500)) for n in range(20)]
    for plan in plans:
        store.learn(asking, plan)
    kept = [plan for plan in plans if store.find(asking, HEAD + plan.parameters) is plan]
    assert kept == plans[-8:]
    assert store.size == 800


def test_whoever_has_most_gives_up_plans_when_all_have_too_many() -> None:
    store: PlanStore[FakePlan] = PlanStore(own_bytes=1000, all_bytes=1100)
    large, small = session(), session()
    for n in range(10):
        store.learn(large, FakePlan(parameters(n, 10)))
    mine = [FakePlan(parameters(n, 10)) for n in range(3)]
    for plan in mine:
        store.learn(small, plan)
    assert store.size <= 1100
    assert all(store.find(small, HEAD + plan.parameters) is plan for plan in mine)


def test_what_is_too_large_and_what_comes_after_the_end_is_not_kept() -> None:
    store: PlanStore[FakePlan] = PlanStore(own_bytes=300)
    asking = session()
    store.learn(asking, FakePlan(b"large", size=301))
    asking.closed = True
    store.learn(asking, FakePlan(b"late"))
    assert store.size == 0


def test_a_session_that_ends_is_forgotten() -> None:
    store: PlanStore[FakePlan] = PlanStore()
    asking = session()
    store.learn(asking, FakePlan(b"x"))
    store.forget(asking)
    assert store.size == 0
