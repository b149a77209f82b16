"""The system use notification as a Property of the Server object (IEC 62443-4-2, CR 1.12).

OPC UA has no place for a text that a client sees before its session is active; clients for people
read this one and show it.
"""

from __future__ import annotations

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_PROPERTY, HAS_TYPE_DEFINITION, SERVER
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate_nodesets.model import Node

NOTICE = "SystemUseNotification"


def add_notice(space: AddressSpace, namespace: int, text: str) -> None:
    """Add the Property in the namespace of our own nodes; without a text there is none."""
    if not text or namespace < 0:
        return
    node = Node(
        node_id(NOTICE, namespace),
        ua.NodeClass.Variable,
        ua.QualifiedName(NOTICE, ua.UInt16(namespace)),
        ua.LocalizedText(NOTICE),
        ua.LocalizedText("What who uses this system has to know, such as who may.", "en"),
        data_type=node_id(ObjectIds.LocalizedText),
        value_rank=-1,
        value=encode_variant(ua.Variant(ua.LocalizedText(text), ua.VariantType.LocalizedText)),
    )
    node.add_reference(HAS_PROPERTY, SERVER, forward=False)
    node.add_reference(HAS_TYPE_DEFINITION, node_id(ObjectIds.PropertyType), forward=True)
    space.add_nodes([node])
