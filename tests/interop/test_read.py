"""Read: Attribute Read of conformance units, with two clients."""

from __future__ import annotations

import time

import pytest
from interop.asking import (
    ACCESS_LEVEL,
    BOTH,
    BROWSE_NAME,
    CURRENT_TIME,
    DATA_TYPE,
    DISPLAY_NAME,
    NEITHER,
    NODE_CLASS,
    NODE_ID,
    OBJECTS,
    SERVER,
    SOURCE,
    UNKNOWN,
    VALUE,
    VALUE_RANK,
    S,
    clause,
    read,
    read_all,
    value_id,
    value_of,
    write,
)
from interop.wire import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Part 3, 5.9, table 29: the mandatory Attributes of each NodeClass, with a node that has it.
MANDATORY = {
    "Object": ("ns=0;i=85", 1, (1, 2, 3, 4, 12)),
    "Variable": ("ns=0;i=2258", 2, (1, 2, 3, 4, 13, 14, 15, 17, 18, 20)),
    "Method": ("ns=0;i=11492", 4, (1, 2, 3, 4, 21, 22)),
    "ObjectType": ("ns=0;i=58", 8, (1, 2, 3, 4, 8)),
    "VariableType": ("ns=0;i=63", 16, (1, 2, 3, 4, 8, 14, 15)),
    "ReferenceType": ("ns=0;i=35", 32, (1, 2, 3, 4, 8, 9)),
    "DataType": ("ns=0;i=6", 64, (1, 2, 3, 4, 8)),
}
ALL_ATTRIBUTES = range(1, 28)


@clause("Part 4, 5.11.2.1")
async def test_a_value_is_read_over_every_policy(any_wire, server):
    result = await read(any_wire, server.id("Int32RO"), timestamps=BOTH)
    assert result["Value"] == ["Int32", 42]
    assert result["StatusCode"] == S.Good
    assert result["ServerTimestamp"] is not None


@clause("Part 3, 5.9")
@pytest.mark.parametrize("node_class", MANDATORY)
async def test_every_mandatory_attribute_can_be_read(wire, node_class):
    node, number, mandatory = MANDATORY[node_class]
    results = await read_all(wire, [value_id(node, a) for a in mandatory])
    assert [r["StatusCode"] for r in results] == [S.Good] * len(mandatory)
    assert results[1]["Value"] == ["Int32", number]


@clause("Part 4, 5.11.2.4")
@pytest.mark.parametrize("node_class", MANDATORY)
async def test_attributes_that_a_class_lacks_are_invalid(wire, node_class):
    node, _, mandatory = MANDATORY[node_class]
    results = await read_all(wire, [value_id(node, a) for a in ALL_ATTRIBUTES])
    for attribute, result in zip(ALL_ATTRIBUTES, results, strict=True):
        expected = {S.Good} if attribute in mandatory else {S.Good, S.BadAttributeIdInvalid}
        assert result["StatusCode"] in expected, attribute
        assert (result["Value"] is None) <= (result["StatusCode"] != S.Good or attribute == VALUE)


@clause("Part 4, 5.11.2.4")
@pytest.mark.parametrize("attribute", [0, 28, 99, 0xFFFFFFFF])
async def test_an_attribute_that_nothing_has_is_invalid(wire, server, attribute):
    result = await read(wire, server.id("Int32RW"), attribute)
    assert result["StatusCode"] == S.BadAttributeIdInvalid


@clause("Part 4, 5.11.2.4")
async def test_a_node_that_does_not_exist_is_unknown(any_wire):
    assert (await read(any_wire, UNKNOWN))["StatusCode"] == S.BadNodeIdUnknown


@clause("Part 4, 5.11.2.4")
async def test_a_null_node_id_is_not_a_node(wire):
    assert (await read(wire, ""))["StatusCode"] in (S.BadNodeIdUnknown, S.BadNodeIdInvalid)


@clause("Part 4, 5.11.2.2")
async def test_results_come_in_the_order_of_the_request(wire, server):
    nodes = [server.id("Int32RO"), UNKNOWN, OBJECTS, server.id("Int32RO"), ""]
    results = await read_all(wire, [value_id(node) for node in nodes])
    assert [r["StatusCode"] == S.Good for r in results] == [True, False, False, True, False]
    assert results[2]["StatusCode"] == S.BadAttributeIdInvalid


@clause("Part 4, 5.11.2.4")
async def test_one_bad_node_among_many_takes_no_other_with_it(wire, server):
    items = [value_id(server.id("Int32RO")) for _ in range(1000)]
    items[500] = value_id(UNKNOWN)
    results = await read_all(wire, items)
    assert len(results) == 1000
    assert [i for i, r in enumerate(results) if r["StatusCode"] != S.Good] == [500]


@clause("Part 4, 5.11.2.3")
async def test_an_empty_read_is_nothing_to_do(any_wire):
    assert await refused(any_wire, "Read", NodesToRead=[]) == S.BadNothingToDo


