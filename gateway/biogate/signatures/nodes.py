"""The Object ElectronicSignatures and its Methods, in the namespace `urn:biogate:security`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import ORGANIZES
from biogate.opcua.space.method_nodes import (
    ANY,
    LIST,
    SCALAR,
    Arguments,
    method_nodes,
    object_node,
)
from biogate.opcua.space.methods import MethodHandler
from biogate.opcua.stack import ObjectIds, node_id
from biogate.signatures.service import Signatures
from biogate_nodesets.model import Node

OBJECT = "ElectronicSignatures"

_STRING, _STATUS = ObjectIds.String, ObjectIds.StatusCode
_PASSWORD = ("Password", _STRING, SCALAR, "Your own, once more; it is kept nowhere")
_MEANING = ("Meaning", _STRING, SCALAR, "What your signature means, such as approval")
_REASON = ("Reason", _STRING, SCALAR, "Why; it stands in the audit trail")
_ID = ("RequestId", _STRING, SCALAR, "Names a change that waits; empty where none does")
_METHODS: Mapping[str, tuple[Arguments, Arguments]] = {
    "RequestChange": (
        (
            ("NodeId", ObjectIds.NodeId, SCALAR, "The Variable to write, or the Method to call"),
            ("Value", ObjectIds.BaseDataType, ANY, "The new value, or the list of arguments"),
            _REASON,
            _MEANING,
            _PASSWORD,
        ),
        (
            _ID,
            ("Status", _STATUS, SCALAR, "Of the change; Good_CompletesAsynchronously: it waits"),
        ),
    ),
    "ApproveChange": (
        (_ID, _MEANING, _PASSWORD),
        (("Status", _STATUS, SCALAR, "Of the change, which was made"),),
    ),
    "RejectChange": ((_ID, _REASON), ()),
    "ListPendingChanges": (
        (),
        (("Changes", _STRING, LIST, "A JSON object for each change that waits"),),
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
    owner = object_node(OBJECT, namespace, node_id(ObjectIds.ObjectsFolder), ORGANIZES)
    yield owner
    for name, (inputs, outputs) in _METHODS.items():
        yield from method_nodes(owner, name, inputs, outputs)
