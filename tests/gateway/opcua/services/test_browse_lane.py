"""What was browsed before is answered from encoded pages and plans: with the same bytes, and only
while nothing has changed (Part 4, 5.9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message
from biogate.opcua.front_end import Limits
from biogate.opcua.space.browse import Page, first_page
from biogate.opcua.space.browse_cache import BrowseCache
from biogate.opcua.space.work_budget import WorkBudget
from biogate_nodesets.model import Node, Reference
from biogate_security.policy import Action

S = ua.StatusCodes
I = ua.ObjectIds  # noqa: E741
OBJECTS = ua.NodeId(I.ObjectsFolder)


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


NODES = [
    OBJECTS,
    nid("Reactor"),
    nid("pH"),
    nid("Start"),
    nid("Nowhere"),
    ua.NodeId(I.BaseObjectType),
]
TYPES = [
    I.References,
    I.HierarchicalReferences,
    I.Organizes,
    I.HasComponent,
    I.HasTypeDefinition,
    0,
]

descriptions = st.builds(
    ua.BrowseDescription,
    NodeId=st.sampled_from(NODES),
    BrowseDirection=st.sampled_from(list(ua.BrowseDirection)),
    ReferenceTypeId=st.sampled_from([ua.NodeId(number) for number in TYPES]),
    IncludeSubtypes=st.booleans(),
    NodeClassMask=st.integers(0, 255),
    ResultMask=st.integers(0, 63),
)


def message(client: Any, asked: list[ua.BrowseDescription], page: int = 0, **header: Any) -> bytes:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = page
    request.Parameters.NodesToBrowse = asked
    request.RequestHeader = ua.RequestHeader(client.token, RequestHandle=7, **header)
    return encode_message(request)


def answer(client: Any, asked: list[ua.BrowseDescription], page: int = 0, **header: Any) -> bytes:
    """With an AuditEntryId the ordinary path gives it."""
    sent: bytes = client.handle.sent[client.send_bytes(message(client, asked, page, **header))]
    return sent


def has_plan(client: Any, asked: list[ua.BrowseDescription], page: int = 0) -> bool:
    plans = client.front_end.context.browse_plans
    return plans.find(_session(client), message(client, asked, page)) is not None


def wanted(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(node, ua.BrowseDirection.Forward, ResultMask=63)


@given(asked=st.lists(descriptions, min_size=1, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_answer_is_the_same_at_first_from_pages_and_by_plan(
    make_bench: Callable[..., Any], asked: list[ua.BrowseDescription]
) -> None:
    async def run() -> None:
        client = await make_bench().session()
        first = answer(client, asked, AuditEntryId="x")
        pages = answer(client, asked)
        plan = answer(client, asked)
        assert first == pages == plan

    asyncio.run(run())


async def test_sessions_of_the_same_rights_share_pages(bench: Any) -> None:
    one, other = await bench.session(1), await bench.session(2)
    answer(one, [wanted(nid("Reactor"))])
    size = bench.front_end.context.browse_pages.size
    first = answer(other, [wanted(nid("Reactor"))])
    assert bench.front_end.context.browse_pages.size == size
    assert has_plan(other, [wanted(nid("Reactor"))])
    assert first == answer(other, [wanted(nid("Reactor"))])


async def test_a_node_that_is_hidden_disappears_at_once(client: Any, bench: Any) -> None:
    asked = [wanted(nid("Reactor"))]
    for _ in range(2):
        answer(client, asked)
    assert has_plan(client, asked)
    bench.policy.deny(Action.BROWSE, nid("pH"))
    assert not has_plan(client, asked)
    (result,) = client.ask(_request(asked)).Results
    names = [reference.BrowseName.Name for reference in result.References]
    assert "pH" not in names
    assert "SetPoint" in names


async def test_a_change_of_the_address_space_is_seen_at_once(
    client: Any, bench: Any, plant: Any
) -> None:
    asked = [wanted(nid("Reactor"))]
    before = answer(client, asked)
    reactor = plant.space.get(nid("Reactor"))
    text, reactor.display_name = reactor.display_name, ua.LocalizedText("Other")
    answer(client, [wanted(OBJECTS)])
    assert answer(client, asked) == before
    plant.space.epoch += 1
    (result,) = client.ask(_request([wanted(OBJECTS)])).Results
    assert "Other" in [reference.DisplayName.Text for reference in result.References]
    reactor.display_name = text
    plant.space.epoch += 1


def _request(asked: list[ua.BrowseDescription]) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    request.Parameters.NodesToBrowse = asked
    return request


async def test_what_has_a_continuation_point_gets_a_new_one_each_time(client: Any) -> None:
    asked = [wanted(nid("Reactor"))]
    points = set()
    for _ in range(3):
        request = _request(asked)
        request.Parameters.RequestedMaxReferencesPerNode = 4
        (page,) = client.ask(request).Results
        assert len(page.References) == 4
        points.add(page.ContinuationPoint)
    assert len(points) == 3
    assert not has_plan(client, asked, 4)


async def test_a_page_that_is_known_costs_no_budget(make_bench: Callable[..., Any]) -> None:
    client = await make_bench(Limits(max_browse_steps=100)).session()
    codes = [r.StatusCode.value for r in client.ask(_request([wanted(nid("Reactor"))] * 3)).Results]
    assert codes == [S.Good] * 3


async def test_a_browse_may_be_interrupted_at_every_reference(client: Any, bench: Any) -> None:
    """Steps are what `turns` cuts long requests at."""
    context, session = bench.front_end.context, _session(client)
    work = first_page(
        context.space, session.rights, wanted(nid("Reactor")), 1000, WorkBudget(10_000)
    )
    steps, (whole, key) = run_through(work)
    assert steps >= 2 * whole.count > 20
    assert key == session.rights.key


async def test_what_changes_in_the_middle_of_a_browse_is_looked_at_again(
    client: Any, bench: Any
) -> None:
    context, session = bench.front_end.context, _session(client)
    budget = WorkBudget(10_000)
    for steps_before in (1, 60):
        bench.policy.denied.clear()
        bench.policy.epoch += 1
        _, (all_of_them, _) = run_through(
            first_page(context.space, session.rights, wanted(nid("Reactor")), 1000, budget)
        )
        work = first_page(context.space, session.rights, wanted(nid("Reactor")), 1000, budget)
        for _ in range(steps_before):
            next(work)
        bench.policy.deny(Action.BROWSE, nid("pH"))
        _, (left, key) = run_through(work)
        assert left.count == all_of_them.count - 1
        assert key == session.rights.key


def _session(client: Any) -> Any:
    return client.front_end.context.sessions.find(client.token)


def run_through(work: Any) -> tuple[int, Any]:
    """The number of steps, and the result."""
    steps = 0
    while True:
        try:
            next(work)
        except StopIteration as done:
            return steps, done.value
        steps += 1


# -- the cache itself ---------------------------------------------------------------------------

KEY = (1, 1, 1)


def page(size: int, rest: int = 0) -> Page:
    reference = Reference(OBJECTS, OBJECTS, forward=True)
    node = Node(OBJECTS, ua.NodeClass.Object, ua.QualifiedName("Objects"), ua.LocalizedText())
    return Page(1, bytes(size), [(reference, node)] * rest)


def test_the_cache_is_bounded_and_keeps_what_was_used_last() -> None:
    cache = BrowseCache(max_bytes=100_000)
    cache.find(wanted(OBJECTS), 1, KEY)
    for number in range(100):
        cache.keep(wanted(ua.NodeId(number)), 1, KEY, page(9000))
        assert cache.find(wanted(ua.NodeId(0)), 1, KEY) is not None
        assert cache.size <= 100_000
    assert cache.find(wanted(ua.NodeId(50)), 1, KEY) is None


@pytest.mark.parametrize("large", [page(20_000), page(1, rest=2000)])
def test_a_page_that_would_fill_the_cache_is_not_kept(large: Page) -> None:
    cache = BrowseCache(max_bytes=100_000)
    cache.find(wanted(OBJECTS), 1, KEY)
    cache.keep(wanted(OBJECTS), 1, KEY, large)
    assert cache.size == 0


@pytest.mark.parametrize("other", [(1, 2, 1), (1, 1, 2)])
def test_pages_of_another_epoch_are_neither_found_nor_kept(other: tuple[int, int, int]) -> None:
    cache = BrowseCache()
    cache.find(wanted(OBJECTS), 1, KEY)
    cache.keep(wanted(OBJECTS), 1, KEY, page(10))
    assert cache.find(wanted(OBJECTS), 1, other) is None
    assert cache.size == 0
    cache.keep(wanted(OBJECTS), 1, KEY, page(10))
    assert cache.size == 0


@pytest.mark.parametrize(
    "change",
    [
        {"NodeId": nid("pH")},
        {"BrowseDirection": ua.BrowseDirection.Both},
        {"ReferenceTypeId": ua.NodeId(I.Organizes)},
        {"IncludeSubtypes": False},
        {"NodeClassMask": 1},
        {"ResultMask": 1},
    ],
)
def test_another_question_has_another_page(change: dict[str, Any]) -> None:
    cache = BrowseCache()
    cache.find(wanted(OBJECTS), 1, KEY)
    cache.keep(wanted(OBJECTS), 1, KEY, page(10))
    other = wanted(OBJECTS)
    for name, value in change.items():
        setattr(other, name, value)
    assert cache.find(other, 1, KEY) is None
    assert cache.find(wanted(OBJECTS), 2, KEY) is None
    assert cache.find(wanted(OBJECTS), 1, (2, 1, 1)) is None
    assert cache.find(wanted(OBJECTS), 1, KEY) is not None
