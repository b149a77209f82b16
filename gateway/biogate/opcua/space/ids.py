"""NodeIds of namespace 0 that the server itself refers to (Part 6, Annex A)."""

from __future__ import annotations

from biogate.opcua.stack import ObjectIds, ua


def ns0(identifier: int) -> ua.NodeId:
    """The NodeId `i=identifier`."""
    return ua.NodeId(ua.Int32(identifier))


REFERENCES = ns0(ObjectIds.References)
HAS_SUBTYPE = ns0(ObjectIds.HasSubtype)
HAS_TYPE_DEFINITION = ns0(ObjectIds.HasTypeDefinition)
HAS_COMPONENT = ns0(ObjectIds.HasComponent)
HAS_PROPERTY = ns0(ObjectIds.HasProperty)
ENUMERATION = ns0(ObjectIds.Enumeration)
STRUCTURE = ns0(ObjectIds.Structure)
SERVER = ns0(ObjectIds.Server)
