"""The Object ElectronicSignatures and its Methods, in the namespace `urn:biogate:security`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION, ORGANIZES
from biogate.opcua.space.methods import MethodHandler
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.signatures.service import Signatures
from biogate_nodesets.model import Node

OBJECT = "ElectronicSignatures"
_SCALAR, _LIST, _ANY = -1, 1, -2
_ENCRYPTION_REQUIRED = 2

Arguments = Sequence[tuple[str, int, int, str]]
"""Name, DataType, ValueRank, description."""

_STRING, _STATUS = ObjectIds.String, ObjectIds.StatusCode
_PASSWORD = ("Password", _STRING, _SCALAR, "Your own, once more; it is kept nowhere")
_MEANING = ("Meaning", _STRING, _SCALAR, "What your signature means, such as approval")
_REASON = ("Reason", _STRING, _SCALAR, "Why; it stands in the audit trail")
_ID = ("RequestId", _STRING, _SCALAR, "Names a change that waits; empty where none does")
_METHODS: Mapping[str, tuple[Arguments, Arguments]] = {
    "RequestChange": (
        (
            ("NodeId", ObjectIds.NodeId, _SCALAR, "The Variable to write, or the Method to call"),
            ("Value", ObjectIds.BaseDataType, _ANY, "The new value, or the list of arguments"),
            _REASON,
            _MEANING,
            _PASSWORD,
        ),
        (
            _ID,
            ("Status", _STATUS, _SCALAR, "Of the change; Good_CompletesAsynchronously: it waits"),
        ),
    ),
    "ApproveChange": (
        (_ID, _MEANING, _PASSWORD),
        (("Status", _STATUS, _SCALAR, "Of the change, which was made"),),
    ),
    "RejectChange": ((_ID, _REASON), ()),
    "ListPendingChanges": (
        (),
        (("Changes", _STRING, _LIST, "A JSON object for each change that waits"),),
    ),
}


def add_signatures(space: AddressSpace, namespace: int, signatures: Signatures) -> None:
    """Add the nodes, and let the Methods run what `signatures` says."""
    owner = node_id(OBJECT, namespace)
    space.add_nodes(_nodes(namespace))
    handlers: Mapping[str, MethodHandler] = {
        "RequestChange": signatures.request,
        "ApproveChange": signatures.approve,
        "RejectChange": signatures.reject,
        "ListPendingChanges": signatures.list_pending,
    }
    for name, handler in handlers.items():
        audited = name != "ListPendingChanges"
        space.methods.bind(owner, node_id(f"{OBJECT}.{name}", namespace), handler, audited=audited)


def _nodes(namespace: int) -> Iterator[Node]:
    owner = _node(OBJECT, OBJECT, namespace, ua.NodeClass.Object)
    owner.add_reference(ORGANIZES, node_id(ObjectIds.ObjectsFolder), forward=False)
    owner.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.BaseObjectType), forward=True)
    yield owner
    for name, (inputs, outputs) in _METHODS.items():
        method = _node(f"{OBJECT}.{name}", name, namespace, ua.NodeClass.Method)
        method.access_restrictions = _ENCRYPTION_REQUIRED
        method.add_reference(HAS_COMPONENT, owner.node_id, forward=False)
        yield method
        for kind, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                yield _property(method.node_id, kind, arguments, namespace)


def _node(identifier: str, name: str, namespace: int, node_class: ua.NodeClass) -> Node:
    return Node(
        node_id(identifier, namespace),
        node_class,
        ua.QualifiedName(name, ua.UInt16(namespace)),
        ua.LocalizedText(name),
    )


def _property(method: ua.NodeId, kind: str, arguments: Arguments, namespace: int) -> Node:
    declared = [
        ua.Argument(
            Name=ua.String(name),
            DataType=node_id(data_type),
            ValueRank=ua.Int32(rank),
            ArrayDimensions=[ua.UInt32(0)] if rank == _LIST else [],
            Description=ua.LocalizedText(description, "en"),
        )
        for name, data_type, rank, description in arguments
    ]
    node = Node(
        node_id(f"{method.Identifier!s}.{kind}", namespace),
        ua.NodeClass.Variable,
        ua.QualifiedName(kind, ua.UInt16(0)),
        ua.LocalizedText(kind),
        data_type=node_id(ObjectIds.Argument),
        value_rank=1,
        value=encode_variant(ua.Variant(declared, ua.VariantType.ExtensionObject, is_array=True)),
    )
    node.add_reference(HAS_PROPERTY, method, forward=False)
    node.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.PropertyType), forward=True)
    return node
