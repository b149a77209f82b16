"""All attributes but Value: which node class has them and what they hold (Part 3, 5; Part 6, A.1).

An optional attribute that the node does not give is Bad_AttributeIdInvalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.derived_permissions import REVIEWERS, derived, derives
from biogate.opcua.space.permissions import READ_ROLE_PERMISSIONS, ROLE_IDS, held
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import AttributeIds, ua
from biogate_nodesets.model import Node, RolePermission
from biogate_security.policy import Action

VALUE = AttributeIds.Value
_READ = 0x01
_WRITE = 0x02
_READ_HISTORY = 0x04
_SERVED = 0x0304 | _READ  # CurrentRead, HistoryRead, NonatomicRead, NonatomicWrite
_WRITE_FULL_ARRAY_ONLY = 0x0400
_SUBSCRIBE_TO_EVENTS = 0x01
_WRITE_STATUS_AND_TIME = 0x60

_ALL = frozenset(ua.NodeClass) - {ua.NodeClass.Unspecified}
_VARIABLE = frozenset({ua.NodeClass.Variable})
_VALUED = frozenset({ua.NodeClass.Variable, ua.NodeClass.VariableType})
_METHOD = frozenset({ua.NodeClass.Method})
_REFERENCE_TYPE = frozenset({ua.NodeClass.ReferenceType})
_DATA_TYPE = frozenset({ua.NodeClass.DataType})
_VIEW = frozenset({ua.NodeClass.View})
_NOTIFIER = frozenset({ua.NodeClass.Object, ua.NodeClass.View})
_TYPES = frozenset(
    {
        ua.NodeClass.ObjectType,
        ua.NodeClass.VariableType,
        ua.NodeClass.ReferenceType,
        ua.NodeClass.DataType,
    }
)

Getter = Callable[[Node, AddressSpace, RightsView], object]


@dataclass(frozen=True, slots=True)
class _Attribute:
    classes: frozenset[ua.NodeClass]
    type: ua.VariantType
    get: Getter


def has_attribute(node: Node, attribute: int) -> bool:
    """True when nodes of this class have the attribute, given or not."""
    if attribute == VALUE:
        return node.node_class in _VALUED
    row = _TABLE.get(attribute)
    return row is not None and node.node_class in row.classes


def read_attribute(
    node: Node, attribute: int, space: AddressSpace, rights: RightsView
) -> ua.Variant | None:
    """The attribute (not Value) as this user sees it; None when the node has none."""
    row = _TABLE.get(attribute)
    if row is None or node.node_class not in row.classes:
        return None
    value = row.get(node, space, rights)
    if value is None:
        return None
    return ua.Variant(value, row.type, is_array=isinstance(value, list))


def access_level(node: Node, space: AddressSpace) -> int:
    """AccessLevelEx as it is served: writable only where a write leads somewhere."""
    level = node.access_level & _SERVED
    source = space.source(node.node_id)
    if isinstance(source, TagSource) and source.writable:
        level |= _WRITE | (_WRITE_STATUS_AND_TIME if source.stored else _WRITE_FULL_ARRAY_ONLY)
    return level


def user_access_level(node: Node, space: AddressSpace, rights: RightsView) -> int:
    """AccessLevel of this user: what the variable offers and the policy allows."""
    level = access_level(node, space) & 0xFF
    if level & _READ and not rights.may(Action.READ, node):
        level &= ~_READ
    if level & _READ_HISTORY and not rights.may(Action.READ_HISTORY, node):
        level &= ~_READ_HISTORY
    if level & _WRITE and not rights.may(Action.WRITE, node):
        level &= ~(_WRITE | _WRITE_STATUS_AND_TIME)
    if level & _WRITE_STATUS_AND_TIME and not rights.may_restate(node):
        level &= ~_WRITE_STATUS_AND_TIME
    return level


def is_readable(node: Node) -> bool:
    """True when the Variable offers its Value for reading to anyone."""
    return node.node_class is not ua.NodeClass.Variable or bool(node.access_level & _READ)


def _dimensions(node: Node, _space: AddressSpace, _rights: RightsView) -> object:
    return None if node.array_dimensions is None else list(node.array_dimensions)


def _executable(node: Node, space: AddressSpace, _rights: RightsView) -> object:
    return node.executable and space.methods.is_bound(node.node_id)


def _user_executable(node: Node, space: AddressSpace, rights: RightsView) -> object:
    return _executable(node, space, rights) and rights.may(Action.CALL, node)


def _role_permissions(node: Node, _space: AddressSpace, rights: RightsView) -> object:
    """Only for who may read them (Part 3, 5.2.9); to others they do not exist."""
    if derives(node):
        if rights.subject.roles.isdisjoint(REVIEWERS):
            return None
        return _wire_permissions(derived(node, rights, ROLE_IDS))
    mine = held(node, rights.subject.roles)
    if not any(permission.permissions & READ_ROLE_PERMISSIONS for permission in mine):
        return None
    return _wire_permissions(node.role_permissions or ())


def _user_role_permissions(node: Node, _space: AddressSpace, rights: RightsView) -> object:
    if derives(node):
        return _wire_permissions(derived(node, rights, rights.subject.roles))
    if node.role_permissions is None:
        return None
    return _wire_permissions(held(node, rights.subject.roles))


def _wire_permissions(permissions: Iterable[RolePermission]) -> list[ua.RolePermissionType]:
    return [
        ua.RolePermissionType(RoleId=role, Permissions=ua.PermissionType(mask))
        for role, mask in permissions
    ]


def _event_notifier(node: Node, space: AddressSpace, _rights: RightsView) -> object:
    return _SUBSCRIBE_TO_EVENTS if node.node_id in space.notifiers else 0


def _field(name: str) -> Getter:
    return lambda node, _space, _rights: getattr(node, name)


_T = ua.VariantType
_TABLE: dict[int, _Attribute] = {
    AttributeIds.NodeId: _Attribute(_ALL, _T.NodeId, _field("node_id")),
    AttributeIds.NodeClass: _Attribute(_ALL, _T.Int32, lambda n, s, r: int(n.node_class)),
    AttributeIds.BrowseName: _Attribute(_ALL, _T.QualifiedName, _field("browse_name")),
    AttributeIds.DisplayName: _Attribute(_ALL, _T.LocalizedText, _field("display_name")),
    AttributeIds.Description: _Attribute(_ALL, _T.LocalizedText, _field("description")),
    # No attribute but Value is writable, whatever a nodeset says.
    AttributeIds.WriteMask: _Attribute(_ALL, _T.UInt32, lambda n, s, r: 0),
    AttributeIds.UserWriteMask: _Attribute(_ALL, _T.UInt32, lambda n, s, r: 0),
    AttributeIds.IsAbstract: _Attribute(_TYPES, _T.Boolean, _field("is_abstract")),
    AttributeIds.Symmetric: _Attribute(_REFERENCE_TYPE, _T.Boolean, _field("symmetric")),
    AttributeIds.InverseName: _Attribute(_REFERENCE_TYPE, _T.LocalizedText, _field("inverse_name")),
    AttributeIds.ContainsNoLoops: _Attribute(_VIEW, _T.Boolean, _field("contains_no_loops")),
    AttributeIds.EventNotifier: _Attribute(_NOTIFIER, _T.Byte, _event_notifier),
    AttributeIds.DataType: _Attribute(_VALUED, _T.NodeId, _field("data_type")),
    AttributeIds.ValueRank: _Attribute(_VALUED, _T.Int32, _field("value_rank")),
    AttributeIds.ArrayDimensions: _Attribute(_VALUED, _T.UInt32, _dimensions),
    AttributeIds.AccessLevel: _Attribute(
        _VARIABLE, _T.Byte, lambda n, s, r: access_level(n, s) & 0xFF
    ),
    AttributeIds.UserAccessLevel: _Attribute(_VARIABLE, _T.Byte, user_access_level),
    AttributeIds.MinimumSamplingInterval: _Attribute(
        _VARIABLE, _T.Double, _field("minimum_sampling_interval")
    ),
    AttributeIds.Historizing: _Attribute(_VARIABLE, _T.Boolean, _field("historizing")),
    AttributeIds.Executable: _Attribute(_METHOD, _T.Boolean, _executable),
    AttributeIds.UserExecutable: _Attribute(_METHOD, _T.Boolean, _user_executable),
    AttributeIds.DataTypeDefinition: _Attribute(
        _DATA_TYPE, _T.ExtensionObject, _field("data_type_definition")
    ),
    AttributeIds.RolePermissions: _Attribute(_ALL, _T.ExtensionObject, _role_permissions),
    AttributeIds.UserRolePermissions: _Attribute(_ALL, _T.ExtensionObject, _user_role_permissions),
    AttributeIds.AccessRestrictions: _Attribute(_ALL, _T.UInt16, _field("access_restrictions")),
    AttributeIds.AccessLevelEx: _Attribute(
        _VARIABLE, _T.UInt32, lambda n, s, r: access_level(n, s)
    ),
}