@clause("Part 4, 5.11.2.3")
@pytest.mark.parametrize("timestamps", [4, 99])
async def test_timestamps_to_return_must_be_one_of_four(wire, server, timestamps):
    items = [value_id(server.id("Int32RO"))]
    fields = {"TimestampsToReturn": timestamps, "NodesToRead": items}
    assert await refused(wire, "Read", **fields) == S.BadTimestampsToReturnInvalid


@clause("Part 4, 5.11.2.3")
async def test_a_negative_max_age_is_invalid(wire, server):
    items = [value_id(server.id("Int32RO"))]
    status = await refused(wire, "Read", MaxAge=-1, TimestampsToReturn=2, NodesToRead=items)
    assert status == S.BadMaxAgeInvalid


@clause("Part 4, 5.11.2.2")
@pytest.mark.parametrize("max_age", [0, 1000, 1e12])
async def test_any_other_max_age_is_fine(wire, server, max_age):
    assert (await read(wire, server.id("Int32RO"), max_age=max_age))["Value"] == ["Int32", 42]


@clause("Part 4, 7.39")
@pytest.mark.parametrize(
    ("timestamps", "source", "server_time"),
    [(SOURCE, True, False), (SERVER, False, True), (BOTH, True, True), (NEITHER, False, False)],
)
async def test_timestamps_are_those_that_were_asked_for(
    wire, server, timestamps, source, server_time
):
    result = await read(wire, server.id("Shared"), timestamps=timestamps)
    assert (result["SourceTimestamp"] is not None) == source
    assert (result["ServerTimestamp"] is not None) == server_time


@clause("Part 4, 7.11.3")
async def test_only_a_value_has_a_source_timestamp(wire, server):
    result = await read(wire, server.id("Shared"), DISPLAY_NAME, timestamps=BOTH)
    assert result["SourceTimestamp"] is None
    assert result["ServerTimestamp"] is not None


@clause("Part 4, 7.11.4")
@pytest.mark.parametrize("name", ["Shared", "Int32RO", "StringRW"])
async def test_the_server_timestamp_is_now(wire, server, name):
    """Also of a value that has not changed since the start: the server knows that it has not."""
    before = time.time()
    for _ in range(2):  # by the ordinary way, and as a request that was answered before
        result = await read(wire, server.id(name), timestamps=SERVER)
        assert before - 0.2 <= result["ServerTimestamp"] / 1000 <= time.time() + 0.01


ARRAY = [1, 2, 3, 4, 5]


@clause("Part 4, 7.27")
@pytest.mark.parametrize(
    ("index_range", "expected"),
    [
        ("0", [1]),
        ("4", [5]),
        ("1:3", [2, 3, 4]),
        ("0:4", ARRAY),
        ("3:9", [4, 5]),
        ("0:1000000", ARRAY),
    ],
)
async def test_an_index_range_gives_part_of_an_array(wire, server, index_range, expected):
    await write(wire, server.id("Int32Array"), ["Int32", ARRAY])
    result = await read(wire, server.id("Int32Array"), index_range=index_range)
    assert result["Value"] == ["Int32", expected]
    assert result["StatusCode"] == S.Good


@clause("Part 4, 7.27")
@pytest.mark.parametrize("index_range", ["5", "5:9", "1000:2000"])
async def test_an_index_range_outside_the_array_has_no_data(wire, server, index_range):
    result = await read(wire, server.id("Int32Array"), index_range=index_range)
    assert result["StatusCode"] == S.BadIndexRangeNoData
    assert result["Value"] is None


@clause("Part 4, 7.27")
@pytest.mark.parametrize("index_range", ["2-4", "5:2", "2:2", "-2:0", "1:", ":1", "a", "1,", " 1"])
async def test_a_malformed_index_range_is_invalid(wire, server, index_range):
    result = await read(wire, server.id("Int32Array"), index_range=index_range)
    assert result["StatusCode"] == S.BadIndexRangeInvalid


@clause("Part 4, 7.27")
async def test_an_index_range_of_a_number_has_no_data(wire, server):
    result = await read(wire, server.id("Int32RO"), index_range="0")
    assert result["StatusCode"] in (S.BadIndexRangeNoData, S.BadIndexRangeInvalid)


@clause("Part 4, 7.27")
async def test_an_index_range_gives_part_of_a_string(wire, server):
    await write(wire, server.id("StringRW"), ["String", "bioreactor"])
    result = await read(wire, server.id("StringRW"), index_range="0:2")
    assert result["Value"] == ["String", "bio"]


@clause("Part 4, 7.27")
async def test_an_index_range_gives_part_of_a_matrix(wire, server):
    node = server.type_id("Matrix.Int32")
    await write(wire, node, ["Int32", [1, 2, 3, 4], [2, 2]])
    result = await read(wire, node, index_range="0:1,1")
    assert result["Value"] == ["Int32", [2, 4], [2, 1]]


@clause("Part 4, 7.27")
async def test_an_index_range_gives_part_of_a_byte_string(wire, server):
    node = server.type_id("Scalar.ByteString")
    await write(wire, node, ["ByteString", "0102030405"])
    assert (await read(wire, node, index_range="1:2"))["Value"] == ["ByteString", "0203"]


