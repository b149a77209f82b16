"""A bioreactor as a LADS device with one functional unit (OPC 30500-1, 7.1 and 7.3).

The device's own program and locking are not offered: the state machines show the one state that
the gateway knows and no transitions, and the Lock methods answer Bad_NotImplemented.
"""

from __future__ import annotations

from biogate.bioreactor.functions import build_function, no_transitions, running
from biogate.builder import (
    DI_URI,
    LADS_URI,
    READ_ONLY,
    Builder,
    Members,
    software_revision,
)
from biogate.opcua.stack import ua
from biogate.site import UnitPlan
from biogate.site.parts import FUNCTIONAL_UNIT
from biogate_nodesets import MemberSpec

DEVICE_SET = 5001
DEVICE_TYPE = 1002
FUNCTIONAL_UNIT_TYPE = 1003
OPERATE = 5178
"""LADS LADSDeviceStateMachineType.Operate."""


def build_unit(builder: Builder, unit: UnitPlan, product_uri: str, zone: str) -> None:
    """Add the device below DeviceSet, its functional unit and all functions."""
    device = builder.instance(
        builder.id_in(LADS_URI, DEVICE_TYPE),
        unit.name,
        unit.name,
        builder.id_in(DI_URI, DEVICE_SET),
        members=_device_members(builder, unit, product_uri),
        description=unit.description,
    )
    functional_unit = builder.instance(
        builder.id_in(LADS_URI, FUNCTIONAL_UNIT_TYPE),
        f"{unit.name}.{FUNCTIONAL_UNIT}",
        FUNCTIONAL_UNIT,
        device.paths["FunctionalUnitSet"],
        optional=["FunctionSet"],
        members=_functional_unit_members(builder),
    )
    function_set = functional_unit.paths["FunctionSet"]
    unit_set = device.paths["FunctionalUnitSet"]
    for node in (device.node_id, unit_set, functional_unit.node_id, function_set):
        builder.place(node, zone, unit.name)
    for function in unit.functions:
        path = f"{unit.name}.{FUNCTIONAL_UNIT}.FunctionSet.{function.name}"
        instance = build_function(builder, function, path, function_set)
        builder.place(instance.node_id, zone, f"{unit.name}/{function.name}")


def _device_members(builder: Builder, unit: UnitPlan, product_uri: str) -> Members:
    text, word = ua.LocalizedText, ua.VariantType.String
    operate = builder.id_in(LADS_URI, OPERATE)
    return {
        "AssetId": _fixed(ua.Variant(unit.name, word)),
        "ComponentName": _fixed(ua.Variant(text(unit.name))),
        "DeviceManual": _fixed(ua.Variant("", word)),
        "DeviceRevision": _fixed(ua.Variant("", word)),
        "HardwareRevision": _fixed(ua.Variant("", word)),
        "Manufacturer": _fixed(ua.Variant(text(""))),
        "Model": _fixed(ua.Variant(text(unit.description))),
        "ProductInstanceUri": _fixed(ua.Variant(product_uri, word)),
        # DI 1.05, 4.3: -1 where the device does not count its revisions.
        "RevisionCounter": _fixed(ua.Variant(-1, ua.VariantType.Int32)),
        "SerialNumber": _fixed(ua.Variant("", word)),
        "SoftwareRevision": _fixed(ua.Variant(software_revision(), word)),
        "FunctionalUnitSet/NodeVersion": _fixed(ua.Variant("1", word)),
        "DeviceState/CurrentState": ua.Variant(text("Operate")),
        "DeviceState/CurrentState/Id": ua.Variant(operate, ua.VariantType.NodeId),
    }


def _functional_unit_members(builder: Builder) -> Members:
    name, state = running(builder)
    return {
        "Lock/Locked": ua.Variant(Value=False),
        "Lock/LockingClient": ua.Variant("", ua.VariantType.String),
        "Lock/LockingUser": ua.Variant("", ua.VariantType.String),
        "Lock/RemainingLockTime": ua.Variant(0.0, ua.VariantType.Double),
        "FunctionalUnitState/CurrentState": name,
        "FunctionalUnitState/CurrentState/EffectiveDisplayName": name,
        "FunctionalUnitState/CurrentState/Id": state,
        **no_transitions(builder, "FunctionalUnitState"),
    }


def _fixed(value: ua.Variant) -> MemberSpec:
    """A value that clients may only read, whatever the declaration says."""
    return MemberSpec(value=value, access_level=READ_ONLY)
