"""The lane of Read (Part 4, 5.11.2): requests that are known are answered by their plan.

The ordinary path answers a request the first time, and leaves a plan behind.
"""

from __future__ import annotations

from biogate.opcua.codec.data_values import read_response
from biogate.opcua.lanes.lane import LaneRequest


def read(request: LaneRequest) -> bytes | None:
    """The ReadResponse; None for a request without a plan."""
    server, session = request.server, request.session
    plan = server.read_plans.find(session, request.message)
    if plan is None:
        return None
    now = server.wall_clock()
    results = plan.results(server, session, now)
    return read_response(request.request_handle, now, plan.count, results)
