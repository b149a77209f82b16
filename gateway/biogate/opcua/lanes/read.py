"""The lane of Read (Part 4, 5.11.2): requests that are known are answered by their plan.

The ordinary path answers a request the first time, and leaves a plan behind.
"""

from __future__ import annotations

from time import thread_time

from biogate.opcua.codec.data_values import read_response
from biogate.opcua.lanes.lane import LaneRequest
from biogate.opcua.lanes.read_plan import ReadPlan

_OTHERS_S = 0.001
_OTHERS_BYTES = 65_536
"""What the items of a plan that are no numbers may take: the ordinary path takes turns."""
_NUMBER_BYTES = 32
_ATTEMPTS = 3


def read(request: LaneRequest) -> bytes | None:
    """The ReadResponse; None for a request without a plan."""
    server, session = request.server, request.session
    plan = server.read_plans.find(session, request.message)
    if plan is None or plan.failures == _ATTEMPTS:
        return None
    now = server.wall_clock()
    if not plan.others:
        results = plan.results(server, session, now)
        return read_response(request.request_handle, now, plan.count, results)
    taken = _within_bounds(plan, request, now)
    if taken is None:
        plan.failures += 1
        return None
    plan.failures = 0
    return read_response(request.request_handle, now, plan.count, taken)


def _within_bounds(plan: ReadPlan, request: LaneRequest, now: int) -> list[bytes] | None:
    """All results, unless what is no number is large or slow to read."""
    room = _OTHERS_BYTES + _NUMBER_BYTES * plan.count
    ends_s = thread_time() + _OTHERS_S
    taken: list[bytes] = []
    for result in plan.results(request.server, request.session, now):
        if room < 0 or thread_time() > ends_s:
            return None
        taken.append(result)
        room -= len(result)
    return taken
