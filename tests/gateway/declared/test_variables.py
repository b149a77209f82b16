"""Declared variables as asyncua's client and the embedding program see them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from biogate import Gateway, WriteRefusedError
from biogate_adapters import status
from biogate_security.audit_store.query import query_log
from biogate_security.policy import Subject

SKID = """
description: media preparation
variables:
  Skid.Batch: {type: String, writable: true}
  Skid.Level: {type: Double, value: 20, unit: LTR, range: [0, 50], writable: true,
    write_range: [0, 45]}
  Skid.Quiet: {type: Int32, writable: true, audited: false}
  Skid.Array: {type: Int32, value: [1, 2, 3], writable: true, description: three numbers}
  Skid.Matrix: {type: UInt64, value: [[1, 2], [3, 0xFFFFFFFFFFFFFFFF]], dimensions: [2, 2]}
  Skid.Square: {type: Int32, value: [[1, 2], [3, 4]], dimensions: [2, 2], writable: true}
  Skid.Node: {type: NodeId, writable: true}
  Skid.Numbers: {type: Int32, value: [1, 2, 3], writable: true}
  Skid.Mode: {type: Mode, value: Running, writable: true}
  Skid.Set: {type: Mode, writable: true}
  Skid.Alarm: {type: UInt16, writable: true, raises_event: alarm}
  Skid.When: {type: DateTime, value: "2026-07-01T12:00:00Z"}
  Skid.Old: {type: Double, historized: true}
  Skid.Beat: {type: UInt16, value: 65534, source: {kind: counter, interval_ms: 20}}
  Skid.Slot: {type: Byte, value: 7, repeat: 3}
objects:
  Skid.Parts: {folder: true, objects: {Skid.Pump: {name: Pump 1}}}
"""

S = ua.StatusCodes
pytestmark = pytest.mark.asyncio(loop_scope="module")
OBSERVER = Subject("eve", frozenset({"Observer"}))


class EventQueue(asyncio.Queue[Any]):
    """asyncua's handler: what comes is taken out with `get`."""

    def event_notification(self, event: Any) -> None:
        self.put_nowait(event)


def node(client: Client, key: str) -> object:
    return client.get_node(f"ns=2;s={key}")


async def status_of(write) -> int:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await write
    return refused.value.code


async def test_the_namespace_is_the_first_of_its_own_where_there_is_no_plant(
    client: Client,
) -> None:
    uris = await client.get_namespace_array()
    assert uris[2:] == ["urn:acme:skid", "urn:biogate:security"]
    assert len(uris) == 4


async def test_variables_begin_with_their_initial_values_and_say_what_they_are(
    client: Client,
) -> None:
    array = node(client, "Skid.Array")
    value = await array.read_data_value()
    assert (value.Value.Value, value.StatusCode.value) == ([1, 2, 3], S.Good)
    assert value.SourceTimestamp is not None
    assert await array.read_value_rank() == 1
    assert (await array.read_array_dimensions()) == [0]
    assert (await array.read_description()).Text == "three numbers"
    assert (await array.read_browse_name()).to_string() == "2:Array"
    matrix = node(client, "Skid.Matrix")
    assert (await matrix.read_data_value()).Value.Value == [[1, 2], [3, 2**64 - 1]]
    assert (await matrix.read_array_dimensions()) == [2, 2]
    assert (await node(client, "Skid.When").read_value()).isoformat() == (
        "2026-07-01T12:00:00+00:00"
    )
    assert await node(client, "Skid.Slot2").read_value() == 7
    assert await status_of(node(client, "Skid.Slot3").read_value()) == S.BadNodeIdUnknown


async def test_an_analog_item_has_its_unit_and_range(client: Client) -> None:
    """Part 8, 5.3.2.3."""
    level = node(client, "Skid.Level")
    assert await level.read_type_definition() == ua.NodeId(ua.ObjectIds.AnalogUnitRangeType)
    unit = await node(client, "Skid.Level.EngineeringUnits").read_value()
    assert unit.DisplayName.Text == "l"
    eu_range = await node(client, "Skid.Level.EURange").read_value()
    assert (eu_range.Low, eu_range.High) == (0.0, 50.0)


