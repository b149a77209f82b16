"""The Server object says what is true, with two clients."""

from __future__ import annotations

import time

import pytest
from interop.asking import (
    HAS_TYPE_DEFINITION,
    SERVER_OBJECT,
    SERVER_STATUS,
    S,
    browse,
    clause,
    description,
    read,
    read_all,
    value_id,
    value_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Part 5, 6.3.2 and 6.3.11: Properties of ServerCapabilities and OperationLimits, with their types.
CAPABILITIES = {
    2269: "String",  # ServerProfileArray
    2271: "String",  # LocaleIdArray
    2272: "Double",  # MinSupportedSampleRate
    2735: "UInt16",  # MaxBrowseContinuationPoints
    2736: "UInt16",  # MaxQueryContinuationPoints
    2737: "UInt16",  # MaxHistoryContinuationPoints
    11702: "UInt32",  # MaxArrayLength
    11703: "UInt32",  # MaxStringLength
    12911: "UInt32",  # MaxByteStringLength
    24095: "UInt32",  # MaxSessions
    24096: "UInt32",  # MaxSubscriptions
    24097: "UInt32",  # MaxMonitoredItems
    24098: "UInt32",  # MaxSubscriptionsPerSession
    24104: "UInt32",  # MaxMonitoredItemsPerSubscription
    31916: "UInt32",  # MaxMonitoredItemsQueueSize
}
OPERATION_LIMITS = {
    11705: "MaxNodesPerRead",
    11707: "MaxNodesPerWrite",
    11709: "MaxNodesPerMethodCall",
    11710: "MaxNodesPerBrowse",
    11711: "MaxNodesPerRegisterNodes",
    11712: "MaxNodesPerTranslateBrowsePathsToNodeIds",
    11714: "MaxMonitoredItemsPerCall",
    12165: "MaxNodesPerHistoryReadData",
}


@clause("Part 5, 12.10")
async def test_the_status_of_the_server_is_running(any_wire):
    status = await value_of(any_wire, SERVER_STATUS)
    assert status["State"] == 0
    assert status["StartTime"] <= status["CurrentTime"]
    assert abs(status["CurrentTime"] / 1000 - time.time()) < 10
    assert status["SecondsTillShutdown"] == 0


@clause("Part 5, 7.6")
async def test_the_parts_of_the_status_are_those_of_the_whole(wire):
    whole = await value_of(wire, SERVER_STATUS)
    for identifier, name in [(2257, "StartTime"), (2259, "State"), (2992, "SecondsTillShutdown")]:
        assert await value_of(wire, f"ns=0;i={identifier}") == whole[name]


@clause("Part 5, 7.7")
async def test_the_build_names_the_product(wire):
    build = await value_of(wire, "ns=0;i=2260")
    for name in ("ProductUri", "ManufacturerName", "ProductName", "SoftwareVersion"):
        assert build[name], name


@clause("Part 5, 6.3.1")
async def test_service_level_and_auditing_have_their_types(wire):
    level = await read(wire, "ns=0;i=2267")
    auditing = await read(wire, "ns=0;i=2994")
    assert level["Value"][0] == "Byte"
    assert 0 < level["Value"][1] <= 255
    assert auditing["Value"][0] == "Boolean"


@clause("Part 5, 6.3.2")
@pytest.mark.parametrize("identifier", CAPABILITIES)
async def test_a_capability_has_a_value_of_its_type(wire, identifier):
    result = await read(wire, f"ns=0;i={identifier}")
    assert result["StatusCode"] == S.Good
    assert result["Value"][0] == CAPABILITIES[identifier]


@clause("Part 5, 6.3.11")
@pytest.mark.parametrize("identifier", OPERATION_LIMITS)
async def test_an_operation_limit_is_a_number(wire, identifier):
    result = await read(wire, f"ns=0;i={identifier}")
    assert result["StatusCode"] == S.Good, OPERATION_LIMITS[identifier]
    assert result["Value"][0] == "UInt32"
    assert result["Value"][1] > 0


@clause("Part 5, 6.3.2")
async def test_the_claimed_profiles_are_uris(wire):
    profiles = await value_of(wire, "ns=0;i=2269")
    assert "http://opcfoundation.org/UA-Profile/Server/EmbeddedUA2017" in profiles
    assert all(uri.startswith("http://opcfoundation.org/UA") for uri in profiles)


@clause("Part 5, 6.3.14")
async def test_each_namespace_is_described(wire):
    namespaces = await value_of(wire, "ns=0;i=2255")
    (found,) = await browse(wire, description("ns=0;i=11715", NodeClassMask=1))
    names = [reference["BrowseName"] for reference in found["References"]]
    described = {name.partition(":")[2] for name in names}
    assert "http://opcfoundation.org/UA/" in described
    assert described <= set(namespaces)


@clause("Part 5, 6.3.3")
async def test_diagnostics_are_behind_a_switch(wire):
    flag = await read(wire, "ns=0;i=2294")
    assert flag["StatusCode"] == S.Good
    assert flag["Value"][0] == "Boolean"
    summary = await read(wire, "ns=0;i=2275")
    if flag["Value"][1]:
        assert summary["Value"][1]["CurrentSessionCount"] >= 1
    else:
        assert summary["StatusCode"] == S.Good or summary["StatusCode"] & 0x80000000


@clause("Part 3, 4.5.2")
async def test_objects_have_one_type_that_exists(wire, server):
    nodes = [SERVER_OBJECT, server.id("Fixture"), server.id("Big"), server.id("Int32RW")]
    results = await browse(
        wire, *(description(node, ReferenceTypeId=HAS_TYPE_DEFINITION) for node in nodes)
    )
    for result in results:
        (reference,) = result["References"]
        node_class = await read(wire, reference["NodeId"], 2)
        assert node_class["Value"][1] in (8, 16)


@clause("Part 3, 6.4.4")
async def test_the_server_object_has_all_its_mandatory_components(wire):
    (found,) = await browse(wire, description(SERVER_OBJECT))
    names = {reference["BrowseName"] for reference in found["References"]}
    assert {
        "0:ServerArray",
        "0:NamespaceArray",
        "0:ServerStatus",
        "0:ServiceLevel",
        "0:Auditing",
        "0:ServerCapabilities",
        "0:ServerDiagnostics",
        "0:VendorServerInfo",
        "0:ServerRedundancy",
    } <= names


@clause("Part 8, 5.3.2")
async def test_an_analog_item_has_its_range_and_unit(wire, server):
    (found,) = await browse(wire, description(server.id("AnalogRW"), ReferenceTypeId="ns=0;i=46"))
    properties = {r["BrowseName"]: r["NodeId"] for r in found["References"]}
    limits = await value_of(wire, properties["0:EURange"])
    assert (limits["Low"], limits["High"]) == (0, 100)
    unit = await value_of(wire, properties["0:EngineeringUnits"])
    assert unit["NamespaceUri"] == "http://www.opcfoundation.org/UA/units/un/cefact"
    identifier = unit["UnitId"].to_bytes(4, "big").lstrip(b"\0").decode()
    assert identifier == "P1"


@clause("Part 5, 5.2")
async def test_the_type_system_is_there(wire):
    nodes = [f"ns=0;i={number}" for number in (58, 61, 62, 63, 68, 24, 22, 29, 50, 31, 33, 2004)]
    results = await read_all(wire, [value_id(node, 3) for node in nodes])
    assert {result["StatusCode"] for result in results} == {S.Good}
