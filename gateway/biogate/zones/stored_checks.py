"""Whether a value that a zone wants to store fits its variable: the core looks again."""

from __future__ import annotations

from biogate.opcua.ports import StoredValue, UnfitValue
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.arguments import check_argument
from biogate.opcua.space.tag_values import NUMBERS
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua

_NULL = (None, ua.VariantType.Null)


def checked(
    space: AddressSpace, node_id: ua.NodeId, source: TagSource, write: StoredValue
) -> StoredValue | UnfitValue:
    """The value, or why it does not fit; as the front end judges it (Part 4, 5.11.4)."""
    status = _status(space, node_id, source, write)
    if status == StatusCodes.Good:
        return write
    return UnfitValue(status, f"{write.held!r:.100}")


def _status(space: AddressSpace, node_id: ua.NodeId, source: TagSource, write: StoredValue) -> int:
    held, node = write.held, space.nodes[node_id]
    if source.projection in NUMBERS:
        return StatusCodes.Good if held is None else StatusCodes.BadTypeMismatch
    if held is None or held.VariantType in _NULL:
        return StatusCodes.Good
    declared = ua.Argument(DataType=node.data_type, ValueRank=ua.Int32(node.value_rank))
    return check_argument(space, declared, held)
