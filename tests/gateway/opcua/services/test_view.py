"""Browse, BrowseNext, TranslateBrowsePathsToNodeIds and RegisterNodes (Part 4, 5.9)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.front_end import Limits
from biogate_nodesets.model import Node
from biogate_security.policy import Action

S = ua.StatusCodes
I = ua.ObjectIds  # noqa: E741
OBJECTS, SERVER, TYPES = ua.NodeId(85), ua.NodeId(2253), ua.NodeId(86)
BASE_OBJECT_TYPE = ua.NodeId(58)
FORWARD, INVERSE, BOTH = 0, 1, 2
ALL_FIELDS = 63
FIELDS = (
    "ReferenceTypeId",
    "IsForward",
    "NodeClass",
    "BrowseName",
    "DisplayName",
    "TypeDefinition",
)


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def wanted(
    node_id: ua.NodeId,
    direction: int = FORWARD,
    type_id: ua.NodeId | None = None,
    *,
    subtypes: bool = True,
    classes: int = 0,
    mask: int = ALL_FIELDS,
) -> ua.BrowseDescription:
    return ua.BrowseDescription(node_id, direction, type_id or ua.NodeId(), subtypes, classes, mask)


def browse(client: Any, *descriptions: ua.BrowseDescription, page: int = 0) -> Any:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = page
    request.Parameters.NodesToBrowse = list(descriptions)
    return client.ask(request)


def browse_next(client: Any, *points: bytes, release: bool = False) -> Any:
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = release
    request.Parameters.ContinuationPoints = list(points)
    return client.ask(request)


def names(result: ua.BrowseResult) -> list[str]:
    assert result.StatusCode.value == S.Good
    return [reference.BrowseName.Name for reference in result.References]


# -- Browse -------------------------------------------------------------------------------------


def test_a_reference_is_described_whole(client: Any) -> None:
    (result,) = browse(client, wanted(nid("Reactor"), type_id=ua.NodeId(I.HasComponent))).Results
    assert names(result)[:2] == ["pH", "pHFloat"]
    first = result.References[0]
    assert first.ReferenceTypeId == ua.NodeId(I.HasComponent)
    assert first.IsForward is True
    assert first.NodeId == nid("pH")
    assert first.NodeClass == ua.NodeClass.Variable
    assert first.DisplayName == ua.LocalizedText("pH")
    assert first.TypeDefinition == ua.NodeId(I.BaseDataVariableType)


@pytest.mark.parametrize(
    ("bit", "field"),
    [
        (1, "ReferenceTypeId"),
        (2, "IsForward"),
        (4, "NodeClass"),
        (8, "BrowseName"),
        (16, "DisplayName"),
        (32, "TypeDefinition"),
    ],
)
def test_only_the_fields_of_the_result_mask_are_filled(client: Any, bit: int, field: str) -> None:
    (result,) = browse(
        client, wanted(nid("Reactor"), type_id=ua.NodeId(I.HasComponent), mask=bit)
    ).Results
    bare = ua.ReferenceDescription(IsForward=False, NodeId=result.References[0].NodeId)
    filled = {name for name in FIELDS if getattr(result.References[0], name) != getattr(bare, name)}
    assert filled == {field}


def test_directions(client: Any) -> None:
    forward, inverse, both = browse(
        client,
        *(wanted(nid("Reactor"), direction) for direction in (FORWARD, INVERSE, BOTH)),
    ).Results
    assert names(inverse) == ["Objects"]
    assert inverse.References[0].IsForward is False
    assert len(both.References) == len(forward.References) + len(inverse.References)


def test_reference_types_with_and_without_subtypes(client: Any) -> None:
    hierarchical = ua.NodeId(I.HierarchicalReferences)
    with_subtypes, without, exact = browse(
        client,
        wanted(OBJECTS, type_id=hierarchical),
        wanted(OBJECTS, type_id=hierarchical, subtypes=False),
        wanted(OBJECTS, type_id=ua.NodeId(I.Organizes), subtypes=False),
    ).Results
    assert {"Server", "Reactor"} <= set(names(with_subtypes))
    assert names(without) == []
    assert {"Server", "Reactor"} <= set(names(exact))


def test_the_class_mask_filters_by_the_class_of_the_target(client: Any) -> None:
    methods, variables = browse(
        client,
        wanted(nid("Reactor"), classes=ua.NodeClass.Method),
        wanted(nid("Reactor"), classes=ua.NodeClass.Variable),
    ).Results
    assert names(methods) == ["Start", "Stop"]
    assert {r.NodeClass for r in variables.References} == {ua.NodeClass.Variable}


def test_bad_operations_have_their_own_status(client: Any) -> None:
    response = browse(
        client,
        wanted(nid("Nowhere")),
        wanted(ua.NodeId()),
        wanted(OBJECTS, 3),
        wanted(OBJECTS, type_id=ua.NodeId(999_999)),
        wanted(OBJECTS, type_id=BASE_OBJECT_TYPE),
        wanted(OBJECTS),
    )
    assert [result.StatusCode.value for result in response.Results] == [
        S.BadNodeIdUnknown,
        S.BadNodeIdInvalid,
        S.BadBrowseDirectionInvalid,
        S.BadReferenceTypeIdInvalid,
        S.BadReferenceTypeIdInvalid,
        S.Good,
    ]


def test_there_are_no_views(client: Any) -> None:
    request = ua.BrowseRequest()
    request.Parameters.View.ViewId = OBJECTS
    request.Parameters.NodesToBrowse = [wanted(OBJECTS)]
    assert client.status(client.ask(request)) == S.BadViewIdUnknown


async def test_empty_requests_and_requests_over_the_limit(make_bench: Callable[..., Any]) -> None:
    client = await make_bench(
        Limits(max_nodes_per_browse=1, max_nodes_per_translate=1, max_nodes_per_register_nodes=1)
    ).session()
    assert client.status(browse(client)) == S.BadNothingToDo
    assert client.status(browse(client, *[wanted(OBJECTS)] * 2)) == S.BadTooManyOperations
    assert client.status(browse_next(client)) == S.BadNothingToDo
    assert client.status(browse_next(client, b"a", b"b")) == S.BadTooManyOperations
    assert client.status(translate(client)) == S.BadNothingToDo
    assert client.status(translate(client, *[path(OBJECTS, "a")] * 2)) == S.BadTooManyOperations
    assert client.status(register(client)) == S.BadNothingToDo
    assert client.status(register(client, OBJECTS, OBJECTS)) == S.BadTooManyOperations


def test_a_hidden_node_is_seen_from_nowhere(client: Any, bench: Any) -> None:
    bench.policy.deny(Action.BROWSE, nid("pH"))
    reactor, itself = browse(client, wanted(nid("Reactor")), wanted(nid("pH"))).Results
    assert "pH" not in names(reactor)
    assert itself.StatusCode.value == S.BadNodeIdUnknown
    assert translate(client, path(nid("Reactor"), "1:pH")).Results[0].StatusCode.value == (
        S.BadNoMatch
    )


# -- continuation points ------------------------------------------------------------------------


def test_pages_together_are_the_whole(client: Any) -> None:
    (whole,) = browse(client, wanted(nid("Reactor"))).Results
    assert whole.ContinuationPoint is None
    (page,) = browse(client, wanted(nid("Reactor")), page=4).Results
    collected = list(page.References)
    while page.ContinuationPoint:
        assert len(page.References) == 4
        (page,) = browse_next(client, page.ContinuationPoint).Parameters.Results
        collected += page.References
    assert collected == whole.References


async def test_the_server_limits_pages_by_itself(make_bench: Callable[..., Any]) -> None:
    client = await make_bench(Limits(max_references_per_node=5)).session()
    for asked in (0, 100):
        (page,) = browse(client, wanted(nid("Reactor")), page=asked).Results
        assert len(page.References) == 5
        assert page.ContinuationPoint


def test_a_point_is_used_once(client: Any) -> None:
    (page,) = browse(client, wanted(nid("Reactor")), page=4).Results
    point = page.ContinuationPoint
    assert browse_next(client, point).Parameters.Results[0].StatusCode.value == S.Good
    assert (
        browse_next(client, point).Parameters.Results[0].StatusCode.value
        == S.BadContinuationPointInvalid
    )


@pytest.mark.parametrize("point", [None, b"", b"x" * 16, b"0"])
def test_an_invented_point_is_invalid(client: Any, point: bytes | None) -> None:
    (result,) = browse_next(client, point).Parameters.Results
    assert result.StatusCode.value == S.BadContinuationPointInvalid


def test_released_points_are_gone_and_answer_with_nothing(client: Any) -> None:
    (page,) = browse(client, wanted(nid("Reactor")), page=4).Results
    response = browse_next(client, page.ContinuationPoint, release=True)
    assert (client.status(response), response.Parameters.Results) == (S.Good, [])
    (result,) = browse_next(client, page.ContinuationPoint).Parameters.Results
    assert result.StatusCode.value == S.BadContinuationPointInvalid


async def test_a_point_belongs_to_its_session(client: Any, bench: Any) -> None:
    (page,) = browse(client, wanted(nid("Reactor")), page=4).Results
    other = await bench.session(2)
    (result,) = browse_next(other, page.ContinuationPoint).Parameters.Results
    assert result.StatusCode.value == S.BadContinuationPointInvalid
    assert (
        browse_next(client, page.ContinuationPoint).Parameters.Results[0].StatusCode.value == S.Good
    )


def test_a_point_does_not_survive_a_change_of_rights(client: Any, bench: Any) -> None:
    (page,) = browse(client, wanted(nid("Reactor")), page=4).Results
    bench.policy.epoch += 1
    (result,) = browse_next(client, page.ContinuationPoint).Parameters.Results
    assert result.StatusCode.value == S.BadContinuationPointInvalid


async def test_one_request_may_use_all_points_but_no_more(make_bench: Callable[..., Any]) -> None:
    """Part 4, 7.9: the remaining operations fail, and a new request takes over old points."""
    client = await make_bench(Limits(max_browse_continuation_points=2)).session()
    response = browse(client, *[wanted(nid("Reactor"))] * 3, page=4)
    codes = [result.StatusCode.value for result in response.Results]
    assert codes == [S.Good, S.Good, S.BadNoContinuationPoints]
    assert not response.Results[2].References
    newer = browse(client, wanted(nid("Reactor")), page=4).Results[0].ContinuationPoint
    points = [result.ContinuationPoint for result in response.Results[:2]]
    results = browse_next(client, *points, newer).Parameters.Results
    assert [r.StatusCode.value for r in results] == [
        S.BadContinuationPointInvalid,
        S.Good,
        S.Good,
    ]


# -- TranslateBrowsePathsToNodeIds --------------------------------------------------------------


def path(start: ua.NodeId, *elements: str | ua.RelativePathElement) -> ua.BrowsePath:
    made = [
        element
        if isinstance(element, ua.RelativePathElement)
        else ua.RelativePathElement(
            ua.NodeId(I.HierarchicalReferences), False, True, ua.QualifiedName.from_string(element)
        )
        for element in elements
    ]
    return ua.BrowsePath(start, ua.RelativePath(made))


def translate(client: Any, *paths: ua.BrowsePath) -> Any:
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    request.Parameters.BrowsePaths = list(paths)
    return client.ask(request)


def targets(client: Any, browse_path: ua.BrowsePath) -> list[ua.NodeId]:
    (result,) = translate(client, browse_path).Results
    assert result.StatusCode.value == S.Good
    assert {target.RemainingPathIndex for target in result.Targets} == {0xFFFF_FFFF}
    return [target.TargetId for target in result.Targets]


def test_a_path_leads_to_its_node(client: Any) -> None:
    assert targets(client, path(OBJECTS, "0:Server", "0:ServerStatus", "0:CurrentTime")) == [
        ua.NodeId(I.Server_ServerStatus_CurrentTime)
    ]


def test_a_path_may_go_backwards_and_over_any_reference(client: Any) -> None:
    up = ua.RelativePathElement(
        ua.NodeId(I.HasComponent), True, True, ua.QualifiedName("Reactor", 1)
    )
    down = ua.RelativePathElement(ua.NodeId(), False, True, ua.QualifiedName("Row", 1))
    assert targets(client, path(nid("pH"), up, down)) == [nid("Row")]


def test_each_path_has_its_own_status(client: Any) -> None:
    no_name = ua.RelativePathElement(ua.NodeId(), False, True, ua.QualifiedName())
    no_type = ua.RelativePathElement(BASE_OBJECT_TYPE, False, True, ua.QualifiedName("Server", 0))
    response = translate(
        client,
        path(OBJECTS, "0:Nothing"),
        path(OBJECTS, "1:Server"),
        path(nid("Nowhere"), "0:Server"),
        path(ua.NodeId(), "0:Server"),
        path(OBJECTS),
        path(OBJECTS, "0:Server", no_name),
        path(OBJECTS, no_name, "0:Server"),
        path(OBJECTS, no_type),
        path(OBJECTS, *["0:Server"] * 101),
        path(OBJECTS, "0:Server"),
    )
    assert [result.StatusCode.value for result in response.Results] == [
        S.BadNoMatch,
        S.BadNoMatch,
        S.BadNodeIdUnknown,
        S.BadNodeIdInvalid,
        S.BadNothingToDo,
        S.BadBrowseNameInvalid,
        S.BadBrowseNameInvalid,
        S.BadReferenceTypeIdInvalid,
        S.BadQueryTooComplex,
        S.Good,
    ]


async def test_a_path_that_goes_up_and_down_is_walked_within_a_budget(
    make_bench: Callable[..., Any],
) -> None:
    """Each step up and down multiplies the ways; the nodes of a step are still a set."""
    client = await make_bench(Limits(max_translate_steps=5000)).session()
    up = ua.RelativePathElement(ua.NodeId(), True, True, ua.QualifiedName("Reactor", 1))
    down = ua.RelativePathElement(ua.NodeId(), False, True, ua.QualifiedName("pH", 1))
    assert targets(client, path(nid("pH"), *[up, down] * 10)) == [nid("pH")]
    response = translate(client, *[path(nid("pH"), *[up, down] * 45)] * 20, path(OBJECTS, "0:X"))
    codes = [result.StatusCode.value for result in response.Results]
    assert codes[0] == S.Good
    assert codes[-1] == S.BadQueryTooComplex


# -- RegisterNodes ------------------------------------------------------------------------------


def register(client: Any, *node_ids: ua.NodeId) -> Any:
    request = ua.RegisterNodesRequest()
    request.Parameters.NodesToRegister = list(node_ids)
    return client.ask(request)


def test_registered_nodes_are_read_and_unregistered(client: Any) -> None:
    """Part 4, 5.9.5.2: an unknown node is no error."""
    asked = [nid("Constant"), nid("Nowhere")]
    aliases = register(client, *asked).Parameters.RegisteredNodeIds
    assert len(aliases) == 2
    assert client.read(ua.ReadValueId(aliases[0], 13)).Results[0].Value.Value == 42
    request = ua.UnregisterNodesRequest()
    request.Parameters.NodesToUnregister = aliases
    assert client.status(client.ask(request)) == S.Good


def test_a_null_node_id_refuses_the_whole_registration(client: Any) -> None:
    """Part 4, 5.9.5.3."""
    assert client.status(register(client, nid("Constant"), ua.NodeId())) == S.BadNodeIdInvalid
    assert client.status(register(client)) == S.BadNothingToDo


async def test_a_path_with_too_many_targets_is_refused(
    make_bench: Callable[..., Any], plant: Any
) -> None:
    """Part 4, 5.9.4.4: of same BrowseNames, all are targets."""
    twins = [twin(f"Twin{n}") for n in range(2)]
    plant.space.add_nodes(twins)
    try:
        for limit, status in ((2, S.Good), (1, S.BadTooManyMatches)):
            client = await make_bench(Limits(max_translate_matches=limit)).session()
            (result,) = translate(client, path(nid("Reactor"), "1:Twin")).Results
            assert result.StatusCode.value == status
            found = [target.TargetId for target in result.Targets]
            assert found == ([nid("Twin0"), nid("Twin1")] if status == S.Good else [])
    finally:
        plant.space.remove_nodes([node.node_id for node in twins])


def twin(name: str) -> Node:
    node = Node(nid(name), ua.NodeClass.Object, ua.QualifiedName("Twin", 1), ua.LocalizedText(name))
    node.add_reference(ua.NodeId(I.HasComponent), nid("Reactor"), forward=False)
    return node


async def test_continuation_points_take_little_memory(client: Any) -> None:
    """Mandatory is what thousands of nodes refer to, and a hundred sessions may hold points."""
    limits = client.front_end.context.config.limits
    tracemalloc.start()
    try:
        for mask in range(limits.max_browse_continuation_points):
            description = ua.BrowseDescription(
                ua.NodeId(78), ua.BrowseDirection.Both, ua.NodeId(), True, 0, mask
            )
            request = ua.BrowseRequest()
            request.Parameters.RequestedMaxReferencesPerNode = 1
            request.Parameters.NodesToBrowse = [description]
            (result,) = (await client.ask_async(request)).Results
            assert result.ContinuationPoint
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
