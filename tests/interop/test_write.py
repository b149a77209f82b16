"""Write: Attribute Write Values, Write Index, Write StatusCode & Timestamp, with two clients."""

from __future__ import annotations

import pytest
from interop.asking import (
    BOTH,
    DISPLAY_NAME,
    OBJECTS,
    UNKNOWN,
    VALUE,
    S,
    clause,
    read,
    value_id,
    value_of,
    write,
)
from interop.wire import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

DENIED = (S.BadNotWritable, S.BadUserAccessDenied)


@clause("Part 4, 5.11.4.1")
async def test_a_written_value_is_read_back_over_every_policy(any_wire, server):
    for number in (7, -7):
        assert await write(any_wire, server.id("Int32RW"), ["Int32", number]) == S.Good
        assert await value_of(any_wire, server.id("Int32RW")) == number


@clause("Part 4, 5.11.4.1")
@pytest.mark.parametrize("text", ["", "plain", "水Boy", "x" * 10_000])
async def test_every_text_comes_back(wire, server, text):
    assert await write(wire, server.id("StringRW"), ["String", text]) == S.Good
    assert (await read(wire, server.id("StringRW")))["Value"] == ["String", text]


@clause("Part 4, 5.11.4.4")
@pytest.mark.parametrize(
    "value",
    [
        ["Double", 1.0],
        ["String", "1"],
        ["Boolean", True],
        ["UInt32", 1],
        ["Int16", 1],
        ["Int32", [1]],
        ["Int32", [1, 2, 3, 4], [2, 2]],
    ],
    ids=str,
)
async def test_a_value_of_another_type_or_rank_is_a_mismatch(wire, server, value):
    await write(wire, server.id("Int32RW"), ["Int32", 3])
    assert await write(wire, server.id("Int32RW"), value) == S.BadTypeMismatch
    assert await value_of(wire, server.id("Int32RW")) == 3


@clause("Part 4, 5.11.4.4")
async def test_a_null_for_a_number_is_a_mismatch(wire, server):
    assert await write(wire, server.id("Int32RW"), None) == S.BadTypeMismatch


@clause("Part 4, 5.11.4.4")
async def test_a_number_for_an_array_is_a_mismatch(wire, server):
    assert await write(wire, server.id("Int32Array"), ["Int32", 1]) == S.BadTypeMismatch


@clause("Part 4, 5.11.4.2")
async def test_a_byte_string_is_taken_for_an_array_of_bytes(wire, server):
    node = server.type_id("Array.Byte")
    assert await write(wire, node, ["ByteString", "0102ff"]) == S.Good
    assert (await read(wire, node))["Value"] == ["Byte", [1, 2, 255]]


@clause("Part 4, 5.11.4.2")
async def test_part_of_a_matrix_is_written(wire, server):
    node = server.type_id("Matrix.Int32")
    await write(wire, node, ["Int32", [1, 2, 3, 4], [2, 2]])
    status = await write(wire, node, ["Int32", [9], [1, 1]], IndexRange="1,0")
    assert status == S.Good
    assert (await read(wire, node))["Value"] == ["Int32", [1, 2, 9, 4], [2, 2]]


@clause("Part 4, 5.11.4.4")
@pytest.mark.parametrize("name", ["Int32RO", "HistRO", "Shared"])
async def test_what_can_only_be_read_is_not_writable(wire, server, name):
    kind = "Int32" if name == "Int32RO" else "Double"
    assert await write(wire, server.id(name), [kind, 1]) in DENIED


@clause("Part 4, 5.11.4.4")
async def test_the_servers_own_variables_are_not_writable(wire):
    assert await write(wire, "ns=0;i=2267", ["Byte", 1]) in DENIED


@clause("Part 3, 5.2.7")
async def test_an_attribute_without_its_write_mask_is_not_writable(wire, server):
    status = await write(wire, server.id("Int32RW"), ["LocalizedText", "x"], DISPLAY_NAME)
    assert status in (*DENIED, S.BadWriteNotSupported)


@clause("Part 4, 5.11.4.4")
async def test_writing_to_an_unknown_node_says_so(any_wire):
    assert await write(any_wire, UNKNOWN, ["Int32", 1]) == S.BadNodeIdUnknown


