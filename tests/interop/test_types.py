"""Round trip of every built-in type through the server, and of structures, with two clients."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import ua
from interop.asking import DATA_TYPE, OBJECTS, SERVER_STATUS, S, clause, read, value_of, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

_FLOAT = struct.unpack("<f", struct.pack("<f", 1.1))[0]
# Two values of each built-in type (Part 6, 5.1.2), the limits of those that have some.
VALUES: dict[str, tuple[Any, Any]] = {
    "Boolean": (True, False),
    "SByte": (-128, 127),
    "Byte": (0, 255),
    "Int16": (-32768, 32767),
    "UInt16": (0, 65535),
    "Int32": (-(1 << 31), (1 << 31) - 1),
    "UInt32": (0, (1 << 32) - 1),
    "Int64": (str(-(1 << 63)), str((1 << 63) - 1)),
    "UInt64": ("0", str((1 << 64) - 1)),
    "Float": (_FLOAT, -3.4028234663852886e38),
    "Double": (1.1, -1.7976931348623157e308),
    "String": ("水", "text"),
    "DateTime": (1_700_000_000_123, 4_000_000_000_000),
    "Guid": ("72962B91-FA75-4AE6-8D28-B404DC7DAF63", "00000000-0000-0000-0000-000000000001"),
    "ByteString": ("00ff80", "0102"),
    "XmlElement": ("<a>水</a>", "<b/>"),
    "NodeId": ("ns=2;s=水", "ns=0;i=4294967295"),
    "ExpandedNodeId": ("ns=2;s=Int32RW", "ns=0;i=85"),
    "StatusCode": (S.BadOutOfRange, S.Good),
    "QualifiedName": ("2:Name", "0:水"),
    "LocalizedText": ("Text", "水"),
}


@clause("Part 6, 5.2.2")
@pytest.mark.parametrize("kind", VALUES)
async def test_a_scalar_of_each_type_comes_back(wire, server, kind):
    node = server.type_id(f"Scalar.{kind}")
    for value in VALUES[kind]:
        assert await write(wire, node, [kind, value]) == S.Good
        assert (await read(wire, node))["Value"] == [kind, value]


@clause("Part 6, 5.2.5")
@pytest.mark.parametrize("kind", VALUES)
async def test_an_array_of_each_type_comes_back(wire, server, kind):
    node = server.type_id(f"Array.{kind}")
    for values in (VALUES[kind], VALUES[kind] * 2, VALUES[kind][:1], ()):
        assert await write(wire, node, [kind, list(values)]) == S.Good
        assert (await read(wire, node))["Value"] == [kind, list(values)]


@clause("Part 6, 5.2.2.16")
@pytest.mark.parametrize("kind", VALUES)
async def test_a_matrix_of_each_type_comes_back(wire, server, kind):
    node = server.type_id(f"Matrix.{kind}")
    values = VALUES[kind] * 3
    for dimensions in ([2, 3], [3, 2], [1, 6]):
        written = [kind, list(values), dimensions]
        assert await write(wire, node, written) == S.Good
        assert (await read(wire, node))["Value"] == [kind, list(values), dimensions]


@clause("Part 3, 8.14")
async def test_an_enumeration_is_an_int32(wire, server):
    node = server.type_id("Scalar.Enumeration")
    for value in (0, 3):
        assert await write(wire, node, ["Int32", value]) == S.Good
        assert (await read(wire, node))["Value"] == ["Int32", value]


@clause("Part 3, 5.8.3")
async def test_a_number_that_the_enumeration_lacks_is_refused(wire, server):
    node = server.type_id("Scalar.Enumeration")
    assert await write(wire, node, ["Int32", 99]) in (S.BadOutOfRange, S.BadTypeMismatch)


@clause("Part 3, 5.8.3")
async def test_an_enumeration_describes_itself(wire, server):
    data_type = (await read(wire, server.type_id("Scalar.Enumeration"), DATA_TYPE))["Value"][1]
    definition = (await read(wire, data_type, 23))["Value"][1]
    assert definition["$"] == "EnumDefinition"
    names = [field["Name"] for field in definition["Fields"]]
    assert names == ["Closed", "Open", "Moving", "Failed"]


@clause("Part 6, 5.2.2.4")
async def test_a_null_string_is_no_empty_one_or_both_are_the_same(wire, server):
    node = server.id("StringRW")
    assert await write(wire, node, ["String", None]) == S.Good
    assert (await read(wire, node))["Value"] in (["String", None], ["String", ""])


@clause("Part 6, 5.2.2.15")
async def test_a_structure_carries_its_binary_encoding(wire):
    status = await value_of(wire, SERVER_STATUS)
    assert status["$"] == "ServerStatusDataType"
    assert status["State"] == 0
    assert status["BuildInfo"]["ProductUri"]


@clause("Part 6, 5.2.6")
async def test_an_array_of_structures_is_read(wire):
    arguments = await read(wire, "ns=0;i=11493")
    assert arguments["Value"][0] == "ExtensionObject"
    assert [argument["$"] for argument in arguments["Value"][1]] == ["Argument"]


@clause("Part 3, 8.57")
async def test_an_option_set_of_a_byte_is_a_byte(wire):
    notifier = await read(wire, OBJECTS, 12)
    assert notifier["Value"][0] == "Byte"


@clause("Part 3, 5.8.3")
async def test_asyncua_learns_the_types_from_the_server(connect):
    session = await connect("asyncua")
    try:
        await session.client.load_data_type_definitions()
        loaded = ua.ValveState
        assert [member.name for member in loaded] == ["Closed", "Open", "Moving", "Failed"]
    finally:
        await session.close()
