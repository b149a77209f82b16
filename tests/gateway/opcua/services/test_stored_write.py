"""Write of stored Variables: types, ranks, parts of arrays, status and time (Part 4, 5.11.4)."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.space import arguments
from biogate_security.policy import Action

S = ua.StatusCodes
A = ua.AttributeIds
T = ua.VariantType
MOMENT = datetime(2026, 11, 24, 12, 30, 15, 123_457, tzinfo=UTC)


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def value_of(name: str, variant: ua.Variant | None, range_: str = "", **data: Any) -> ua.WriteValue:
    return ua.WriteValue(nid(name), A.Value, range_ or None, ua.DataValue(variant, **data))


async def outcome(client: Any, *items: ua.WriteValue) -> list[int]:
    response = await client.write(*items)
    assert client.status(response) == S.Good
    return [status.value for status in response.Results]


async def write(client: Any, name: str, variant: ua.Variant | None, range_: str = "") -> int:
    (status,) = await outcome(client, value_of(name, variant, range_))
    return status


def read_stamped(client: Any, name: str) -> ua.DataValue:
    item = ua.ReadValueId(nid(name), A.Value)
    (value,) = client.read(item, timestamps=ua.TimestampsToReturn.Both).Results
    return value


def matrix(rows: list[list[float]]) -> ua.Variant:
    return ua.Variant(rows, T.Double, [len(rows), len(rows[0])], is_array=True)


FITTING = [
    ("PlainDouble", ua.Variant(-0.5, T.Double)),
    ("PlainDouble", ua.Variant(math.inf, T.Double)),
    ("StoredInt32", ua.Variant(-(2**31), T.Int32)),
    ("StoredBoolean", ua.Variant(True, T.Boolean)),
    ("StoredInt64", ua.Variant(2**63 - 1, T.Int64)),
    ("StoredText", ua.Variant("Ångström", T.String)),
    ("StoredText", ua.Variant(None, T.String)),
    ("StoredBlob", ua.Variant(b"\0\xff", T.ByteString)),
    ("StoredArray", ua.Variant([5, 4, 3], T.Int32)),
    ("StoredArray", ua.Variant([], T.Int32, is_array=True)),
    ("StoredMatrix", matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])),
    ("StoredTexts", ua.Variant(["a", None, ""], T.String)),
    ("StoredBytes", ua.Variant([1, 2, 255], T.Byte)),
    ("StoredAny", ua.Variant("text", T.String)),
    ("StoredAny", ua.Variant([1.5], T.Float)),
    ("StoredAny", matrix([[1.0], [2.0]])),
    ("StoredNumber", ua.Variant(7, T.UInt16)),
    ("StoredNumber", ua.Variant(7.5, T.Float)),
    ("StoredState", ua.Variant(3, T.Int32)),
    ("StoredRange", ua.Variant(ua.Range(1.0, 2.0), T.ExtensionObject)),
    ("StoredRanges", ua.Variant([[ua.Range(1.0, 2.0)], [ua.Range()]], T.ExtensionObject)),
    ("StoredStates", ua.Variant([[0, 1], [2, 3]], T.Int32)),
    ("StoredStates", ua.Variant([], T.Int32, is_array=True)),
    ("StoredStates", ua.Variant(None, T.Int32, is_array=True)),
    ("StoredMatrix", ua.Variant([], T.Double, is_array=True)),
    ("StoredUnits", ua.Variant(10.0, T.Double)),
    ("StoredUnits", ua.Variant([10.0, 20.0], T.Double)),
    ("StoredTime", ua.Variant(MOMENT, T.DateTime)),
]


@pytest.mark.parametrize(("name", "variant"), FITTING)
async def test_what_is_written_is_read_back(client: Any, name: str, variant: ua.Variant) -> None:
    assert await write(client, name, variant) == S.Good
    value = client.read_value(name)
    assert value.StatusCode.value == S.Good
    assert (value.Value.Value, value.Value.VariantType) == (variant.Value, variant.VariantType)
    assert value.Value.is_array == variant.is_array
    assert value.Value.Dimensions == variant.Dimensions


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("PlainDouble", ua.Variant(1.0, T.Float)),
        ("PlainDouble", ua.Variant([1.0], T.Double)),
        ("PlainDouble", ua.Variant()),
        ("PlainDouble", None),
        ("StoredInt32", ua.Variant(1, T.UInt32)),
        ("StoredArray", ua.Variant(1, T.Int32)),
        ("StoredArray", ua.Variant([1, 2, 3, 4, 5, 6], T.Int32)),
        ("StoredArray", ua.Variant([[1, 2], [3, 4]], T.Int32)),
        ("StoredMatrix", ua.Variant([1.0], T.Double)),
        ("StoredNumber", ua.Variant("7", T.String)),
        ("StoredNumber", ua.Variant(True, T.Boolean)),
        ("StoredRange", ua.Variant(ua.EUInformation(), T.ExtensionObject)),
        ("StoredRanges", ua.Variant([[ua.Range()], [ua.EUInformation()]], T.ExtensionObject)),
        ("StoredInt32", ua.Variant([], T.Int32, is_array=True)),
        ("StoredUnits", matrix([[1.0], [2.0]])),
        ("StoredBlob", ua.Variant([1, 2], T.Byte)),
    ],
)
async def test_another_type_rank_or_length_is_a_type_mismatch(
    client: Any, bench: Any, name: str, variant: ua.Variant | None
) -> None:
    """Part 4, 5.11.4.2; Part 3, 5.6.2: ArrayDimensions are the most there may be."""
    assert await write(client, name, variant) == S.BadTypeMismatch
    assert not bench.commands.stored
    assert not bench.commands.batches


async def test_an_array_of_byte_takes_a_byte_string(client: Any) -> None:
    """Part 4, 5.11.4.2."""
    assert await write(client, "StoredBytes", ua.Variant(b"\x01\x02\x03", T.ByteString)) == S.Good
    assert client.read_value("StoredBytes").Value.Value == [1, 2, 3]
    assert client.read_value("StoredBytes").Value.VariantType == T.Byte
    assert await write(client, "StoredBytes", ua.Variant(b"\x09", T.ByteString), "1") == S.Good
    assert client.read_value("StoredBytes").Value.Value == [1, 9, 3]


async def test_a_number_that_its_enumeration_lacks_is_out_of_range(client: Any) -> None:
    """Part 3, 8.14."""
    matrix_of_states = ua.Variant([[0, 1], [2, 99]], T.Int32)
    assert await write(client, "StoredState", ua.Variant(99, T.Int32)) == S.BadOutOfRange
    assert await write(client, "StoredStates", matrix_of_states) == S.BadOutOfRange


async def test_a_variable_of_any_type_can_hold_nothing(client: Any) -> None:
    assert await write(client, "StoredAny", ua.Variant()) == S.Good
    assert client.read_value("StoredAny").Value.VariantType == T.Null


# -- IndexRange (Part 4, 7.27) ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "before", "range_", "part", "after"),
    [
        ("PlainArray", [1, 2, 3, 4, 5], "2", [30], [1, 2, 30, 4, 5]),
        ("StoredArray", [1, 2, 3, 4, 5], "1:3", [9, 8, 7], [1, 9, 8, 7, 5]),
        ("StoredArray", [1, 2, 3, 4, 5], "0:4", [5, 4, 3, 2, 1], [5, 4, 3, 2, 1]),
        ("StoredText", "abcdef", "2:3", "CD", "abCDef"),
        ("StoredBlob", b"abcdef", "0", b"A", b"Abcdef"),
        ("StoredTexts", ["abc", "def"], "1", ["xyz!"], ["abc", "xyz!"]),
        ("StoredTexts", ["abc", "def"], "0:1,1:2", ["BC", "EF"], ["aBC", "dEF"]),
        ("StoredMatrix", [[1.0, 2.0], [3.0, 4.0]], "1,0", [[9.0]], [[1.0, 2.0], [9.0, 4.0]]),
        (
            "StoredMatrix",
            [[1.0, 2.0], [3.0, 4.0]],
            "0:1,1",
            [[9.0], [8.0]],
            [[1.0, 9.0], [3.0, 8.0]],
        ),
    ],
)
async def test_a_part_is_replaced(
    client: Any, bench: Any, name: str, before: Any, range_: str, part: Any, after: Any
) -> None:
    space = bench.front_end.context.space
    type_ = space.types.built_in(space.get(nid(name)).data_type)
    assert await write(client, name, ua.Variant(before, type_)) == S.Good
    assert await write(client, name, ua.Variant(part, type_), range_) == S.Good
    value = client.read_value(name).Value
    assert value.Value == after
    assert value.Dimensions == ua.Variant(after, type_).Dimensions


@pytest.mark.parametrize(
    ("range_", "variant", "status"),
    [
        ("5", ua.Variant([1], T.Int32), S.BadIndexRangeNoData),
        ("4:5", ua.Variant([1, 2], T.Int32), S.BadIndexRangeNoData),
        ("0,0", ua.Variant([1], T.Int32), S.BadIndexRangeNoData),
        ("1:2", ua.Variant([1], T.Int32), S.BadIndexRangeDataMismatch),
        ("1", ua.Variant([1, 2], T.Int32), S.BadIndexRangeDataMismatch),
        ("1", ua.Variant(1, T.Int32), S.BadIndexRangeDataMismatch),
        ("1", ua.Variant([1.0], T.Double), S.BadTypeMismatch),
        ("1", ua.Variant(), S.BadTypeMismatch),
        ("2-4", ua.Variant([1], T.Int32), S.BadIndexRangeInvalid),
        ("5:2", ua.Variant([1], T.Int32), S.BadIndexRangeInvalid),
        ("2:2", ua.Variant([1], T.Int32), S.BadIndexRangeInvalid),
        ("-2:0", ua.Variant([1], T.Int32), S.BadIndexRangeInvalid),
    ],
)
async def test_a_part_that_does_not_fit_changes_nothing(
    client: Any, range_: str, variant: ua.Variant, status: int
) -> None:
    await write(client, "StoredArray", ua.Variant([1, 2, 3, 4, 5], T.Int32))
    assert await write(client, "StoredArray", variant, range_) == status
    assert client.read_value("StoredArray").Value.Value == [1, 2, 3, 4, 5]


async def test_a_scalar_has_no_parts(client: Any) -> None:
    await write(client, "PlainDouble", ua.Variant(1.0, T.Double))
    status = await write(client, "PlainDouble", ua.Variant([1.0], T.Double), "0")
    assert status == S.BadIndexRangeNoData


@pytest.mark.parametrize("name", ["PlainArray", "StoredArray"])
async def test_parts_written_at_the_same_time_all_arrive(
    client: Any, bench: Any, name: str
) -> None:
    """Each is put into the array as it is then, not as it was when the request came."""
    await write(client, name, ua.Variant([0, 0, 0], T.Int32))
    bench.commands.gate = asyncio.Event()
    request = ua.WriteRequest()
    sent = []
    for element in range(3):
        part = ua.Variant([element + 1], T.Int32)
        request.Parameters.NodesToWrite = [value_of(name, part, str(element))]
        sent.append(client.send(request))
    await asyncio.sleep(0)
    bench.commands.gate.set()
    for request_id in sent:
        await client.wait(request_id)
    parts = [value_of(name, ua.Variant([n], T.Int32), i) for i, n in (("0", 7), ("2", 9))]
    assert client.read_value(name).Value.Value == [1, 2, 3]
    assert await outcome(client, *parts) == [S.Good, S.Good]
    assert client.read_value(name).Value.Value == [7, 2, 9]


# -- status and timestamps ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PlainDouble", "StoredAny"])
async def test_status_and_source_timestamp_are_kept(client: Any, plant: Any, name: str) -> None:
    status = ua.StatusCode(S.UncertainSensorNotAccurate)
    variant = ua.Variant(2.5, T.Double)
    item = value_of(name, variant, StatusCode=status, SourceTimestamp=MOMENT)
    assert await outcome(client, item) == [S.Good]
    value = read_stamped(client, name)
    assert value.StatusCode.value == S.UncertainSensorNotAccurate
    assert value.SourceTimestamp == MOMENT
    assert value.Value.Value == 2.5
    assert value.ServerTimestamp is not None


@pytest.mark.parametrize("name", ["PlainDouble", "StoredText"])
async def test_a_bad_status_needs_no_value(client: Any, name: str) -> None:
    item = value_of(name, ua.Variant(), StatusCode=ua.StatusCode(S.BadSensorFailure))
    assert await outcome(client, item) == [S.Good]
    value = client.read_value(name)
    assert value.StatusCode.value == S.BadSensorFailure
    assert value.Value.VariantType == T.Null


async def test_without_a_source_timestamp_it_is_the_time_of_the_write(client: Any) -> None:
    item = value_of("PlainDouble", ua.Variant(1.0, T.Double), SourceTimestamp=MOMENT)
    assert await outcome(client, item) == [S.Good]
    assert await write(client, "PlainDouble", ua.Variant(1.0, T.Double)) == S.Good
    value = read_stamped(client, "PlainDouble")
    assert value.SourceTimestamp > datetime(2025, 1, 1, tzinfo=UTC)
    assert value.SourceTimestamp != MOMENT


async def test_status_and_source_timestamp_are_for_those_who_may_set_them(
    client: Any, bench: Any
) -> None:
    """However often it is asked for: a lane that learned better forgets it."""
    good = value_of("PlainDouble", ua.Variant(1.0, T.Double), SourceTimestamp=MOMENT)
    bad = value_of(
        "PlainDouble", ua.Variant(2.0, T.Double), StatusCode=ua.StatusCode(S.BadSensorFailure)
    )
    for item in (good, bad, good):
        assert await outcome(client, item) == [S.Good]
    bench.policy.let_nobody_restate()
    for _ in range(3):
        assert await outcome(client, good) == [S.Good]
        assert read_stamped(client, "PlainDouble").SourceTimestamp != MOMENT
        assert await outcome(client, bad) == [S.BadUserAccessDenied]
        assert read_stamped(client, "PlainDouble").StatusCode.value == S.Good
        assert await write(client, "PlainDouble", ua.Variant(3.0, T.Double)) == S.Good


@pytest.mark.parametrize(
    "field",
    [{"ServerTimestamp": MOMENT}, {"SourceTimestamp": MOMENT, "SourcePicoseconds": 1}],
)
async def test_what_cannot_be_kept_is_refused(client: Any, field: dict[str, Any]) -> None:
    item = value_of("PlainDouble", ua.Variant(1.0, T.Double), **field)
    assert await outcome(client, item) == [S.BadWriteNotSupported]


async def test_the_access_level_tells_what_can_be_written(client: Any, bench: Any) -> None:
    """Part 3, 8.57 and 8.58: StatusWrite, TimestampWrite, WriteFullArrayOnly."""

    def level(name: str, attribute: int) -> int:
        (value,) = client.read(ua.ReadValueId(nid(name), attribute)).Results
        return int(value.Value.Value)

    assert level("StoredArray", A.AccessLevel) & 0x62 == 0x62
    assert level("StoredArray", A.AccessLevelEx) & 0x400 == 0
    assert level("SetPoint", A.AccessLevel) & 0x62 == 0x02
    assert level("SetPoint", A.AccessLevelEx) & 0x400 == 0x400
    bench.policy.let_nobody_restate()
    assert level("StoredArray", A.UserAccessLevel) & 0x62 == 0x02
    bench.policy.deny(Action.WRITE, nid("StoredArray"))
    assert level("StoredArray", A.UserAccessLevel) & 0x62 == 0


# -- rights, audit, mixed batches ---------------------------------------------------------------


async def test_who_may_not_write_hears_only_that(client: Any, bench: Any) -> None:
    """Rights come before the value (5.11.4.4); what is audited is refused by the command port."""
    for name in ("PlainDouble", "StoredInt32"):
        bench.policy.deny(Action.WRITE, nid(name))
    bench.commands.denied = True
    wrong = ua.Variant("text", T.String)
    items = [value_of("PlainDouble", wrong), value_of("StoredInt32", wrong)]
    assert await outcome(client, *items) == [S.BadUserAccessDenied] * 2
    assert bench.commands.refused == [("ns=1;s=StoredInt32", "String 'text'")]
    assert not bench.commands.batches


async def test_unaudited_values_go_in_one_batch_and_the_last_of_a_variable_stays(
    client: Any, bench: Any, plant: Any
) -> None:
    codes = await outcome(
        client,
        value_of("PlainDouble", ua.Variant(1.0, T.Double)),
        value_of("Nowhere", ua.Variant(1.0, T.Double)),
        value_of("PlainOther", ua.Variant(2.0, T.Double)),
        value_of("StoredInt32", ua.Variant(3, T.Int32)),
        value_of("SetPoint", ua.Variant(4.0, T.Float)),
        value_of("pH", ua.Variant(5.0, T.Double)),
        value_of("PlainDouble", ua.Variant(6.0, T.Double)),
    )
    assert codes == [S.Good, S.BadNodeIdUnknown, *[S.Good] * 3, S.BadNotWritable, S.Good]
    (batch,) = bench.commands.batches
    assert batch.value.tolist() == [1.0, 2.0, 6.0]
    assert bench.commands.stored[0][1].value == 3
    assert client.read_value("PlainDouble").Value.Value == 6.0
    assert client.read_value("StoredInt32").Value.Value == 3


async def test_a_part_is_checked_alone(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest was checked when it was stored, and may be a thousand times as large."""
    checked: list[Any] = []
    original = arguments._structure_type

    def watched(space: Any, value: Any) -> Any:
        checked.append(value)
        return original(space, value)

    monkeypatch.setattr(arguments, "_structure_type", watched)
    ranges = ua.Variant([[ua.Range(float(n), 9.0)] * 3 for n in range(2)], T.ExtensionObject)
    assert await write(client, "StoredRanges", ranges) == S.Good
    assert len(checked) == 6
    part = ua.Variant([[ua.Range(7.0, 9.0)]], T.ExtensionObject)
    assert await write(client, "StoredRanges", part, "1,2") == S.Good
    assert len(checked) == 7
    wrong = ua.Variant([[ua.EUInformation()]], T.ExtensionObject)
    assert await write(client, "StoredRanges", wrong, "1,2") == S.BadTypeMismatch
    lows = [
        [range_.Low for range_ in row] for row in read_stamped(client, "StoredRanges").Value.Value
    ]
    assert lows == [[0.0, 0.0, 0.0], [1.0, 1.0, 7.0]]


async def test_a_part_has_numbers_of_the_enumeration_only(client: Any) -> None:
    states = ua.Variant([[0, 1], [2, 3]], T.Int32)
    assert await write(client, "StoredStates", states) == S.Good
    for number, status in ((99, S.BadOutOfRange), (4, S.Good)):
        assert await write(client, "StoredStates", ua.Variant([[number]], T.Int32), "0,1") == status
    assert read_stamped(client, "StoredStates").Value.Value == [[0, 4], [2, 3]]
