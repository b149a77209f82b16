"""The only module of this package that imports asyncua: types, status codes, policies' crypto.

`node_id` is the typed way to make a NodeId: asyncua annotates identifiers with its own `int` and
`str` subclasses, so that plain numbers and strings do not type-check as arguments.
"""

from typing import Any

from asyncua import ua
from asyncua.crypto import security_policies as _security_policies
from asyncua.crypto import uacrypto as _uacrypto
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc

from biogate_nodesets.model import make_node_id as node_id

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


def status_name(status: int) -> str:
    """The symbolic name of a StatusCode, info bits cut off; its number in hex when unknown."""
    code = status & 0xFFFF_0000
    name = str(get_name_and_doc(code)[0])
    return name if getattr(StatusCodes, name, None) == code else f"0x{status:08X}"
