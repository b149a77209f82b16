"""What the front end records of its own doings, and the audit events of Part 5, 6.4.3.

One fact makes both: the record goes to the audit trail, the event to whoever listens and may.
"""

from biogate.opcua.audit.auditor import Auditor
from biogate.opcua.audit.fact import AuditEvent, Fact

__all__ = ["AuditEvent", "Auditor", "Fact"]