async def test_an_enumeration_is_a_data_type_with_its_names(client: Client) -> None:
    """Part 3, 5.8.2: a client that knows nothing of it finds out."""
    mode = node(client, "Skid.Mode")
    assert await mode.read_data_type() == ua.NodeId("Mode", 2)
    assert await mode.read_value() == 1
    texts = await node(client, "Mode.EnumStrings").read_value()
    assert [text.Text for text in texts] == ["Idle", "Running"]
    definition = await node(client, "Mode").read_data_type_definition()
    assert [(field.Name, field.Value) for field in definition.Fields] == [
        ("Idle", 0),
        ("Running", 1),
    ]


async def test_objects_and_folders_hold_what_the_file_puts_into_them(client: Client) -> None:
    pump = await client.nodes.objects.get_child(["2:Skid", "2:Parts", "2:Pump 1"])
    assert pump.nodeid == ua.NodeId("Skid.Pump", 2)
    assert (await node(client, "Skid").read_description()).Text == "media preparation"
    folder = await node(client, "Skid.Parts").read_type_definition()
    assert folder == ua.NodeId(ua.ObjectIds.FolderType)


async def test_what_is_written_stays_and_is_on_record(client: Client, data: Path) -> None:
    await node(client, "Skid.Batch").write_value("B-17")
    await node(client, "Skid.Numbers").write_value([4, 5], ua.VariantType.Int32)
    await node(client, "Skid.Quiet").write_value(3, ua.VariantType.Int32)
    assert await node(client, "Skid.Batch").read_value() == "B-17"
    assert await node(client, "Skid.Numbers").read_value() == [4, 5]
    assert await node(client, "Skid.Quiet").read_value() == 3
    records = [entry.record for entry in query_log(data) if entry.record]
    assert [(r.tag, r.old, r.new) for r in records if r.event == "write"] == [
        ("skid.Skid.Batch", "''", "'B-17'"),
        ("skid.Skid.Numbers", "[1, 2, 3]", "[4, 5]"),
    ]


async def test_a_value_that_does_not_fit_changes_nothing(client: Client) -> None:
    level = node(client, "Skid.Level")
    assert await status_of(level.write_value(45.1)) == S.BadOutOfRange
    assert await status_of(level.write_value("x")) == S.BadTypeMismatch
    assert await level.read_value() == 20.0
    beat = node(client, "Skid.Beat")
    assert await status_of(beat.write_value(1, ua.VariantType.UInt16)) == S.BadNotWritable


async def test_no_event_is_raised_for_no_value(client: Client, gateway: Gateway) -> None:
    """A Bad status may come without a value (Part 4, 7.7.1)."""
    alarm = node(client, "Skid.Alarm")
    await alarm.write_value(ua.DataValue(StatusCode=ua.StatusCode(S.BadSensorFailure)))
    assert (await alarm.read_data_value(raise_on_bad_status=False)).StatusCode.value == (
        S.BadSensorFailure
    )
    await alarm.write_value(0, ua.VariantType.UInt16)
    assert gateway.read("skid.Skid.Alarm").value == 0


# A whole number of 64 bits is no Double, and is kept apart from other numbers.
async def test_an_event_is_raised_by_a_number_of_any_type(serving: Any, tmp_path: Path) -> None:
    skid = """
variables:
  Skid.Wide: {type: Int64, writable: true, raises_event: wide}
  Skid.Small: {type: Byte, writable: true, raises_event: small}
"""
    async with serving(skid, tmp_path) as gateway, Client(gateway.endpoint_url) as client:
        subscription = await client.create_subscription(50, queue := EventQueue())
        await subscription.subscribe_events()
        for key, severity in (("Wide", 700), ("Small", 200)):
            await gateway.write(f"skid.Skid.{key}", severity)
            event = await asyncio.wait_for(queue.get(), 10)
            assert (event.Severity, event.Message.Text) == (severity, key.lower())