@clause("Part 4, 5.11.4.4")
@pytest.mark.parametrize("attribute", [0, 28, 99])
async def test_writing_to_no_attribute_says_so(wire, server, attribute):
    status = await write(wire, server.id("Int32RW"), ["Int32", 1], attribute)
    assert status == S.BadAttributeIdInvalid


@clause("Part 4, 5.11.4.4")
async def test_an_object_has_no_value_to_write(wire):
    status = await write(wire, OBJECTS, ["Int32", 1], VALUE)
    assert status in (S.BadAttributeIdInvalid, *DENIED)


@clause("Part 4, 5.11.4.3")
async def test_an_empty_write_is_nothing_to_do(any_wire):
    assert await refused(any_wire, "Write", NodesToWrite=[]) == S.BadNothingToDo


@clause("Part 4, 5.11.4.2")
async def test_each_item_of_a_write_has_its_own_result(wire, server):
    good = {"Value": {"Value": ["Int32", 11]}}
    nodes = [server.id("Int32RW"), UNKNOWN, server.id("Int32RO"), server.id("Int32RW")]
    items = [value_id(node) | good for node in nodes]
    items[3] |= {"Value": {"Value": ["Double", 1.0]}}
    for item in items:
        del item["DataEncoding"]
    results = (await wire.ask("Write", NodesToWrite=items))["Results"]
    assert results[:2] == [S.Good, S.BadNodeIdUnknown]
    assert results[2] in DENIED
    assert results[3] == S.BadTypeMismatch
    assert await value_of(wire, server.id("Int32RW")) == 11


@clause("Part 4, 5.11.4.2")
@pytest.mark.parametrize(
    ("index_range", "part", "after"),
    [("2", [9], [1, 2, 9, 4, 5]), ("0:1", [8, 7], [8, 7, 3, 4, 5]), ("4", [0], [1, 2, 3, 4, 0])],
)
async def test_part_of_an_array_is_written(wire, server, index_range, part, after):
    node = server.id("Int32Array")
    assert await write(wire, node, ["Int32", [1, 2, 3, 4, 5]]) == S.Good
    assert await write(wire, node, ["Int32", part], IndexRange=index_range) == S.Good
    assert await value_of(wire, node) == after


@clause("Part 4, 5.11.4.4")
@pytest.mark.parametrize(
    ("index_range", "part", "status"),
    [
        ("5", [9], S.BadIndexRangeNoData),
        ("7:9", [1, 2, 3], S.BadIndexRangeNoData),
        ("3:1", [9], S.BadIndexRangeInvalid),
        ("x", [9], S.BadIndexRangeInvalid),
    ],
)
async def test_outside_the_array_nothing_is_written(wire, server, index_range, part, status):
    node = server.id("Int32Array")
    await write(wire, node, ["Int32", [1, 2, 3, 4, 5]])
    assert await write(wire, node, ["Int32", part], IndexRange=index_range) == status
    assert await value_of(wire, node) == [1, 2, 3, 4, 5]


@clause("Part 4, 5.11.4.4")
@pytest.mark.parametrize("part", [[1], [1, 2, 3]])
async def test_an_index_range_takes_as_many_elements_as_it_says(wire, server, part):
    node = server.id("Int32Array")
    status = await write(wire, node, ["Int32", part], IndexRange="0:1")
    assert status in (
        S.BadIndexRangeNoData,
        S.BadIndexRangeInvalid,
        S.BadIndexRangeDataMismatch,
        S.BadTypeMismatch,
    )


@clause("Part 4, 5.11.4.1")
async def test_a_status_and_a_source_time_are_kept(wire, server):
    node = server.id("DoubleRW")
    moment = 1_700_000_000_123
    status = await write(
        wire, node, ["Double", 1.5], StatusCode=S.UncertainInitialValue, SourceTimestamp=moment
    )
    if status == S.BadWriteNotSupported:
        return
    assert status == S.Good
    result = await read(wire, node, timestamps=BOTH)
    assert result["StatusCode"] == S.UncertainInitialValue
    assert result["SourceTimestamp"] == moment
    await write(wire, node, ["Double", 0.0])


