"""NodeIds as bytes (Part 6, 5.2.2.9)."""

from __future__ import annotations

from biogate.opcua.codec import DecodeError, Reader, Writer
from biogate.opcua.stack import ua
from biogate.zones.messages import MalformedError


def to_bytes(node_id: ua.NodeId) -> bytes:
    """The NodeId, encoded."""
    writer = Writer()
    writer.node_id(node_id)
    return bytes(writer.buffer)


def from_bytes(data: bytes) -> ua.NodeId:
    """The NodeId in `data`. Raises MalformedError."""
    reader = Reader(data)
    try:
        node_id = reader.node_id()
        reader.finish()
    except DecodeError as error:
        raise MalformedError(f"a NodeId: {error}") from error
    return node_id
