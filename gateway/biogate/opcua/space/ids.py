"""NodeIds of namespace 0 that the server itself refers to (Part 6, Annex A)."""

from __future__ import annotations

from biogate.opcua.stack import ObjectIds, node_id

HAS_SUBTYPE = node_id(ObjectIds.HasSubtype)
HAS_TYPE_DEFINITION = node_id(ObjectIds.HasTypeDefinition)
HAS_COMPONENT = node_id(ObjectIds.HasComponent)
ORGANIZES = node_id(ObjectIds.Organizes)
HAS_PROPERTY = node_id(ObjectIds.HasProperty)
ENUMERATION = node_id(ObjectIds.Enumeration)
STRUCTURE = node_id(ObjectIds.Structure)
BASE_DATA_TYPE = node_id(ObjectIds.BaseDataType)
NUMBER = node_id(ObjectIds.Number)
INTEGER = node_id(ObjectIds.Integer)
UINTEGER = node_id(ObjectIds.UInteger)
SERVER = node_id(ObjectIds.Server)
HAS_ENCODING = node_id(ObjectIds.HasEncoding)
HAS_INTERFACE = node_id(ObjectIds.HasInterface)
AGGREGATES = node_id(ObjectIds.Aggregates)
HIERARCHICAL = node_id(ObjectIds.HierarchicalReferences)
HAS_EVENT_SOURCE = node_id(ObjectIds.HasEventSource)
AUDIT_EVENT_TYPE = node_id(ObjectIds.AuditEventType)
HAS_NOTIFIER = node_id(ObjectIds.HasNotifier)
