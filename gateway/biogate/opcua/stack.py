"""The only module of this package that imports asyncua: types, status codes, policies' crypto.

asyncua annotates identifiers with its own `int` and `str` subclasses, so plain numbers and
strings do not type-check as arguments; `node_id` is the typed way to make a NodeId.
"""

from typing import Any, cast
from uuid import UUID

from asyncua import ua
from asyncua.crypto import security_policies as _security_policies
from asyncua.crypto import uacrypto as _uacrypto
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc

__all__ = [
    "AttributeIds",
    "ObjectIds",
    "StatusCodes",
    "node_id",
    "security_policies",
    "status_name",
    "ua",
    "uacrypto",
]

# Neither has annotations.
security_policies: Any = _security_policies
uacrypto: Any = _uacrypto


def node_id(identifier: int | str | bytes | UUID, namespace: int = 0) -> ua.NodeId:
    """A NodeId in its most compact form (Part 6, 5.2.2.9)."""
    return ua.NodeId(cast(Any, identifier), cast(Any, namespace))


def status_name(status: int) -> str:
    """The symbolic name of a StatusCode, info bits cut off; its number in hex when unknown."""
    code = status & 0xFFFF_0000
    name = str(get_name_and_doc(code)[0])
    return name if getattr(StatusCodes, name, None) == code else f"0x{status:08X}"
