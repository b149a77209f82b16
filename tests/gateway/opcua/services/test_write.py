"""Write: set-points through the command port, everything else its code (Part 4, 5.11.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import encode_message
from biogate.opcua.front_end import Limits
from biogate_security.policy import Action

S = ua.StatusCodes
A = ua.AttributeIds
T = ua.VariantType


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def value_of(
    name: str, value: Any, variant_type: ua.VariantType, attribute: int = A.Value, **fields: Any
) -> ua.WriteValue:
    data = ua.DataValue(ua.Variant(value, variant_type), **fields.pop("data", {}))
    return ua.WriteValue(nid(name), attribute, Value=data, **fields)


async def outcome(client: Any, *items: ua.WriteValue) -> list[int]:
    response = await client.write(*items)
    assert client.status(response) == S.Good
    return [status.value for status in response.Results]


@pytest.mark.parametrize(
    ("name", "value", "variant_type", "tag"),
    [
        ("SetPoint", 37.5, T.Float, "setpoint"),
        ("Gas", "nitrogen", T.String, "gas"),
        ("Pump", True, T.Boolean, "pump"),
        ("Stage", 65_535, T.UInt16, "stage"),
    ],
)
async def test_a_set_point_reaches_the_command_port(
    client: Any, bench: Any, plant: Any, name: str, value: Any, variant_type: Any, tag: str
) -> None:
    assert await outcome(client, value_of(name, value, variant_type)) == [S.Good]
    ((subject, index, node_id, written, _),) = bench.commands.writes
    assert (index, node_id, written) == (plant.tags.index(tag), f"ns=1;s={name}", value)
    assert type(written) is type(value)
    assert subject.roles == {"Anonymous"}


async def test_the_clients_audit_entry_id_goes_along(client: Any, bench: Any) -> None:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [value_of("SetPoint", 1.0, T.Float)]
    request.RequestHeader = ua.RequestHeader(client.token, AuditEntryId="batch 42")
    await client.wait(client.send_bytes(encode_message(request)))
    assert bench.commands.writes[0][4] == "batch 42"


@pytest.mark.parametrize(
    "status",
    [S.GoodCompletesAsynchronously, S.BadOutOfRange, S.BadUserAccessDenied, S.BadDeviceFailure],
)
async def test_the_command_ports_status_is_the_clients(
    client: Any, bench: Any, status: int
) -> None:
    bench.commands.answer = status
    assert await outcome(client, value_of("SetPoint", 1e9, T.Float)) == [status]


@pytest.mark.parametrize(
    ("name", "value", "variant_type"),
    [
        ("SetPoint", 1.0, T.Double),
        ("SetPoint", 1, T.Int32),
        ("SetPoint", "1.0", T.String),
        ("SetPoint", [1.0], T.Float),
        ("SetPoint", None, T.Null),
        ("Stage", 1, T.Int16),
        ("Pump", 1, T.Byte),
        ("Gas", b"air", T.ByteString),
        ("Gas", None, T.String),
    ],
)
async def test_another_type_or_rank_is_a_type_mismatch(
    client: Any, bench: Any, name: str, value: Any, variant_type: Any
) -> None:
    assert await outcome(client, value_of(name, value, variant_type)) == [S.BadTypeMismatch]
    assert not bench.commands.writes


@pytest.mark.parametrize(
    ("name", "attribute", "status"),
    [
        ("pH", A.Value, S.BadNotWritable),
        ("Constant", A.Value, S.BadNotWritable),
        ("SetPoint", A.DisplayName, S.BadNotWritable),
        ("Reactor", A.BrowseName, S.BadNotWritable),
        ("Reactor", A.Value, S.BadAttributeIdInvalid),
        ("SetPoint", 99, S.BadAttributeIdInvalid),
        ("Nowhere", A.Value, S.BadNodeIdUnknown),
    ],
)
async def test_what_is_not_a_set_point_is_refused(
    client: Any, bench: Any, name: str, attribute: int, status: int
) -> None:
    assert await outcome(client, value_of(name, 1.0, T.Float, attribute)) == [status]
    assert not bench.commands.writes


async def test_a_hidden_set_point_looks_absent(client: Any, bench: Any) -> None:
    bench.policy.deny(Action.BROWSE, nid("SetPoint"))
    assert await outcome(client, value_of("SetPoint", 1.0, T.Float)) == [S.BadNodeIdUnknown]
    assert not bench.commands.writes


async def test_an_index_range_is_not_supported(client: Any, bench: Any) -> None:
    items = [value_of("Gas", "x", T.String, IndexRange=r) for r in ("0:1", "5:2", "x")]
    assert await outcome(client, *items) == [
        S.BadWriteNotSupported,
        S.BadIndexRangeInvalid,
        S.BadIndexRangeInvalid,
    ]
    assert not bench.commands.writes


async def test_a_status_or_a_server_time_cannot_be_stored(client: Any, bench: Any) -> None:
    now = datetime.now(UTC)
    items = [
        value_of("SetPoint", 1.0, T.Float, data={"StatusCode": ua.StatusCode(S.BadSensorFailure)}),
        value_of("SetPoint", 1.0, T.Float, data={"ServerTimestamp": now}),
    ]
    assert await outcome(client, *items) == [S.BadWriteNotSupported] * 2
    assert not bench.commands.writes
    stamped = value_of("SetPoint", 1.0, T.Float, data={"SourceTimestamp": now})
    assert await outcome(client, stamped) == [S.Good]


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (value_of("SetPoint", 1.0, T.Double), "Double 1.0"),
        (value_of("SetPoint", [1.0, 2.0], T.Float), "Float[2]"),
        (value_of("SetPoint", None, T.Null), "Null"),
        (value_of("SetPoint", "x" * 1000, T.String), "String '" + 99 * "x"),
        (value_of("SetPoint", 1.0, T.Float, IndexRange="5:2"), "Float 1.0"),
        (value_of("SetPoint", 1.0, T.Float, data={"ServerTimestamp": datetime.now(UTC)}), "Fl"),
    ],
)
async def test_who_may_not_write_hears_only_that_and_it_is_recorded(
    client: Any, bench: Any, item: ua.WriteValue, shown: str
) -> None:
    """Rights are decided before the value is looked at (Part 4, 5.11.4.4)."""
    bench.commands.denied = True
    assert await outcome(client, item) == [S.BadUserAccessDenied]
    ((node, recorded),) = bench.commands.refused
    assert node == "ns=1;s=SetPoint"
    assert recorded.startswith(shown)
    assert len(recorded) < 150


async def test_one_bad_item_does_not_take_others_with_it(client: Any, bench: Any) -> None:
    codes = await outcome(
        client,
        value_of("Nowhere", 1.0, T.Float),
        value_of("SetPoint", 1.0, T.Float),
        value_of("pH", 1.0, T.Double),
    )
    assert codes == [S.BadNodeIdUnknown, S.Good, S.BadNotWritable]
    assert len(bench.commands.writes) == 1


async def test_writes_to_one_device_keep_their_order_and_do_not_wait_for_another(
    client: Any, bench: Any
) -> None:
    """SetPoint and Pump are of one device, Gas of another."""
    bench.commands.gate = asyncio.Event()
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        value_of("SetPoint", 1.0, T.Float),
        value_of("Pump", True, T.Boolean),
        value_of("Gas", "air", T.String),
    ]
    sent = client.send(request)
    assert await bench.commands.seen(2) == [1.0, "air"]
    bench.commands.gate.set()
    response = await client.wait(sent)
    assert [status.value for status in response.Results] == [S.Good] * 3
    assert await bench.commands.seen(3) == [1.0, "air", True]


async def test_a_command_port_that_fails_is_an_internal_error_for_that_item(
    client: Any, bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.commands.answer = RuntimeError("boom")
    items = [value_of("SetPoint", 1.0, T.Float), value_of("Nowhere", 1.0, T.Float)]
    assert await outcome(client, *items) == [S.BadInternalError, S.BadNodeIdUnknown]
    (record,) = caplog.records
    assert (record.node, record.value) == ("ns=1;s=SetPoint", "Float 1.0")


async def test_a_thousand_writes_that_fail_are_no_flood_of_log_lines(
    client: Any, bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.commands.answer = RuntimeError("boom")
    items = [value_of("SetPoint", 1.0, T.Float)] * 1000
    assert await outcome(client, *items) == [S.BadInternalError] * 1000
    assert len(caplog.records) < 50
    caplog.clear()
    bench.front_end.context.log_failure("something else failed", RuntimeError("bang"))
    assert [record.message for record in caplog.records] == ["something else failed"]
    caplog.clear()
    bench.clock.now += 60
    await outcome(client, *items[:1])
    (record,) = caplog.records
    assert record.lines_left_out > 950


async def test_an_empty_request_and_one_over_the_limit(make_bench: Callable[..., Any]) -> None:
    client = await make_bench(Limits(max_nodes_per_write=1)).session()
    assert client.status(await client.write()) == S.BadNothingToDo
    two = [value_of("SetPoint", 1.0, T.Float)] * 2
    assert client.status(await client.write(*two)) == S.BadTooManyOperations