@clause("Part 4, 7.27")
async def test_an_index_range_gives_parts_of_the_texts_of_an_array(wire, server):
    node = server.type_id("Array.String")
    await write(wire, node, ["String", ["batch", "recipe", "unit"]])
    result = await read(wire, node, index_range="0:1,0:2")
    assert result["Value"] == ["String", ["bat", "rec"]]


@clause("Part 4, 5.11.2.2")
async def test_diagnostics_are_none_or_one_for_each_node(wire, server):
    answer = await wire.ask(
        "Read",
        RequestHeader={"ReturnDiagnostics": 0x3FF},
        TimestampsToReturn=NEITHER,
        NodesToRead=[value_id(UNKNOWN), value_id(server.id("Int32RO"))],
    )
    assert answer["Results"][0]["StatusCode"] == S.BadNodeIdUnknown
    assert len(answer["DiagnosticInfos"]) in (0, 2)


@clause("Part 4, 7.27")
async def test_a_matrix_takes_as_many_ranges_as_it_has_dimensions(wire, server):
    result = await read(wire, server.type_id("Matrix.Int32"), index_range="0,0,0")
    assert result["StatusCode"] in (S.BadIndexRangeNoData, S.BadIndexRangeInvalid)


@clause("Part 4, 7.27")
async def test_an_index_range_is_for_arrays_in_any_attribute(wire, server):
    result = await read(wire, server.id("Int32RW"), NODE_CLASS, "0")
    assert result["StatusCode"] in (S.BadIndexRangeNoData, S.BadIndexRangeInvalid)


@clause("Part 4, 5.11.2.2")
@pytest.mark.parametrize("encoding", ["0:Default Binary", None])
async def test_a_structure_is_read_in_the_binary_encoding(wire, encoding):
    result = await read(wire, "ns=0;i=2256", encoding=encoding)
    assert result["StatusCode"] == S.Good
    assert result["Value"][1]["$"] == "ServerStatusDataType"


@clause("Part 4, 5.11.2.4")
@pytest.mark.parametrize("encoding", ["0:Default XML", "0:Default JSON", "0:Nothing"])
async def test_another_encoding_is_not_supported(wire, encoding):
    result = await read(wire, "ns=0;i=2256", encoding=encoding)
    assert result["StatusCode"] in (S.BadDataEncodingUnsupported, S.BadDataEncodingInvalid)


@clause("Part 4, 5.11.2.4")
async def test_an_encoding_of_another_attribute_is_invalid(wire, server):
    result = await read(wire, server.id("Int32RW"), DISPLAY_NAME, encoding="0:Default Binary")
    assert result["StatusCode"] == S.BadDataEncodingInvalid


@clause("Part 4, 5.11.2.4")
async def test_an_encoding_of_a_value_without_structure_is_invalid(wire, server):
    result = await read(wire, server.id("Int32RO"), encoding="0:Default XML")
    assert result["StatusCode"] in (S.BadDataEncodingInvalid, S.BadDataEncodingUnsupported)


@clause("Part 3, 5.6.2")
async def test_a_value_is_of_its_data_type_and_rank(wire, server):
    for name, data_type, rank in [
        ("Int32RW", "ns=0;i=6", -1),
        ("DoubleRW", "ns=0;i=11", -1),
        ("StringRW", "ns=0;i=12", -1),
        ("Int32Array", "ns=0;i=6", 1),
    ]:
        items = [value_id(server.id(name), a) for a in (DATA_TYPE, VALUE_RANK)]
        results = await read_all(wire, items)
        assert [r["Value"][1] for r in results] == [data_type, rank], name


@clause("Part 3, 8.57")
@pytest.mark.parametrize(("name", "level"), [("Int32RO", 1), ("Int32RW", 3)])
async def test_the_access_level_says_what_can_be_done(wire, server, name, level):
    result = await read(wire, server.id(name), ACCESS_LEVEL)
    assert result["Value"][0] == "Byte"
    assert result["Value"][1] & 3 == level


@clause("Part 3, 5.2")
async def test_a_node_names_itself(wire, server):
    node = server.id("Int32RW")
    results = await read_all(wire, [value_id(node, a) for a in (NODE_ID, BROWSE_NAME)])
    assert results[0]["Value"] == ["NodeId", node]
    assert results[1]["Value"] == ["QualifiedName", f"{server.namespace}:Int32RW"]


@clause("Part 5, 12.10")
async def test_the_clock_of_the_server_runs(wire):
    first = await value_of(wire, CURRENT_TIME)
    second = await value_of(wire, CURRENT_TIME)
    assert second >= first
    assert abs(second / 1000 - time.time()) < 10


@clause("Part 5, 6.3.11")
async def test_more_than_max_nodes_per_read_is_too_many_operations(wire, server):
    limit = await value_of(wire, "ns=0;i=11705")
    assert limit > 0
    items = [value_id(server.id("Int32RO"), NODE_CLASS)] * (limit + 1)
    assert await refused(wire, "Read", NodesToRead=items) == S.BadTooManyOperations
    assert len(await read_all(wire, items[:limit])) == limit
