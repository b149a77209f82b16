"""Attribute service set: Read (Part 4, 5.11.2)."""

from __future__ import annotations

from collections.abc import Sequence

from biogate.opcua.errors import ServiceError
from biogate.opcua.lanes.read_plan import plan_read
from biogate.opcua.services.context import RequestContext, Result, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.read_value import (
    Answer,
    encode_item,
    find_answers,
    read_items,
    take_values,
)
from biogate.opcua.services.results import ResultList
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work


def checked_timestamps(value: int) -> ua.TimestampsToReturn:
    """The enumeration member. Raises ServiceError Bad_TimestampsToReturnInvalid."""
    try:
        timestamps = ua.TimestampsToReturn(value)
    except ValueError:
        raise ServiceError(StatusCodes.BadTimestampsToReturnInvalid) from None
    if timestamps is ua.TimestampsToReturn.Invalid:
        raise ServiceError(StatusCodes.BadTimestampsToReturnInvalid)
    return timestamps


def read(ctx: RequestContext, request: ua.ReadRequest) -> Result:
    """Read attributes, each with a status of its own (5.11.2).

    MaxAge needs no thought: what a Read returns is the newest value there is.
    """
    parameters = request.Parameters
    limit = ctx.server.config.limits.max_nodes_per_read
    items = check_count(parameters.NodesToRead, limit)
    if not parameters.MaxAge >= 0:
        raise ServiceError(StatusCodes.BadMaxAgeInvalid)
    timestamps = checked_timestamps(parameters.TimestampsToReturn)
    return ctx.in_turns(_read(ctx, items, timestamps))


def _read(
    ctx: RequestContext, items: Sequence[ua.ReadValueId], timestamps: ua.TimestampsToReturn
) -> Work[ResultList]:
    results = ctx.results(ua.ReadResponse)
    rights = ctx.rights
    key = rights.key
    answers = yield from find_answers(ctx.server, rights, items)
    values = take_values(ctx.server, rights, items, answers, timestamps)
    for item, value in zip(items, values, strict=True):
        if rights.key != key:  # meanwhile
            value = read_items(ctx.server, rights, [item], timestamps)[0]
        results.add_encoded(encode_item(ctx.server, item, value))
        yield
    yield from _learn(ctx, key, items, answers, timestamps)
    return results


def _learn(
    ctx: RequestContext,
    key: tuple[int, int, int],
    items: Sequence[ua.ReadValueId],
    answers: Sequence[Answer],
    timestamps: ua.TimestampsToReturn,
) -> Work[None]:
    """Leave a plan for the lane, if nothing has changed while the items were looked at."""
    plans = ctx.server.read_plans
    if not ctx.usual_message or plans.find(ctx.session, ctx.usual_message):
        return
    plan = yield from plan_read(ctx.usual_parameters, key, items, answers, timestamps)
    if plan is not None and ctx.rights.key == key:
        plans.learn(ctx.session, plan)


SERVICES = (Service(ua.ReadRequest, read),)
