"""Attribute service set: Write (Part 4, 5.11.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from biogate.opcua.errors import StatusError
from biogate.opcua.services.context import RequestContext, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.write_value import SetPointWrite, check_write
from biogate.opcua.stack import StatusCodes, ua

_log = logging.getLogger(__name__)


async def write(ctx: RequestContext, request: ua.WriteRequest) -> ua.WriteResponse:
    """Write set-points through the command port (5.11.4).

    Writes to one device go in their order; different devices do not wait for each other.
    """
    limit = ctx.server.config.limits.max_nodes_per_write
    items = check_count(request.Parameters.NodesToWrite, limit)
    results = [StatusCodes.Good] * len(items)
    by_device: dict[str, list[tuple[int, SetPointWrite]]] = {}
    for position, item in enumerate(items):
        try:
            checked = check_write(ctx.server.space, ctx.rights, item)
        except StatusError as error:
            results[position] = error.status
        else:
            by_device.setdefault(checked.device, []).append((position, checked))
    await asyncio.gather(*(_write_device(ctx, w, results) for w in by_device.values()))
    return ua.WriteResponse(Results=[ua.StatusCode(ua.UInt32(status)) for status in results])


async def _write_device(
    ctx: RequestContext, writes: Sequence[tuple[int, SetPointWrite]], results: list[int]
) -> None:
    for position, item in writes:
        try:
            results[position] = await ctx.server.commands.write(
                ctx.subject,
                item.tag,
                item.node_id,
                item.value,
                client_audit_entry_id=ctx.request_header.AuditEntryId or "",
            )
        except Exception:  # noqa: BLE001  the other writes of the request must still happen
            _log.exception("a write failed", extra={"node": item.node_id, "value": item.value})
            results[position] = StatusCodes.BadInternalError


SERVICES = (Service(ua.WriteRequest, write),)
