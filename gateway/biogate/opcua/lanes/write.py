"""The lane of Write (Part 4, 5.11.4): stored, unaudited numbers that were written before.

The ordinary path takes such a request the first time, and leaves a plan behind.
"""

from __future__ import annotations

from asyncio import Future
from functools import partial
from typing import Any

from biogate.opcua.codec.data_values import results_response
from biogate.opcua.errors import StatusError
from biogate.opcua.lanes.lane import LaneRequest
from biogate.opcua.services.context import DEFERRED, Deferred
from biogate.opcua.stack import StatusCodes

_WRITE_RESPONSE = 676
_GOOD = b"\0\0\0\0"
_UNKNOWN = StatusError(StatusCodes.BadInternalError)


def write(request: LaneRequest) -> bytes | Deferred | None:
    """The WriteResponse, all Good, or DEFERRED until it is; None for a request without a plan."""
    server, message = request.server, request.message
    plan = server.write_plans.find(request.session, message)
    if plan is None:
        return None
    now = server.wall_clock()
    pending = server.commands.write_unaudited(plan.writes(message, now))
    count = len(plan.tags)
    if pending is None:
        return _response(request, count, now)
    pending.add_done_callback(partial(_answer, request, count))
    return DEFERRED


def _response(request: LaneRequest, count: int, now: int) -> bytes:
    return results_response(_WRITE_RESPONSE, request.request_handle, now, count, (_GOOD * count,))


def _answer(request: LaneRequest, count: int, done: Future[Any]) -> None:
    """It has been written elsewhere, or not."""
    error = StatusError(StatusCodes.BadShutdown) if done.cancelled() else done.exception()
    if error is None:
        request.respond(_response(request, count, request.server.wall_clock()))
    else:
        known = error if isinstance(error, StatusError) else _UNKNOWN
        request.refuse(known.status)
