"""The lane of Write (Part 4, 5.11.4): stored, unaudited numbers that were written before.

The ordinary path takes such a request the first time, and leaves a plan behind.
"""

from __future__ import annotations

from biogate.opcua.codec.data_values import results_response
from biogate.opcua.lanes.lane import LaneRequest

_WRITE_RESPONSE = 676
_GOOD = b"\0\0\0\0"


def write(request: LaneRequest) -> bytes | None:
    """The WriteResponse, all Good; None for a request without a plan."""
    server, message = request.server, request.message
    plan = server.write_plans.find(request.session, message)
    if plan is None:
        return None
    now = server.wall_clock()
    server.commands.write_unaudited(plan.writes(message, now))
    count = len(plan.tags)
    return results_response(_WRITE_RESPONSE, request.request_handle, now, count, (_GOOD * count,))
