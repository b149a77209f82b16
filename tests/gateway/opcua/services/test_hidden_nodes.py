"""What may not be browsed does not exist: every service answers as for a node that never was.

OPC UA Part 3, 8.55 (PermissionType Browse); IEC 62443-3-3, SR 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security.policy import Action

I = ua.ObjectIds  # noqa: E741
S = ua.StatusCodes
OBJECTS, TYPES = ua.NodeId(I.ObjectsFolder), ua.NodeId(63)
NAMES = ("Reactor", "pH", "SetPoint", "Constant", "Matrix", "Start", "Start.InputArguments", "Stop")
ABSENT = ua.NodeId("Nowhere", 1)
BOTH = 2


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def hide(bench: Any, names: set[str]) -> None:
    bench.policy.denied.clear()
    bench.policy.epoch += 1
    for name in names:
        bench.policy.deny(Action.BROWSE, nid(name))


def browse(node: ua.NodeId) -> Any:
    request = ua.BrowseRequest()
    request.Parameters.NodesToBrowse = [ua.BrowseDescription(node, BOTH, ua.NodeId(), True, 0, 63)]
    return request


def read(node: ua.NodeId) -> Any:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=attribute) for attribute in range(1, 28)
    ]
    return request


def write(node: ua.NodeId) -> Any:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(node, ua.AttributeIds.Value, Value=ua.DataValue(ua.Variant(1.0)))
    ]
    return request


def translate(node: ua.NodeId) -> Any:
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    element = ua.RelativePathElement(IsInverse=False, TargetName=ua.QualifiedName("pH", 1))
    request.Parameters.BrowsePaths = [ua.BrowsePath(node, ua.RelativePath([element]))]
    return request


def call_object(node: ua.NodeId) -> Any:
    return _call(node, nid("Stop"))


def call_method(node: ua.NodeId) -> Any:
    return _call(OBJECTS, node)


def _call(owner: ua.NodeId, method: ua.NodeId) -> Any:
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [ua.CallMethodRequest(owner, method, [])]
    return request


def history(node: ua.NodeId) -> Any:
    request = ua.HistoryReadRequest()
    details = ua.ReadRawModifiedDetails(NumValuesPerNode=5)
    request.Parameters.HistoryReadDetails = details
    request.Parameters.NodesToRead = [ua.HistoryReadValueId(NodeId=node)]
    return request


REQUESTS: tuple[Callable[[ua.NodeId], Any], ...] = (
    browse,
    read,
    write,
    translate,
    call_object,
    call_method,
    history,
)


def results(response: Any) -> Any:
    return getattr(response, "Results", None) or response.Parameters.Results


@pytest.mark.parametrize(("name", "request_for"), list(product(NAMES, REQUESTS)))
async def test_a_hidden_node_is_answered_like_one_that_never_was(
    client: Any, bench: Any, name: str, request_for: Callable[[ua.NodeId], Any]
) -> None:
    hide(bench, {name})
    hidden, absent = [
        results(await client.ask_async(request_for(node))) for node in (nid(name), ABSENT)
    ]
    assert hidden == absent


@pytest.mark.parametrize("attribute", [ua.AttributeIds.Value, ua.AttributeIds.EventNotifier,
                                       ua.AttributeIds.DisplayName])  # fmt: skip
async def test_an_item_of_a_hidden_node_cannot_be_made(
    client: Any, bench: Any, attribute: int
) -> None:
    made = await client.ask_async(ua.CreateSubscriptionRequest())
    hide(bench, {"Reactor", "pH"})
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = made.Parameters.SubscriptionId
    request.Parameters.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(ItemToMonitor=ua.ReadValueId(node, attribute))
        for node in (nid("Reactor"), nid("pH"), ABSENT)
    ]
    found = (await client.ask_async(request)).Results
    assert {result.StatusCode.value for result in found} == {S.BadNodeIdUnknown}


def test_no_reference_leads_to_a_hidden_node(client: Any, bench: Any) -> None:
    """In both directions, and with continuation points."""

    @settings(max_examples=25, deadline=None)
    @given(st.sets(st.sampled_from(NAMES)), st.integers(0, 3))
    def holds(hidden: set[str], page: int) -> None:
        hide(bench, hidden)
        nodes = [OBJECTS, TYPES, *(nid(name) for name in NAMES)]
        seen = {found for node in nodes for found in targets(client, node, page)}
        assert not seen & {nid(name) for name in hidden}
        assert hidden or {nid(name) for name in NAMES} <= seen

    holds()


def targets(client: Any, node: ua.NodeId, page: int) -> set[ua.NodeId]:
    """What the references of a node lead to, `page` at a time."""
    request = browse(node)
    request.Parameters.RequestedMaxReferencesPerNode = page
    (result,) = client.ask(request).Results
    found = set()
    while True:
        for each in result.References or []:
            found.add(ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex))
        if not result.ContinuationPoint:
            return found
        result = browse_next(client, result.ContinuationPoint)


def browse_next(client: Any, point: bytes) -> Any:
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.ContinuationPoints = [point]
    (result,) = client.ask(request).Parameters.Results
    return result


def test_no_path_of_names_leads_to_a_hidden_node_or_through_one(client: Any, bench: Any) -> None:
    def steps(*names: str) -> ua.RelativePath:
        return ua.RelativePath(
            [
                ua.RelativePathElement(IsInverse=False, TargetName=ua.QualifiedName(name, 1))
                for name in names
            ]
        )

    @settings(max_examples=25, deadline=None)
    @given(st.sets(st.sampled_from(NAMES)), st.sampled_from(("pH", "Start")))
    def holds(hidden: set[str], name: str) -> None:
        hide(bench, hidden)
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [ua.BrowsePath(OBJECTS, steps("Reactor", name))]
        (found,) = client.ask(request).Results
        if hidden & {"Reactor", name}:
            assert (found.StatusCode.value, found.Targets) == (S.BadNoMatch, [])
        else:
            assert found.StatusCode.value == S.Good

    holds()


def test_a_continuation_point_ends_with_the_rights_that_it_was_made_under(
    client: Any, bench: Any
) -> None:
    hide(bench, set())
    request = browse(nid("Reactor"))
    request.Parameters.RequestedMaxReferencesPerNode = 2
    (result,) = client.ask(request).Results
    hide(bench, {"Matrix"})
    after = browse_next(client, result.ContinuationPoint)
    assert after.StatusCode.value == S.BadContinuationPointInvalid
