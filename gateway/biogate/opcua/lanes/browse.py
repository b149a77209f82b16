"""The lane of Browse (Part 4, 5.9.2): whole results that were sent before.

The ordinary path answers a request the first time, and leaves a plan behind. Without a View its
timestamp says nothing, but some clients put the present time there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biogate.opcua.codec.data_values import results_response
from biogate.opcua.lanes.header import PARAMETERS

if TYPE_CHECKING:
    from biogate.opcua.lanes.lane import LaneRequest
    from biogate.opcua.services.context import ServerContext
    from biogate.opcua.session import Session

_BROWSE_RESPONSE = 530
_NULL_VIEW = b"\0\0"
_VIEW_ID_END = PARAMETERS + len(_NULL_VIEW)
BEGIN = _VIEW_ID_END + 8
"""Where the parameters behind the View's timestamp begin."""
_PLAN_BYTES = 1024


@dataclass(slots=True, eq=False)
class BrowsePlan:
    """The encoded results of one request, none with a ContinuationPoint; see `plan_store.Plan`."""

    parameters: bytes
    key: tuple[int, int, int]
    results: Sequence[bytes]

    @property
    def size(self) -> int:
        return _PLAN_BYTES + 2 * len(self.parameters) + sum(map(len, self.results))


def learn(
    server: ServerContext, session: Session, message: bytes, key: tuple[int, int, int],
    results: Sequence[bytes],
) -> None:  # fmt: skip
    """Remember how a request with a header of the usual shape was answered under `key`."""
    if message[PARAMETERS:_VIEW_ID_END] == _NULL_VIEW:
        server.browse_plans.learn(session, BrowsePlan(message[BEGIN:], key, results))


def browse(request: LaneRequest) -> bytes | None:
    """The BrowseResponse; None for a request without a plan."""
    server, message = request.server, request.message
    if message[PARAMETERS:_VIEW_ID_END] != _NULL_VIEW:
        return None
    plan = server.browse_plans.find(request.session, message)
    if plan is None:
        return None
    count = len(plan.results)
    now = server.wall_clock()
    return results_response(_BROWSE_RESPONSE, request.request_handle, now, count, plan.results)
