"""The layout of a request's TypeId and RequestHeader as clients write them all day."""

from struct import Struct

REQUEST_HEAD = Struct("<4s7s32sqIIiIHB")
"""TypeId, what the AuthenticationToken begins with, its secret, Timestamp, RequestHandle,
ReturnDiagnostics, length of the AuditEntryId (null or empty), TimeoutHint, TypeId and encoding of
the AdditionalHeader (Part 4, 7.33)."""

PARAMETERS = REQUEST_HEAD.size
"""Where the parameters of such a request begin."""

OPAQUE_TOKEN = b"\x05\0\0\x20\0\0\0"
"""What an AuthenticationToken of ours begins with: an opaque NodeId of 32 bytes."""