async def test_a_historized_variable_says_so(client: Client) -> None:
    """Part 3, 5.6.2 and 8.57."""
    old = node(client, "Skid.Old")
    assert ua.AccessLevel.HistoryRead in await old.get_access_level()
    assert (await old.read_attribute(ua.AttributeIds.Historizing)).Value.Value is True
    batch = node(client, "Skid.Batch")
    assert ua.AccessLevel.HistoryRead not in await batch.get_access_level()


async def test_the_embedding_program_reads_and_writes_them_as_python_values(
    gateway: Gateway,
) -> None:
    updates = gateway.updates(["skid.Skid.Batch"])
    await gateway.write("skid.Skid.Batch", "B-18")
    assert [update.value.value for update in await anext(updates)] == ["B-18"]
    await gateway.write("skid.Skid.Numbers", [7])
    await gateway.write("skid.Skid.Set", "Running")
    assert gateway.read("skid.Skid.Batch").value == "B-18"
    assert gateway.read("skid.Skid.Numbers").value == [7]
    assert gateway.read("skid.Skid.Set").value == 1
    assert gateway.node_ids("skid.Skid.Batch") == ("ns=2;s=Skid.Batch",)
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Numbers", [1.5])
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Batch", ["a"])
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Square", [[1, 2], [3]])
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Square", [[1, 2]])
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Node", "nsu=urn:nobody;s=a")
    with pytest.raises(WriteRefusedError, match="BadTypeMismatch"):
        await gateway.write("skid.Skid.Level", 10**400)
    with pytest.raises(WriteRefusedError, match="BadUserAccessDenied"):
        await gateway.write("skid.Skid.Batch", "x", subject=OBSERVER)
    with pytest.raises(WriteRefusedError, match="BadNotWritable"):
        await gateway.write("skid.Skid.Slot0", 1)


async def test_a_counter_counts_by_itself_and_begins_again_at_0(gateway: Gateway) -> None:
    updates = gateway.updates(["skid.Skid.Beat"])
    seen: list[int] = []
    async with asyncio.timeout(20):
        while len(seen) < 4:
            seen += [update.value.value for update in await anext(updates)]
    assert all(value == 65535 or value < 1000 for value in seen)
    assert seen == sorted(seen, key=lambda value: (value - 65534) % 65536)


async def test_values_begin_anew_at_each_start(serving: Any, tmp_path: Path) -> None:
    declared = "variables: {Skid.Level: {type: Double, value: 20, writable: true}}"
    for _ in range(2):
        async with serving(declared, tmp_path) as gateway:
            assert gateway.read("skid.Skid.Level")[:2] == (20.0, status.GOOD)
            await gateway.write("skid.Skid.Level", 44.0)


async def test_computed_tags_follow_declared_variables(
    tmp_path: Path, nodeset_cache: Path, site_of: Any
) -> None:
    """From their initial values on, which nobody has written."""
    declared = "variables: {Level: {type: Double, value: 20, writable: true}, Name: {type: String}}"
    gateway = Gateway(site_of(declared), data=tmp_path, nodesets=nodeset_cache)
    gateway.add_computed_tag("doubled", lambda level: 2 * level, ["skid.Level"])
    gateway.add_computed_tag("letters", len, ["skid.Name"], data_type="Int32")
    async with gateway:
        await gateway.wait_for_first_values(["doubled"])
        async with asyncio.timeout(20):
            updates = gateway.updates(["doubled"])
            while gateway.read("doubled").value != 40.0:
                await anext(updates)
            await gateway.write("skid.Level", 30.0)
            while gateway.read("doubled").value != 60.0:
                await anext(updates)
        assert gateway.read("letters").value == 0
        assert gateway.diagnostics().counters["calls"] == {}


async def test_a_long_text_fills_no_record_neither_as_the_new_nor_as_the_old_one(
    client: Client, data: Path
) -> None:
    batch = node(client, "Skid.Batch")
    for text in ("x" * 100_000, "B-18"):
        await batch.write_value(text)
    shown = [entry.record for entry in query_log(data) if entry.record.tag.endswith("Skid.Batch")]
    long, short = shown[-2:]
    assert long.new.endswith("... (100002 characters)")
    assert len(short.old) < 1100
