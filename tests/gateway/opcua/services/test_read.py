"""Read: every attribute, index range and timestamp, each item with its own status (5.11.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.front_end import Limits
from biogate.opcua.space.attributes import has_attribute
from biogate.opcua.space.permissions import allows
from biogate.opcua.space.values import CallSource
from biogate_security.policy import Action

S = ua.StatusCodes
A = ua.AttributeIds
BOTH = ua.TimestampsToReturn.Both


def nid(name: str) -> ua.NodeId:
    return ua.NodeId(name, 1)


def item(name: str, attribute: int = A.Value, **fields: Any) -> ua.ReadValueId:
    return ua.ReadValueId(nid(name), attribute, **fields)


def cut(client: Any, name: str, index_range: str) -> ua.DataValue:
    return client.read(item(name, IndexRange=index_range)).Results[0]


@pytest.fixture(autouse=True)
def _values(plant: Any) -> None:
    plant.set("ph", 7.25)
    plant.set("setpoint", 1.5)
    plant.set_text("gas", "air")


# -- the request as a whole ---------------------------------------------------------------------


def test_an_empty_request_is_nothing_to_do(client: Any) -> None:
    assert client.status(client.read()) == S.BadNothingToDo


async def test_more_nodes_than_the_published_limit_are_refused(
    make_bench: Callable[..., Any],
) -> None:
    client = await make_bench(Limits(max_nodes_per_read=3)).session()
    assert client.status(client.read(*[item("pH")] * 3)) == S.Good
    assert client.status(client.read(*[item("pH")] * 4)) == S.BadTooManyOperations


@pytest.mark.parametrize("timestamps", [4, -1, 99])
def test_an_unknown_timestamps_to_return_is_refused(client: Any, timestamps: int) -> None:
    response = client.read(item("pH"), timestamps=timestamps)
    assert client.status(response) == S.BadTimestampsToReturnInvalid


@pytest.mark.parametrize("max_age", [-1.0, -0.001, math.nan])
def test_a_negative_max_age_is_refused(client: Any, max_age: float) -> None:
    assert client.status(client.read(item("pH"), max_age=max_age)) == S.BadMaxAgeInvalid


def test_one_bad_item_does_not_take_others_with_it(client: Any) -> None:
    response = client.read(item("pH"), item("Nowhere"), item("pH", 99), item("Constant"))
    codes = [value.StatusCode.value for value in response.Results]
    assert codes == [S.Good, S.BadNodeIdUnknown, S.BadAttributeIdInvalid, S.Good]
    assert response.Results[0].Value.Value == 7.25
    assert response.Results[3].Value.Value == 42


# -- nodes and attributes -----------------------------------------------------------------------


def test_a_null_node_id_is_invalid_and_an_unknown_one_unknown(client: Any) -> None:
    response = client.read(ua.ReadValueId(ua.NodeId(), 13), ua.ReadValueId(ua.NodeId(999_999), 13))
    codes = [value.StatusCode.value for value in response.Results]
    assert codes == [S.BadNodeIdInvalid, S.BadNodeIdUnknown]


@pytest.mark.parametrize("attribute", [0, 28, 99, 0xFFFF_FFFF])
def test_attribute_ids_that_do_not_exist_are_invalid(client: Any, attribute: int) -> None:
    assert client.read(item("pH", attribute)).Results[0].StatusCode.value == (
        S.BadAttributeIdInvalid
    )


# Part 3, 5: what the node classes have, with mandatory attributes first.
CLASSES = {
    "Object": (ua.NodeId(2253), {A.EventNotifier}),
    "Variable": (
        ua.NodeId("Matrix", 1),
        {
            A.Value,
            A.DataType,
            A.ValueRank,
            A.ArrayDimensions,
            A.AccessLevel,
            A.UserAccessLevel,
            A.Historizing,
            A.AccessLevelEx,
        },
    ),
    "Method": (ua.NodeId("Start", 1), {A.Executable, A.UserExecutable}),
    "ObjectType": (ua.NodeId(58), {A.IsAbstract}),
    "VariableType": (ua.NodeId(62), {A.IsAbstract, A.DataType, A.ValueRank}),
    "ReferenceType": (ua.NodeId(46), {A.IsAbstract, A.Symmetric, A.InverseName}),
    "DataType": (ua.NodeId(862), {A.IsAbstract, A.DataTypeDefinition}),
}
COMMON = {
    A.NodeId,
    A.NodeClass,
    A.BrowseName,
    A.DisplayName,
    A.Description,
    A.WriteMask,
    A.UserWriteMask,
}


@pytest.mark.parametrize("node_class", CLASSES)
def test_each_node_class_has_its_attributes_and_no_others(client: Any, node_class: str) -> None:
    node_id, own = CLASSES[node_class]
    response = client.read(*(ua.ReadValueId(node_id, attribute) for attribute in range(1, 28)))
    readable = {
        attribute
        for attribute, value in enumerate(response.Results, start=1)
        if value.StatusCode.value == S.Good
    }
    given_or_not = {A.Description, A.UserRolePermissions}
    assert readable - given_or_not == (COMMON | own) - given_or_not
    assert (
        client.read(ua.ReadValueId(node_id, A.NodeClass)).Results[0].Value.Value
        == (ua.NodeClass[node_class])
    )


def test_attributes_have_their_types(client: Any) -> None:
    expected = {
        A.NodeId: ua.Variant(nid("Matrix"), ua.VariantType.NodeId),
        A.BrowseName: ua.Variant(ua.QualifiedName("Matrix", 1)),
        A.DisplayName: ua.Variant(ua.LocalizedText("Matrix")),
        A.WriteMask: ua.Variant(0, ua.VariantType.UInt32),
        A.DataType: ua.Variant(ua.NodeId(6), ua.VariantType.NodeId),
        A.ValueRank: ua.Variant(2, ua.VariantType.Int32),
        A.ArrayDimensions: ua.Variant([2, 3], ua.VariantType.UInt32),
        A.AccessLevel: ua.Variant(1, ua.VariantType.Byte),
        A.Historizing: ua.Variant(False, ua.VariantType.Boolean),
        A.AccessLevelEx: ua.Variant(1, ua.VariantType.UInt32),
    }
    response = client.read(*(item("Matrix", attribute) for attribute in expected))
    assert [value.Value for value in response.Results] == list(expected.values())


def test_a_data_type_definition_arrives_whole(client: Any) -> None:
    (value,) = client.read(ua.ReadValueId(ua.NodeId(338), A.DataTypeDefinition)).Results
    assert [field.Name for field in value.Value.Value.Fields] == [
        "ProductUri",
        "ManufacturerName",
        "ProductName",
        "SoftwareVersion",
        "BuildNumber",
        "BuildDate",
    ]


def test_access_levels_say_what_a_write_would_do(client: Any, bench: Any) -> None:
    def levels(name: str) -> list[int]:
        attributes = (A.AccessLevel, A.UserAccessLevel, A.AccessLevelEx)
        response = client.read(*(item(name, attribute) for attribute in attributes))
        return [value.Value.Value for value in response.Results]

    assert levels("pH") == [1, 1, 1]
    assert levels("SetPoint") == [3, 3, 0x403]  # WriteFullArrayOnly
    bench.policy.deny(Action.WRITE, nid("SetPoint"))
    assert levels("SetPoint") == [3, 1, 0x403]
    bench.policy.deny(Action.READ, nid("SetPoint"))
    assert levels("SetPoint") == [3, 0, 0x403]


def test_a_method_without_a_function_is_not_executable(client: Any) -> None:
    for name, executable in (("Start", True), ("Stop", False)):
        response = client.read(item(name, A.Executable), item(name, A.UserExecutable))
        assert [value.Value.Value for value in response.Results] == [executable, executable]


# -- values and rights --------------------------------------------------------------------------


def test_one_tag_is_shown_in_the_type_of_each_variable(client: Any) -> None:
    double, single = client.read(item("pH"), item("pHFloat")).Results
    assert (double.Value.VariantType, double.Value.Value) == (ua.VariantType.Double, 7.25)
    assert (single.Value.VariantType, single.Value.Value) == (ua.VariantType.Float, 7.25)


def test_a_status_travels_untranslated_with_the_value_it_leaves(client: Any, plant: Any) -> None:
    plant.set("ph", 7.0, S.UncertainNoCommunicationLastUsableValue)
    value = client.read_value("pH")
    assert (value.Value.Value, value.StatusCode.value) == (7.0, 0x408F0000)
    plant.set("ph", math.nan, S.BadNoCommunication)
    value = client.read_value("pH")
    assert (value.Value.Value, value.StatusCode.value) == (None, S.BadNoCommunication)


def test_a_variable_without_a_value_says_so(client: Any) -> None:
    assert client.read_value("NoValue").StatusCode.value == S.BadNoValue


def test_a_value_that_cannot_be_made_takes_no_others_with_it(
    client: Any, plant: Any, caplog: pytest.LogCaptureFixture
) -> None:
    works = False

    def make() -> ua.DataValue:
        if not works:
            raise RuntimeError("boom")
        return ua.DataValue(ua.Variant(1.0))

    plant.space.bind(nid("Live"), CallSource(make))
    for _ in range(3):
        live, constant = client.read(item("Live"), item("Constant")).Results
        assert (live.StatusCode.value, constant.Value.Value) == (S.BadInternalError, 42)
    (record,) = caplog.records
    assert record.node == "ns=1;s=Live"
    works = True
    assert client.read_value("Live").Value.Value == 1.0


def test_a_variable_that_is_not_readable_says_so(client: Any) -> None:
    assert client.read_value("NotReadable").StatusCode.value == S.BadNotReadable


def test_a_hidden_node_looks_like_one_that_does_not_exist(client: Any, bench: Any) -> None:
    bench.policy.deny(Action.BROWSE, nid("pH"))
    hidden, absent = client.read(item("pH"), item("Nowhere")).Results
    assert hidden == absent
    assert hidden.StatusCode.value == S.BadNodeIdUnknown


def test_a_value_may_be_denied_where_the_node_is_seen(client: Any, bench: Any) -> None:
    bench.policy.deny(Action.READ, nid("pH"))
    value, name = client.read(item("pH"), item("pH", A.BrowseName)).Results
    assert value.StatusCode.value == S.BadUserAccessDenied
    assert value.Value.Value is None
    assert name.StatusCode.value == S.Good


def test_decisions_are_asked_once_per_epoch_of_the_policy(client: Any, bench: Any) -> None:
    client.read(*[item("pH")] * 10)
    asked = bench.policy.asked
    client.read(*[item("pH")] * 10)
    assert bench.policy.asked == asked
    bench.policy.epoch += 1
    client.read(item("pH"))
    assert bench.policy.asked > asked


# -- timestamps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamps", "source", "server"),
    [(0, True, False), (1, False, True), (2, True, True), (3, False, False)],
)
def test_the_timestamps_that_were_asked_for(
    client: Any, timestamps: int, source: bool, server: bool
) -> None:
    for name in ("pH", "Constant"):
        (value,) = client.read(item(name), timestamps=timestamps).Results
        assert (value.SourceTimestamp is not None) is source
        assert (value.ServerTimestamp is not None) is server


def test_only_a_value_has_a_source_timestamp(client: Any) -> None:
    (value,) = client.read(item("pH", A.BrowseName), timestamps=BOTH).Results
    assert value.SourceTimestamp is None
    assert value.ServerTimestamp is not None


def test_a_bad_item_has_a_server_timestamp(client: Any) -> None:
    (value,) = client.read(item("Nowhere"), timestamps=BOTH).Results
    assert value.ServerTimestamp is not None


# -- index ranges (7.27) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index_range", "expected"),
    [
        ("Row", "0", [1]),
        ("Row", "1:3", [2, 3, 4]),
        ("Row", "3:1000", [4, 5]),
        ("Matrix", "1,0:1", [[4, 5]]),
        ("Matrix", "0:1,2", [[3], [6]]),
        ("Text", "2:4", "234"),
        ("Text", "9:20", "9"),
    ],
)
def test_a_range_takes_its_part(client: Any, name: str, index_range: str, expected: Any) -> None:
    value = cut(client, name, index_range)
    assert (value.StatusCode.value, value.Value.Value) == (S.Good, expected)


@pytest.mark.parametrize(
    "index_range", ["2-4", "5:2", "2:2", "-2:0", "1:", "a", " 1", "1,,2", "4294967296"]
)
def test_a_malformed_range_is_invalid(client: Any, index_range: str) -> None:
    assert cut(client, "Row", index_range).StatusCode.value == S.BadIndexRangeInvalid


@pytest.mark.parametrize(
    ("name", "index_range"),
    [
        ("Row", "5"),
        ("Row", "0,0"),
        ("Matrix", "0"),
        ("Matrix", "2,0"),
        ("Text", "10"),
        ("Text", "0,0"),
        ("Constant", "0"),
    ],
)
def test_a_range_with_nothing_in_it_has_no_data(client: Any, name: str, index_range: str) -> None:
    value = cut(client, name, index_range)
    assert value.StatusCode.value == S.BadIndexRangeNoData
    assert value.Value.Value is None


def test_other_attributes_have_no_range(client: Any) -> None:
    (value,) = client.read(item("pH", A.BrowseName, IndexRange="0")).Results
    assert value.StatusCode.value == S.BadIndexRangeNoData


# -- data encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attribute", "encoding", "status"),
    [
        ("Info", A.Value, ua.QualifiedName("Default Binary", 0), S.Good),
        ("pH", A.Value, ua.QualifiedName("Default Binary", 0), S.Good),
        ("Info", A.Value, ua.QualifiedName("Default XML", 0), S.BadDataEncodingUnsupported),
        ("Info", A.Value, ua.QualifiedName("Default JSON", 0), S.BadDataEncodingUnsupported),
        ("Info", A.Value, ua.QualifiedName("Default Binary", 1), S.BadDataEncodingInvalid),
        ("Info", A.Value, ua.QualifiedName("Morse", 0), S.BadDataEncodingInvalid),
        ("pH", A.BrowseName, ua.QualifiedName("Default Binary", 0), S.BadDataEncodingInvalid),
    ],
)
def test_data_encodings(
    client: Any, name: str, attribute: int, encoding: ua.QualifiedName, status: int
) -> None:
    (value,) = client.read(item(name, attribute, DataEncoding=encoding)).Results
    assert value.StatusCode.value == status


def test_every_attribute_of_every_node_can_be_read(client: Any, plant: Any) -> None:
    """What a node's class has is Good, absent (optional) or without a value; nothing else.

    A node that its RolePermissions hide from this user is not there at all.
    """
    allowed = {S.Good, S.BadAttributeIdInvalid, S.BadNoValue, S.BadWaitingForInitialData}
    allowed |= {S.BadNotReadable, S.BadSecurityModeInsufficient}
    hidden = 0
    for node in plant.space.nodes.values():
        if not allows(node, Action.BROWSE, ()):
            hidden += 1
            (value,) = client.read(ua.ReadValueId(node.node_id, A.NodeId)).Results
            assert value.StatusCode.value == S.BadNodeIdUnknown
            continue
        wanted = [a for a in range(1, 28) if has_attribute(node, a)]
        response = client.read(*(ua.ReadValueId(node.node_id, a) for a in wanted))
        assert {value.StatusCode.value for value in response.Results} <= allowed, node
    assert 0 < hidden < 500
