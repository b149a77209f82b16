"""Every tag as a plain Variable: `Objects/Signals/<device>/<signal>` and `Objects/Computed`.

A commissioning view: what a device says, whether or not a function of a unit is bound to it.
"""

from __future__ import annotations

from biogate.builder import ANALOG_TYPES, READ_ONLY, READ_WRITE, Builder, analog_properties
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.site import DevicePlan
from biogate.site.membership import Membership
from biogate.site.parts import COMPUTED
from biogate.tags import TagInfo

_OBJECTS = node_id(ObjectIds.ObjectsFolder)
_FOLDER = node_id(ObjectIds.FolderType)


def build_signals(
    builder: Builder, devices: list[DevicePlan], computed: list[TagInfo], zones: Membership
) -> dict[str, ua.NodeId]:
    """Add both folders, each only where there is something for it; the Object of each device."""
    objects = _build_devices(builder, devices, zones) if devices else {}
    if computed:
        parent = _folder(builder, COMPUTED, COMPUTED, _OBJECTS, "Tags computed from others")
        builder.place(parent, zones.computed, COMPUTED)
        for info in computed:
            _variable(builder, f"Computed.{info.name}", info.name, parent, info, "")
    return objects


def _build_devices(
    builder: Builder, devices: list[DevicePlan], zones: Membership
) -> dict[str, ua.NodeId]:
    objects = {}
    folder = _folder(builder, "Signals", "Signals", _OBJECTS, "Signals of each device, as read")
    for device in devices:
        parent = objects[device.name] = _folder(
            builder, f"Signals.{device.name}", device.name, folder, device.config.description
        )
        builder.place(parent, zones.device(device.name), device.name)
        for signal in device.profile.signals:
            info = builder.table.info(builder.table.index(device.tag(signal)))
            path = f"Signals.{device.name}.{signal.name}"
            _variable(builder, path, signal.name, parent, info, device.name)
    return objects


def _folder(
    builder: Builder, path: str, name: str, parent: ua.NodeId, description: str
) -> ua.NodeId:
    return builder.instance(
        _FOLDER, path, name, parent, reference=ObjectIds.Organizes, description=description
    ).node_id


def _variable(
    builder: Builder, path: str, name: str, parent: ua.NodeId, info: TagInfo, device: str
) -> None:
    number = info.is_number and info.data_type != "Boolean"
    properties = analog_properties(info) if number else {}
    type_number = ANALOG_TYPES["EngineeringUnits" in properties, "EURange" in properties]
    if type_number == ObjectIds.BaseDataVariableType:
        properties = {}
    instance = builder.instance(
        node_id(type_number), path, name, parent, members=properties, description=info.description
    )
    node = instance[""]
    node.data_type = node_id(getattr(ObjectIds, info.data_type))
    node.value_rank = -1
    node.access_level = node.user_access_level = READ_WRITE if info.writable else READ_ONLY
    projection = ua.VariantType[info.data_type]
    builder.show(node.node_id, info.name, device, projection, write=info.writable)
