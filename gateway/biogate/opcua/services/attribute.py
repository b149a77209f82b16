"""Attribute service set: Read (Part 4, 5.11.2)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from biogate.opcua.codec import EncodeError, encode_data_value
from biogate.opcua.errors import ServiceError
from biogate.opcua.services.context import RequestContext, Result, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.read_value import data_value, read_in_turns
from biogate.opcua.services.results import ResultList
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work

_log = logging.getLogger(__name__)


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
    values = yield from read_in_turns(ctx.server, ctx.rights, items, timestamps)
    for item, value in zip(items, values, strict=True):
        results.add_encoded(_encoded(ctx, item, value))
        yield
    return results


def _encoded(ctx: RequestContext, item: ua.ReadValueId, value: ua.DataValue) -> bytes:
    """The value, or Bad_EncodingError in its place; logged once, until it works again."""
    failing, key = ctx.server.failing, ("encode", item.NodeId)
    try:
        encoded = encode_data_value(value)
    except EncodeError as error:
        if key not in failing:
            failing.add(key)
            context = {"node": item.NodeId.to_string(), "error": str(error)}
            _log.error("a value cannot be encoded", extra=context)
        return encode_data_value(data_value(None, StatusCodes.BadEncodingError))
    failing.discard(key)
    return encoded


SERVICES = (Service(ua.ReadRequest, read),)
