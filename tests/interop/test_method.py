"""Method Call, with two clients."""

from __future__ import annotations

import pytest
from interop.asking import OBJECTS, SERVER_OBJECT, UNKNOWN, S, call, clause, read, value_of
from interop.wire import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


@clause("Part 4, 5.12.2.1")
@pytest.mark.parametrize(("a", "b"), [(2, 3), (-2, 1), (2_000_000_000, 1)])
async def test_a_method_returns_its_result(wire, server, a, b):
    result = await call(wire, server.id("Fixture"), server.id("Add"), ["Int32", a], ["Int32", b])
    assert result["StatusCode"] == S.Good
    assert result["OutputArguments"] == [["Int32", a + b]]
    assert all(status == S.Good for status in result["InputArgumentResults"])


@clause("Part 4, 5.12.2.1")
async def test_a_method_is_called_over_every_policy(any_wire, server):
    arguments = (["Int32", 40], ["Int32", 2])
    result = await call(any_wire, server.id("Fixture"), server.id("Add"), *arguments)
    assert result["OutputArguments"] == [["Int32", 42]]


@clause("Part 4, 5.12.2.4")
async def test_a_result_that_does_not_fit_is_an_error_not_a_number(wire, server):
    largest = ["Int32", (1 << 31) - 1]
    result = await call(wire, server.id("Fixture"), server.id("Add"), largest, largest)
    assert result["StatusCode"] & 0x80000000
    assert result["OutputArguments"] == []


@clause("Part 4, 5.12.2.4")
@pytest.mark.parametrize("count", [0, 1])
async def test_missing_arguments_are_missing(wire, server, count):
    arguments = [["Int32", 1]] * count
    result = await call(wire, server.id("Fixture"), server.id("Add"), *arguments)
    assert result["StatusCode"] == S.BadArgumentsMissing
    assert result["OutputArguments"] == []


@clause("Part 4, 5.12.2.4")
async def test_too_many_arguments_are_too_many(wire, server):
    arguments = [["Int32", 1]] * 3
    result = await call(wire, server.id("Fixture"), server.id("Add"), *arguments)
    assert result["StatusCode"] == S.BadTooManyArguments


@clause("Part 4, 5.12.2.2")
@pytest.mark.parametrize(
    ("arguments", "results"),
    [
        ([["String", "1"], ["Int32", 1]], [S.BadTypeMismatch, S.Good]),
        ([["Int32", 1], ["Double", 1.0]], [S.Good, S.BadTypeMismatch]),
        ([["Boolean", True], ["UInt32", 1]], [S.BadTypeMismatch, S.BadTypeMismatch]),
        ([["Int32", [1]], ["Int32", 1]], [S.BadTypeMismatch, S.Good]),
    ],
)
async def test_an_argument_of_another_type_is_named(wire, server, arguments, results):
    result = await call(wire, server.id("Fixture"), server.id("Add"), *arguments)
    assert result["StatusCode"] == S.BadInvalidArgument
    assert result["InputArgumentResults"] == results
    assert result["OutputArguments"] == []


@clause("Part 4, 5.12.2.4")
async def test_a_method_of_another_object_is_invalid(wire, server):
    arguments = (["Int32", 1], ["Int32", 1])
    result = await call(wire, OBJECTS, server.id("Add"), *arguments)
    assert result["StatusCode"] == S.BadMethodInvalid


@clause("Part 4, 5.12.2.4")
async def test_an_unknown_object_is_unknown(wire, server):
    result = await call(wire, UNKNOWN, server.id("Add"))
    assert result["StatusCode"] == S.BadNodeIdUnknown


@clause("Part 4, 5.12.2.4")
async def test_an_unknown_method_is_invalid(wire, server):
    result = await call(wire, server.id("Fixture"), UNKNOWN)
    assert result["StatusCode"] in (S.BadMethodInvalid, S.BadNodeIdUnknown)


@clause("Part 4, 5.12.2.4")
async def test_a_variable_is_no_method(wire, server):
    result = await call(wire, server.id("Fixture"), server.id("Int32RW"))
    assert result["StatusCode"] == S.BadMethodInvalid


@clause("Part 4, 5.12.2.3")
async def test_an_empty_call_is_nothing_to_do(any_wire):
    assert await refused(any_wire, "Call", MethodsToCall=[]) == S.BadNothingToDo


@clause("Part 4, 5.12.2.2")
async def test_each_method_of_a_call_has_its_own_result(wire, server):
    good = {
        "ObjectId": server.id("Fixture"),
        "MethodId": server.id("Add"),
        "InputArguments": [["Int32", 1], ["Int32", 1]],
    }
    bad = good | {"InputArguments": []}
    answer = await wire.ask("Call", MethodsToCall=[good, bad, good])
    statuses = [result["StatusCode"] for result in answer["Results"]]
    assert statuses == [S.Good, S.BadArgumentsMissing, S.Good]


@clause("Part 3, 5.7")
@pytest.mark.parametrize(
    ("name", "arguments"), [("InputArguments", ["a", "b"]), ("OutputArguments", ["sum"])]
)
async def test_a_method_describes_its_arguments(wire, server, name, arguments):
    paths = [
        {
            "StartingNode": server.id("Add"),
            "RelativePath": {
                "Elements": [
                    {
                        "ReferenceTypeId": "ns=0;i=46",
                        "IncludeSubtypes": True,
                        "TargetName": f"0:{name}",
                    }
                ]
            },
        }
    ]
    found = await wire.ask("TranslateBrowsePathsToNodeIds", BrowsePaths=paths)
    described = await value_of(wire, found["Results"][0]["Targets"][0]["TargetId"])
    assert [argument["Name"] for argument in described] == arguments
    assert {argument["DataType"] for argument in described} == {"ns=0;i=6"}
    assert {argument["ValueRank"] for argument in described} == {-1}


@clause("Part 3, 5.7")
async def test_a_method_says_whether_it_can_be_executed(open_wire, server):
    observer = await open_wire(user=server.account("observer"))
    executable = await read(observer, server.id("Add"), 21)
    user_executable = await read(observer, server.id("Add"), 22)
    assert executable["Value"] == ["Boolean", True]
    assert user_executable["Value"] == ["Boolean", False]


@clause("Part 4, 5.12.2.4")
async def test_somebody_who_may_not_call_is_denied(open_wire, server):
    observer = await open_wire(user=server.account("observer"))
    arguments = (["Int32", 1], ["Int32", 1])
    result = await call(observer, server.id("Fixture"), server.id("Add"), *arguments)
    assert result["StatusCode"] == S.BadUserAccessDenied


@clause("Part 5, 9.1")
async def test_monitored_items_of_an_unknown_subscription_cannot_be_asked_for(wire):
    result = await call(wire, SERVER_OBJECT, "ns=0;i=11492", ["UInt32", 999_999])
    assert result["StatusCode"] == S.BadSubscriptionIdInvalid


@clause("Part 5, 6.3.11")
async def test_more_than_max_nodes_per_call_is_too_many_operations(wire, server):
    limit = await value_of(wire, "ns=0;i=11709")
    method = {"ObjectId": server.id("Fixture"), "MethodId": server.id("Add"), "InputArguments": []}
    assert limit > 0
    status = await refused(wire, "Call", MethodsToCall=[method] * (limit + 1))
    assert status == S.BadTooManyOperations