@clause("Part 4, 5.11.4.1")
async def test_without_a_source_time_the_server_sets_one(wire, server):
    await write(wire, server.id("DoubleRW"), ["Double", 2.5])
    result = await read(wire, server.id("DoubleRW"), timestamps=BOTH)
    assert result["SourceTimestamp"] is not None
    assert abs(result["ServerTimestamp"] - result["SourceTimestamp"]) < 10_000


@clause("Part 8, 5.3.2")
@pytest.mark.parametrize("value", [-5.0, 500.0])
async def test_a_value_beyond_its_range_is_stored_or_refused_but_never_clamped(wire, server, value):
    node = server.id("AnalogRW")
    await write(wire, node, ["Double", 50.0])
    status = await write(wire, node, ["Double", value])
    assert status in (S.Good, S.BadOutOfRange)
    assert await value_of(wire, node) == (value if status == S.Good else 50.0)
    await write(wire, node, ["Double", 50.0])


@clause("Part 4, 5.11.4.4")
async def test_somebody_who_may_only_read_is_denied(open_wire, server):
    observer = await open_wire(user=server.account("observer"))
    assert await write(observer, server.id("Int32RW"), ["Int32", 1]) == S.BadUserAccessDenied


@clause("Part 6, 5.2.2.3")
@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
async def test_numbers_that_are_none_are_stored_too(connect, server, number):
    wire = await connect("asyncua")  # JSON has no such numbers to give to the other client
    value = float(number)
    assert await write(wire, server.id("DoubleRW"), ["Double", value]) == S.Good
    assert str(await value_of(wire, server.id("DoubleRW"))) == str(value)
    await write(wire, server.id("DoubleRW"), ["Double", 0.0])
    await wire.close()


@clause("Part 4, 7.11.1")
async def test_a_bad_status_is_written_without_a_value(wire, server):
    node = server.id("DoubleRW")
    status = await write(wire, node, None, StatusCode=S.BadSensorFailure)
    if status == S.Good:
        assert (await read(wire, node))["StatusCode"] == S.BadSensorFailure
    else:
        assert status in (S.BadTypeMismatch, S.BadWriteNotSupported)
    assert await write(wire, node, ["Double", 0.0]) == S.Good
    assert await value_of(wire, node) == 0.0


@clause("Part 4, 5.11.4.2")
async def test_a_server_time_is_kept_or_refused(wire, server):
    node = server.id("DoubleRW")
    moment = 1_700_000_000_000
    status = await write(wire, node, ["Double", 9.0], ServerTimestamp=moment)
    result = await read(wire, node, timestamps=BOTH)
    if status == S.Good:
        assert result["Value"] == ["Double", 9.0]
    else:
        assert status == S.BadWriteNotSupported
        assert result["Value"] != ["Double", 9.0]
    await write(wire, node, ["Double", 0.0])


@clause("Part 4, 7.27")
async def test_part_of_a_text_is_written_or_refused(wire, server):
    node = server.id("StringRW")
    await write(wire, node, ["String", "bioreactor"])
    status = await write(wire, node, ["String", "BIO"], IndexRange="0:2")
    assert status in (S.Good, S.BadWriteNotSupported)
    assert await value_of(wire, node) == ("BIOreactor" if status == S.Good else "bioreactor")


@clause("Part 5, 6.3.11")
async def test_more_than_max_nodes_per_write_is_too_many_operations(wire, server):
    limit = await value_of(wire, "ns=0;i=11707")
    item = value_id(server.id("Int32RW")) | {"Value": {"Value": ["Int32", 1]}}
    del item["DataEncoding"]
    status = await refused(wire, "Write", NodesToWrite=[item] * (limit + 1))
    assert limit > 0
    assert status == S.BadTooManyOperations


@clause("Part 3, 5.6.2")
async def test_a_fixed_length_takes_no_longer_array(wire, server):
    node = server.type_id("Array.FixedLength")
    assert await write(wire, node, ["Int32", [1, 2, 3]]) == S.Good
    assert await write(wire, node, ["Int32", [1, 2, 3, 4]]) in (S.BadTypeMismatch, S.BadOutOfRange)
    assert await value_of(wire, node) == [1, 2, 3]
