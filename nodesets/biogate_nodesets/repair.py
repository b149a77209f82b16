"""Known defects of the official files, each with its mend.

Most of what other loaders stumble over needs no mend here: references are completed on both
ends whichever side the file writes, a missing DataType is BaseDataType, a missing
UserAccessLevel follows AccessLevel, a RequiredModel may lack its date, nodes for design tools
are left out. What remains is data that is wrong or missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from asyncua import ua

from biogate_nodesets import binary
from biogate_nodesets.model import Node, make_node_id

_BOOLEAN, _INT32, _UINT32 = 1, 6, 7


class Repair(NamedTuple):
    """One mend: `apply` changes the node, or returns False when the defect is not there."""

    uri: str
    identifier: int
    why: str
    apply: Callable[[Node], bool]


def _is_subset(node: Node) -> bool:
    if node.value is not None:
        return False
    node.value = binary.variant(_BOOLEAN, binary.boolean(value=True))
    return True


def _retype_int32_array(node: Node) -> bool:
    """Int32 and UInt32 share their bytes where no value is negative."""
    head = _INT32 | binary.ARRAY
    if node.value is None or node.value[0] != head:
        return False
    if any(byte & 0x80 for byte in node.value[8::4]):
        return False
    node.value = bytes((_UINT32 | binary.ARRAY,)) + node.value[1:]
    return True


_IRDI = "http://opcfoundation.org/UA/Dictionary/IRDI"
_PADIM = "http://opcfoundation.org/UA/PADIM/"
_ISA95 = "http://www.OPCFoundation.org/UA/2013/01/ISA95"

# Nodes that name a ParentNodeId to which nothing refers. The published ISA-95 file lacks the
# ReferenceTypes DefinedByMaterialClass and AssembledFromSublot, and so the references to its
# placeholders <MaterialClass> and <AssemblySublot>. They are loaded as they stand.
ORPHANS: dict[str, tuple[int, ...]] = {_ISA95: (5224, 5295)}

REPAIRS = (
    Repair(
        _IRDI,
        1001,
        "IsNamespaceSubset has no value; it shall be True for a dictionary of which a server "
        "holds some entries (Part 19)",
        _is_subset,
    ),
    *(
        Repair(
            _PADIM,
            identifier,
            "ValveSwitchingCyclesCounter is a UInt32 but its value is written as Int32 "
            "(UA-Nodeset issue 130)",
            _retype_int32_array,
        )
        for identifier in (6016, 6031)
    ),
)


def repair(nodes: dict[ua.NodeId, Node], indices: dict[str, int]) -> list[Repair]:
    """Apply the repairs of all loaded namespaces; return those that were applied."""
    return [
        mend
        for mend in REPAIRS
        if mend.uri in indices
        and (node := nodes.get(make_node_id(mend.identifier, indices[mend.uri]))) is not None
        and mend.apply(node)
    ]
