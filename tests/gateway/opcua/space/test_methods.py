"""Which handler a Method runs, and which arguments fit it (Part 4, 5.12.2.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.space.arguments import check_argument, input_arguments

I = ua.ObjectIds  # noqa: E741
S = ua.StatusCodes
T = ua.VariantType


@pytest.fixture
def space(make: Any) -> Any:
    """A Machine of MachineType, below BaseMachineType, with an interface."""
    make.type("BaseMachineType", None, "ObjectType")
    make.type("MachineType", "BaseMachineType", "ObjectType")
    make.node("IStoppable", "ObjectType")
    make.method("BaseStart", "BaseMachineType", called="Start")
    make.method("IStop", "IStoppable", called="Stop")
    machine = make.node("Machine", "Object", (I.HasTypeDefinition, "MachineType"))
    machine.add_reference(ua.NodeId(I.HasInterface), ua.NodeId("IStoppable", 1), forward=True)
    make.node("Other", "Object")
    make.method("Machine.Start", "Machine", called="Start")
    make.method("Machine.Reset", "Machine", called="Reset")
    return make.space()


def handler(_call: Any) -> Any:
    return []


def test_a_handler_of_a_type_serves_its_objects_by_either_method_id(
    space: Any, node_id: Any
) -> None:
    space.methods.bind(node_id("BaseMachineType"), node_id("BaseStart"), handler)
    for method in ("BaseStart", "Machine.Start"):
        assert space.methods.find(node_id("Machine"), node_id(method)) == (True, handler)
    assert space.methods.is_bound(node_id("BaseStart"))


def test_a_handler_of_the_object_comes_before_that_of_its_type(space: Any, node_id: Any) -> None:
    def own(_call: Any) -> Any:
        return []

    space.methods.bind(node_id("BaseMachineType"), node_id("BaseStart"), handler)
    space.methods.bind(node_id("Machine"), node_id("Machine.Start"), own)
    for method in ("BaseStart", "Machine.Start"):
        assert space.methods.find(node_id("Machine"), node_id(method)) == (True, own)


def test_methods_of_interfaces_are_found(space: Any, node_id: Any) -> None:
    space.methods.bind(node_id("IStoppable"), node_id("IStop"), handler)
    assert space.methods.find(node_id("Machine"), node_id("IStop")) == (True, handler)


def test_an_object_has_only_its_own_methods(space: Any, node_id: Any) -> None:
    space.methods.bind(node_id("BaseMachineType"), node_id("BaseStart"), handler)
    assert space.methods.find(node_id("Other"), node_id("BaseStart")) == (False, None)
    assert space.methods.find(node_id("Machine"), node_id("Machine.Reset")) == (True, None)
    assert not space.methods.is_bound(node_id("Machine.Reset"))


def test_only_a_component_can_be_bound(space: Any, node_id: Any) -> None:
    with pytest.raises(ValueError, match="ns=1;s=BaseStart is no Method of ns=1;s=Other"):
        space.methods.bind(node_id("Other"), node_id("BaseStart"), handler)


# -- arguments ----------------------------------------------------------------------------------


@pytest.fixture
def typed(make: Any) -> Any:
    """Data types, and a Method that takes a Speed."""
    make.type(I.Number, I.BaseDataType, "DataType")
    make.type(I.Integer, I.Number, "DataType")
    make.type(I.UInteger, I.Number, "DataType")
    make.type(I.Enumeration, I.BaseDataType, "DataType")
    mode = make.type("Mode", I.Enumeration, "DataType")
    mode.data_type_definition = ua.EnumDefinition([ua.EnumField(Value=0), ua.EnumField(Value=2)])
    make.type(I.Structure, I.BaseDataType, "DataType")
    make.type(I.BuildInfo, I.Structure, "DataType")
    make.type("Recipe", I.Structure, "DataType")
    make.type("SpecialRecipe", "Recipe", "DataType")
    make.node("Binary", inverse=[(I.HasEncoding, "SpecialRecipe")])
    make.node("Machine")
    make.method("Start", "Machine", ua.Argument("Speed", ua.NodeId(I.Double), -1))
    make.method("Stop", "Machine")
    return make.space()


def test_the_declared_arguments(typed: Any, node_id: Any) -> None:
    assert [a.Name for a in input_arguments(typed, node_id("Start"))] == ["Speed"]
    assert input_arguments(typed, node_id("Stop")) == []


@pytest.mark.parametrize(
    ("data_type", "variant", "status"),
    [
        (I.Double, ua.Variant(1.0, T.Double), S.Good),
        (I.Double, ua.Variant(1.0, T.Float), S.BadTypeMismatch),
        (I.Number, ua.Variant(1.0, T.Float), S.Good),
        (I.Number, ua.Variant("1", T.String), S.BadTypeMismatch),
        (I.Integer, ua.Variant(-1, T.Int64), S.Good),
        (I.Integer, ua.Variant(1.0, T.Double), S.BadTypeMismatch),
        (I.UInteger, ua.Variant(1, T.Byte), S.Good),
        (I.UInteger, ua.Variant(1, T.Int32), S.BadTypeMismatch),
        (I.BaseDataType, ua.Variant("anything", T.String), S.Good),
        ("Mode", ua.Variant(2, T.Int32), S.Good),
        ("Mode", ua.Variant(1, T.Int32), S.BadOutOfRange),
        ("Mode", ua.Variant(2, T.UInt32), S.BadTypeMismatch),
        (I.Structure, ua.Variant(ua.BuildInfo(), T.ExtensionObject), S.Good),
        (I.BuildInfo, ua.Variant(ua.BuildInfo(), T.ExtensionObject), S.Good),
        (I.BuildInfo, ua.Variant(ua.Argument(), T.ExtensionObject), S.BadTypeMismatch),
        (
            "Recipe",
            ua.Variant(ua.ExtensionObject(ua.NodeId("Binary", 1), b""), T.ExtensionObject),
            S.Good,
        ),
        (
            "Recipe",
            ua.Variant(ua.ExtensionObject(ua.NodeId("Unknown", 1), b""), T.ExtensionObject),
            S.BadTypeMismatch,
        ),
        ("Recipe", ua.Variant(ua.ExtensionObject(), T.ExtensionObject), S.BadTypeMismatch),
    ],
)
def test_types_of_arguments(
    typed: Any, node_id: Any, data_type: str | int, variant: ua.Variant, status: int
) -> None:
    declared = ua.Argument("x", node_id(data_type), -1)
    assert check_argument(typed, declared, variant) == status


SCALAR, ROW = ua.Variant(1.0, T.Double), ua.Variant([1.0], T.Double)
MATRIX = ua.Variant([[1.0], [2.0]], T.Double)


@pytest.mark.parametrize(
    ("rank", "fitting"),
    [
        (-3, [SCALAR, ROW]),
        (-2, [SCALAR, ROW, MATRIX]),
        (-1, [SCALAR]),
        (0, [ROW, MATRIX]),
        (1, [ROW]),
        (2, [MATRIX]),
    ],
)
def test_ranks_of_arguments(typed: Any, rank: int, fitting: list[ua.Variant]) -> None:
    """ValueRank, Part 3, 5.6.2."""
    declared = ua.Argument("x", ua.NodeId(I.Double), rank)
    found = [v for v in (SCALAR, ROW, MATRIX) if check_argument(typed, declared, v) == S.Good]
    assert found == fitting
