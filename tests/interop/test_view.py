"""View: Browse, BrowseNext, TranslateBrowsePathsToNodeIds, RegisterNodes, with two clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from interop.asking import (
    HAS_COMPONENT,
    HAS_PROPERTY,
    HAS_TYPE_DEFINITION,
    HIERARCHICAL,
    OBJECTS,
    ORGANIZES,
    ROOT,
    SERVER_OBJECT,
    TYPES,
    UNKNOWN,
    VIEWS,
    S,
    browse,
    clause,
    description,
    read,
    value_of,
)
from interop.wire import Wire, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

BIG_SIZE = 5000


def targets(result: dict[str, Any]) -> list[str]:
    return [reference["NodeId"] for reference in result["References"]]


async def next_results(wire: Wire, *points: str, release: bool = False) -> list[dict[str, Any]]:
    answer = await wire.ask(
        "BrowseNext", ReleaseContinuationPoints=release, ContinuationPoints=list(points)
    )
    return list(answer["Results"])


@clause("Part 4, 5.9.2.1")
async def test_the_standard_folders_are_below_root(any_wire):
    (result,) = await browse(any_wire, description(ROOT))
    assert result["StatusCode"] == S.Good
    assert {OBJECTS, TYPES, VIEWS} <= set(targets(result))


@clause("Part 4, 5.9.2.2")
async def test_a_node_is_found_from_its_parent_and_back(wire, server):
    (down,) = await browse(wire, description(server.id("Fixture")))
    assert server.id("Int32RW") in targets(down)
    (up,) = await browse(wire, description(server.id("Int32RW"), BrowseDirection=1))
    assert server.id("Fixture") in targets(up)
    assert not any(reference["IsForward"] for reference in up["References"])


@clause("Part 4, 5.9.2.2")
async def test_both_directions_are_the_sum_of_each(wire, server):
    node = server.id("Fixture")
    results = await browse(
        wire,
        *(description(node, BrowseDirection=direction) for direction in (0, 1, 2)),
    )
    assert sorted(targets(results[2])) == sorted(targets(results[0]) + targets(results[1]))


@clause("Part 4, 5.9.2.2")
@pytest.mark.parametrize(("mask", "classes"), [(2, {2}), (4, {4}), (6, {2, 4}), (64, set())])
async def test_a_class_mask_filters(wire, server, mask, classes):
    (result,) = await browse(wire, description(server.id("Fixture"), NodeClassMask=mask))
    assert {reference["NodeClass"] for reference in result["References"]} == classes


@clause("Part 4, 5.9.2.2")
async def test_a_reference_type_filters_with_and_without_its_subtypes(wire):
    exact, widened, all_of_them = await browse(
        wire,
        description(SERVER_OBJECT, ReferenceTypeId=HIERARCHICAL, IncludeSubtypes=False),
        description(SERVER_OBJECT, ReferenceTypeId=HIERARCHICAL, IncludeSubtypes=True),
        description(SERVER_OBJECT, ReferenceTypeId="", IncludeSubtypes=False),
    )
    assert targets(exact) == []
    kinds = {reference["ReferenceTypeId"] for reference in widened["References"]}
    assert {HAS_COMPONENT, HAS_PROPERTY} <= kinds
    assert HAS_TYPE_DEFINITION in {r["ReferenceTypeId"] for r in all_of_them["References"]}


FIELDS = {
    1: "ReferenceTypeId",
    4: "NodeClass",
    8: "BrowseName",
    16: "DisplayName",
    32: "TypeDefinition",
}
NOTHING = (None, 0, "", "ns=0;i=0", "0:")


@clause("Part 4, 5.9.2.2")
@pytest.mark.parametrize("mask", [0, 1, 2, 4, 8, 16, 32, 63])
async def test_a_result_mask_says_which_fields_are_filled(wire, server, mask):
    (result,) = await browse(wire, description(server.id("Fixture"), ResultMask=mask))
    reference = next(r for r in result["References"] if r["NodeId"] == server.id("Int32RW"))
    for bit, name in FIELDS.items():
        assert (reference[name] not in NOTHING) == bool(mask & bit), name
    assert reference["IsForward"] is bool(mask & 2)


@clause("Part 4, 5.9.2.4")
async def test_each_node_of_a_browse_has_its_own_result(wire):
    results = await browse(
        wire,
        description(UNKNOWN),
        description(ROOT, BrowseDirection=3),
        description(ROOT, ReferenceTypeId=OBJECTS),
        description(ROOT, ReferenceTypeId=UNKNOWN),
        description(""),
        description(ROOT),
    )
    assert [r["StatusCode"] for r in results[:4]] == [
        S.BadNodeIdUnknown,
        S.BadBrowseDirectionInvalid,
        S.BadReferenceTypeIdInvalid,
        S.BadReferenceTypeIdInvalid,
    ]
    assert results[4]["StatusCode"] in (S.BadNodeIdUnknown, S.BadNodeIdInvalid)
    assert results[5]["StatusCode"] == S.Good


@clause("Part 4, 5.9.2.3")
async def test_an_empty_browse_is_nothing_to_do(any_wire):
    assert await refused(any_wire, "Browse", NodesToBrowse=[]) == S.BadNothingToDo


@clause("Part 4, 5.9.2.3")
async def test_an_unknown_view_is_unknown(wire):
    status = await refused(
        wire, "Browse", View={"ViewId": UNKNOWN}, NodesToBrowse=[description(ROOT)]
    )
    assert status == S.BadViewIdUnknown


@clause("Part 4, 5.9.3.1")
@pytest.mark.parametrize("maximum", [1, 3, 4])
async def test_the_parts_of_a_browse_make_the_whole(wire, server, maximum):
    (whole,) = await browse(wire, description(server.id("Fixture")))
    (part,) = await browse(wire, description(server.id("Fixture")), maximum=maximum)
    found = targets(part)
    while part["ContinuationPoint"]:
        (part,) = await next_results(wire, part["ContinuationPoint"])
        assert part["StatusCode"] == S.Good
        assert len(part["References"]) <= maximum
        found += targets(part)
    assert found == targets(whole)


@clause("Part 4, 7.9")
async def test_a_large_folder_comes_in_parts_without_loss(wire, server):
    (part,) = await browse(wire, description(server.id("Big")))
    found = targets(part)
    while part["ContinuationPoint"]:
        (part,) = await next_results(wire, part["ContinuationPoint"])
        found += targets(part)
    assert len(found) == len(set(found)) == BIG_SIZE


@clause("Part 4, 7.9")
async def test_a_released_continuation_point_is_gone(wire, server):
    (part,) = await browse(wire, description(server.id("Big")), maximum=10)
    point = part["ContinuationPoint"]
    assert await next_results(wire, point, release=True) == []
    (again,) = await next_results(wire, point)
    assert again["StatusCode"] == S.BadContinuationPointInvalid


@clause("Part 4, 7.9")
async def test_a_used_continuation_point_is_gone(wire, server):
    (part,) = await browse(wire, description(server.id("Big")), maximum=10)
    point = part["ContinuationPoint"]
    (following,) = await next_results(wire, point)
    (again,) = await next_results(wire, point)
    await next_results(wire, following["ContinuationPoint"], release=True)
    assert following["ContinuationPoint"] == point or (
        again["StatusCode"] == S.BadContinuationPointInvalid
    )


@clause("Part 4, 5.9.3.4")
async def test_an_invented_continuation_point_is_invalid(wire):
    results = await next_results(wire, "00112233", "ff" * 40)
    assert {r["StatusCode"] for r in results} == {S.BadContinuationPointInvalid}


@clause("Part 4, 7.9")
async def test_a_continuation_point_belongs_to_its_session(open_wire, server):
    mine, other = await open_wire(), await open_wire()
    (part,) = await browse(mine, description(server.id("Big")), maximum=10)
    (stolen,) = await next_results(other, part["ContinuationPoint"])
    assert stolen["StatusCode"] == S.BadContinuationPointInvalid
    (own,) = await next_results(mine, part["ContinuationPoint"])
    assert own["StatusCode"] == S.Good


@clause("Part 4, 5.9.3.3")
async def test_an_empty_browse_next_is_nothing_to_do(wire):
    assert await refused(wire, "BrowseNext", ContinuationPoints=[]) == S.BadNothingToDo


@clause("Part 5, 6.3.1")
async def test_as_many_continuation_points_as_promised_are_given(open_wire, server):
    wire = await open_wire()
    promised = await value_of(wire, "ns=0;i=2735")
    assert promised >= 5
    parts = [(await browse(wire, description(server.id("Big")), maximum=10))[0] for _ in range(5)]
    assert all(part["ContinuationPoint"] for part in parts)
    nexts = await next_results(wire, *(part["ContinuationPoint"] for part in parts))
    assert {part["StatusCode"] for part in nexts} == {S.Good}


@clause("Part 4, 7.9")
async def test_a_request_gets_no_more_continuation_points_than_promised(open_wire, server):
    wire = await open_wire()
    promised = await value_of(wire, "ns=0;i=2735")
    parts = await browse(wire, *[description(server.id("Big"))] * (promised + 1), maximum=1)
    assert sum(bool(part["ContinuationPoint"]) for part in parts) == promised
    statuses = {part["StatusCode"] for part in parts if not part["ContinuationPoint"]}
    assert statuses == {S.BadNoContinuationPoints}


@clause("Part 4, 7.9")
async def test_older_continuation_points_make_room(open_wire, server):
    wire = await open_wire()
    promised = await value_of(wire, "ns=0;i=2735")
    first = None
    for _ in range(promised + 1):
        (part,) = await browse(wire, description(server.id("Big")), maximum=1)
        assert part["StatusCode"] == S.Good
        first = first or part["ContinuationPoint"]
    (oldest,) = await next_results(wire, first)
    assert oldest["StatusCode"] == S.BadContinuationPointInvalid


@clause("Part 5, 6.3.11")
async def test_more_than_max_nodes_per_browse_is_too_many_operations(wire):
    limit = await value_of(wire, "ns=0;i=11710")
    nodes = [description(ROOT, NodeClassMask=4)] * (limit + 1)
    assert limit > 0
    assert await refused(wire, "Browse", NodesToBrowse=nodes) == S.BadTooManyOperations


# -- TranslateBrowsePathsToNodeIds -----------------------------------------------------------------


def path(start: str, *names: str | None, **element: Any) -> dict[str, Any]:
    elements = [
        {
            "ReferenceTypeId": HIERARCHICAL,
            "IsInverse": False,
            "IncludeSubtypes": True,
            "TargetName": name,
        }
        | element
        for name in names
    ]
    return {"StartingNode": start, "RelativePath": {"Elements": elements}}


async def translate(wire: Wire, *paths: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await wire.ask("TranslateBrowsePathsToNodeIds", BrowsePaths=list(paths))
    return list(answer["Results"])


@clause("Part 4, 5.9.4.1")
async def test_a_path_leads_to_its_node(any_wire, server):
    name = f"{server.namespace}:Int32RW"
    found, standard = await translate(
        any_wire,
        path(server.id("Fixture"), name),
        path(ROOT, "0:Objects", "0:Server", "0:ServerStatus", "0:CurrentTime"),
    )
    assert [t["TargetId"] for t in found["Targets"]] == [server.id("Int32RW")]
    assert [t["TargetId"] for t in standard["Targets"]] == ["ns=0;i=2258"]
    assert found["Targets"][0]["RemainingPathIndex"] == 0xFFFFFFFF


@clause("Part 4, 7.30")
async def test_a_path_can_go_against_the_references(wire, server):
    name = f"{server.namespace}:Fixture"
    (result,) = await translate(wire, path(server.id("Int32RW"), name, IsInverse=True))
    assert [t["TargetId"] for t in result["Targets"]] == [server.id("Fixture")]


@clause("Part 4, 5.9.4.4")
async def test_each_path_has_its_own_result(wire):
    results = await translate(
        wire,
        path(ROOT, "0:Nothing"),
        path(UNKNOWN, "0:Objects"),
        path(ROOT),
        path(ROOT, "0:Objects", None),
        path(ROOT, "0:Objects"),
    )
    assert [r["StatusCode"] for r in results] == [
        S.BadNoMatch,
        S.BadNodeIdUnknown,
        S.BadNothingToDo,
        S.BadBrowseNameInvalid,
        S.Good,
    ]


@clause("Part 4, 7.30")
async def test_a_reference_type_of_a_path_counts(wire):
    wrong, right = await translate(
        wire,
        path(ROOT, "0:Objects", ReferenceTypeId=HAS_PROPERTY),
        path(ROOT, "0:Objects", ReferenceTypeId=ORGANIZES),
    )
    assert wrong["StatusCode"] == S.BadNoMatch
    assert right["StatusCode"] == S.Good


@clause("Part 4, 5.9.4.3")
async def test_no_paths_are_nothing_to_do(wire):
    status = await refused(wire, "TranslateBrowsePathsToNodeIds", BrowsePaths=[])
    assert status == S.BadNothingToDo


@clause("Part 5, 6.3.11")
async def test_more_than_max_paths_is_too_many_operations(wire):
    limit = await value_of(wire, "ns=0;i=11712")
    paths = [path(ROOT, "0:Objects")] * (limit + 1)
    assert limit > 0
    status = await refused(wire, "TranslateBrowsePathsToNodeIds", BrowsePaths=paths)
    assert status == S.BadTooManyOperations


# -- RegisterNodes ---------------------------------------------------------------------------------


@clause("Part 4, 5.9.5.1")
async def test_registered_nodes_can_be_used_and_given_back(any_wire, server):
    nodes = [server.id("Int32RO"), OBJECTS]
    aliases = (await any_wire.ask("RegisterNodes", NodesToRegister=nodes))["RegisteredNodeIds"]
    assert len(aliases) == 2
    assert (await read(any_wire, aliases[0]))["Value"] == ["Int32", 42]
    await any_wire.ask("UnregisterNodes", NodesToUnregister=aliases)


@clause("Part 4, 5.9.5.3")
@pytest.mark.parametrize("service", ["RegisterNodes", "UnregisterNodes"])
async def test_registering_nothing_is_nothing_to_do(wire, service):
    name = "NodesToRegister" if service == "RegisterNodes" else "NodesToUnregister"
    assert await refused(wire, service, **{name: []}) == S.BadNothingToDo


@clause("Part 5, 6.3.11")
async def test_more_than_max_registered_nodes_is_too_many_operations(wire):
    limit = await value_of(wire, "ns=0;i=11711")
    assert limit > 0
    status = await refused(wire, "RegisterNodes", NodesToRegister=[OBJECTS] * (limit + 1))
    assert status == S.BadTooManyOperations


@clause("Part 4, 5.9.2.1")
async def test_requests_of_one_session_run_side_by_side(wire, server):
    results = await asyncio.gather(
        *(browse(wire, description(server.id("Fixture"))) for _ in range(20))
    )
    assert len({tuple(targets(result)) for (result,) in results}) == 1
