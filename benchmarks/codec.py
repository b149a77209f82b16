"""Codec of one-by-one values against asyncua's: `python -m benchmarks.codec`.

Both sides do the same work in one process, alternating, best of several rounds; what counts is
the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

from biogate.opcua.codec import decode_message, encode_message
from biogate.opcua.stack import node_id, ua

ROUNDS = 7
NODES = 1000


def read_request() -> Any:
    nodes = [
        ua.ReadValueId(node_id(f"BR101.pH.{i}", 2), ua.AttributeIds.Value) for i in range(NODES)
    ]
    return ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=nodes))


def read_response() -> Any:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values = [
        ua.DataValue(ua.Variant(i / 3), ua.StatusCode(0x40000000), now, now) for i in range(NODES)
    ]
    return ua.ReadResponse(Results=values)


def browse_response() -> Any:
    references = [
        ua.ReferenceDescription(
            ReferenceTypeId=node_id(47),
            NodeId=ua.ExpandedNodeId(f"BR101.pH.{i}", 2),
            BrowseName=ua.QualifiedName(f"pH {i}", 2),
            DisplayName=ua.LocalizedText(f"pH {i}"),
            NodeClass=ua.NodeClass.Variable,
            TypeDefinition=ua.ExpandedNodeId(63),
        )
        for i in range(NODES)
    ]
    return ua.BrowseResponse(Results=[ua.BrowseResult(References=references)])


def best_of(*tasks: Callable[[], Any]) -> list[float]:
    """The shortest time of each task in seconds, taken in turns."""
    best = [float("inf")] * len(tasks)
    for _ in range(ROUNDS):
        for index, task in enumerate(tasks):
            start = time.perf_counter()
            task()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def compare(name: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
    """Prints microseconds per node of both, and returns how many times faster ours is."""
    mine, other = best_of(ours, theirs)
    per_node = 1e6 / NODES
    print(
        f"{name:<32} ours {mine * per_node:6.2f} µs/node   asyncua {other * per_node:6.2f} µs/node"
        f"   ratio {other / mine:5.1f}"
    )
    return other / mine


def main() -> None:
    """Prints one line per direction and message."""
    for message in (read_request(), read_response(), browse_response()):
        cls = type(message)
        encoded = encode_message(message)
        assert decode_message(encoded) == ua_binary.struct_from_binary(cls, Buffer(encoded))
        compare(
            f"decode {cls.__name__} of {NODES}",
            lambda data=encoded: decode_message(data),
            lambda data=encoded, cls=cls: ua_binary.struct_from_binary(cls, Buffer(data)),
        )
        compare(
            f"encode {cls.__name__} of {NODES}",
            lambda value=message: encode_message(value),
            lambda value=message: ua_binary.struct_to_binary(value),
        )


if __name__ == "__main__":
    main()
