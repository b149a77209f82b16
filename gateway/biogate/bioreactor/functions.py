"""LADS functions of a unit (OPC 30500-1, 7.4): their types, members, and the tags behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biogate.builder import (
    LADS_URI,
    READ_ONLY,
    READ_WRITE,
    Builder,
    analog_properties,
)
from biogate.opcua.stack import ua
from biogate.site import FunctionPlan
from biogate.site.parts import FUNCTION_VALUES
from biogate_nodesets import Instance, MemberSpec

RUNNING = 5099
"""LADS FunctionalStateMachineType.Running."""


@dataclass(frozen=True, slots=True)
class FunctionType:
    """The LADS type of a kind of function, and which role each of its values shows."""

    number: int
    values: Mapping[str, str]
    controls: bool = False


FUNCTION_TYPES: Mapping[str, FunctionType] = {
    # AnalogScalarSensorFunctionType
    "sensor": FunctionType(1016, FUNCTION_VALUES["sensor"]),
    # AnalogScalarSensorFunctionWithCompensationType
    "compensated_sensor": FunctionType(1000, FUNCTION_VALUES["compensated_sensor"]),
    # AnalogControlFunctionType
    "control": FunctionType(1009, FUNCTION_VALUES["control"], controls=True),
    # AnalogControlFunctionWithTotalizerType
    "totalizing_control": FunctionType(1014, FUNCTION_VALUES["totalizing_control"], controls=True),
}


def build_function(
    builder: Builder, function: FunctionPlan, path: str, parent: ua.NodeId
) -> Instance:
    """Add one function and bind its values. `path` is the NodeId's string."""
    kind = FUNCTION_TYPES[function.kind]
    members: dict[str, MemberSpec | ua.Variant] = {
        "IsEnabled": MemberSpec(value=ua.Variant(Value=True), access_level=READ_ONLY)
    }
    for value, role in kind.values.items():
        signal = function.bindings[role].signal
        access = READ_WRITE if role == "target" else READ_ONLY
        description = ua.LocalizedText(signal.description) if signal.description else None
        members[value] = MemberSpec(access_level=access, description=description)
        members.update(analog_properties(signal, f"{value}/"))
    if kind.controls:
        members.update(no_transitions(builder, "ControlFunctionState"))
    instance = builder.instance(
        builder.id_in(LADS_URI, kind.number),
        path,
        function.name,
        parent,
        members=members,
        description=function.description,
    )
    for value, role in kind.values.items():
        binding = function.bindings[role]
        builder.show(
            instance.paths[value],
            binding.tag,
            binding.device,
            ua.VariantType.Double,
            write=role == "target",
        )
    if kind.controls:
        _bind_state(builder, instance, function.bindings["current"].tag)
    return instance


def running(builder: Builder) -> tuple[ua.Variant, ua.Variant]:
    """CurrentState and its Id for a control function that the device keeps running."""
    return (
        ua.Variant(ua.LocalizedText("Running")),
        ua.Variant(builder.id_in(LADS_URI, RUNNING), ua.VariantType.NodeId),
    )


def no_transitions(builder: Builder, machine: str) -> dict[str, MemberSpec | ua.Variant]:
    """AvailableStates and AvailableTransitions where clients cannot change the state."""
    _, state = running(builder)
    return {
        f"{machine}/AvailableStates": ua.Variant([state.Value], ua.VariantType.NodeId),
        f"{machine}/AvailableTransitions": ua.Variant([], ua.VariantType.NodeId),
    }


def _bind_state(builder: Builder, instance: Instance, tag: str) -> None:
    name, state = running(builder)
    builder.follow(instance.paths["ControlFunctionState/CurrentState"], tag, name)
    builder.follow(instance.paths["ControlFunctionState/CurrentState/Id"], tag, state)
