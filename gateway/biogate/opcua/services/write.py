"""Attribute service set: Write (Part 4, 5.11.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from biogate.opcua.audit.commands import CommandWatch, present_value, tell_write
from biogate.opcua.errors import ServiceError, StatusError
from biogate.opcua.lanes.write_plan import plan_write
from biogate.opcua.ports import OnRecord, StoredValue, UnfitValue
from biogate.opcua.services.context import RequestContext, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.stored_write import StoredBatch, stored_value
from biogate.opcua.services.write_value import set_point_value, shown, unfit, writable
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import SLICE_S
from biogate_nodesets.model import Node
from biogate_security.policy import Action


@dataclass(frozen=True, slots=True)
class _Audited:
    """A write that the command port judges, at its place in the request."""

    position: int
    item: ua.WriteValue
    node: Node
    source: TagSource


async def write(ctx: RequestContext, request: ua.WriteRequest) -> ua.WriteResponse:
    """Write Values, each with a status of its own.

    Stored Variables that are unaudited take their values at once, after each slice of time. All
    others go through the command port: writes to one device in their order, without waiting for
    other devices.
    """
    limit = ctx.server.config.limits.max_nodes_per_write
    items = check_count(request.Parameters.NodesToWrite, limit)
    results = [StatusCodes.Good] * len(items)
    unaudited = StoredBatch(ctx.server.tags, ctx.now_ticks)
    ways: dict[str | int, list[_Audited]] = {}
    key, ends_s = ctx.rights.key, perf_counter() + SLICE_S
    for position, item in enumerate(items):
        if perf_counter() >= ends_s:
            await _apply(ctx, unaudited)
            await asyncio.sleep(0)
            ends_s = perf_counter() + SLICE_S
        try:
            node, source = writable(ctx.server.space, ctx.rights, item)
            if source.unaudited:
                _add_unaudited(ctx, unaudited, node, source, item)
            else:
                way = source.tag if source.stored else source.device
                ways.setdefault(way, []).append(_Audited(position, item, node, source))
        except StatusError as error:
            results[position] = error.status
    await _apply(ctx, unaudited)
    if len(unaudited.plain) == len(items):
        _learn(ctx, key, unaudited.plain)
    await asyncio.gather(*(_write_in_order(ctx, w, results) for w in ways.values()))
    return ua.WriteResponse(Results=[ua.StatusCode(ua.UInt32(status)) for status in results])


def _add_unaudited(
    ctx: RequestContext, batch: StoredBatch, node: Node, source: TagSource, item: ua.WriteValue
) -> None:
    if not ctx.rights.may(Action.WRITE, node):
        ctx.warn("write refused", node=item.NodeId.to_string(), user=ctx.subject.user)
        raise StatusError(StatusCodes.BadUserAccessDenied)
    restates = ctx.rights.may_restate(node)
    batch.add(ctx.server.space, node, source, item, restates=restates)


async def _apply(ctx: RequestContext, batch: StoredBatch) -> None:
    """Before others have their turn: what they read and write must not come in between.

    Raises ServiceError where the values are kept elsewhere, and were not taken there.
    """
    if not batch:
        return
    pending = ctx.server.commands.write_unaudited(batch.take())
    try:
        if pending is not None:
            await pending
    except StatusError as error:
        raise ServiceError(error.status) from error


def _learn(ctx: RequestContext, key: tuple[int, int, int], sources: Sequence[TagSource]) -> None:
    """Leave a plan for the lane, if all was judged by the same rights."""
    parameters = ctx.usual_parameters
    if parameters and ctx.rights.key == key:
        plan = plan_write(parameters, key, sources)
        if plan is not None:
            ctx.server.write_plans.learn(ctx.session, plan)


async def _write_in_order(
    ctx: RequestContext, writes: Sequence[_Audited], results: list[int]
) -> None:
    for write in writes:
        try:
            results[write.position] = await _write_one(ctx, write)
        except Exception as error:  # noqa: BLE001  the other writes of the request must still happen
            node, value = write.node.node_id.to_string(), shown(write.item.Value.Value)
            ctx.server.log_failure("a write failed", error, node=node, value=value)
            results[write.position] = StatusCodes.BadInternalError


async def _write_one(ctx: RequestContext, write: _Audited) -> int:
    """Write, and tell those who listen to audit events; where nobody does, that costs nothing."""
    send = _write_stored if write.source.stored else _write_set_point
    if not ctx.server.auditor.listened:
        return await send(ctx, write, None)
    old, watch = present_value(ctx.server.tags, write.source), CommandWatch()
    status = await send(ctx, write, watch.recorded)
    if watch.receipt is not None:
        tell_write(ctx, write.node, write.item, old, status, watch.receipt)
    return status


async def _write_set_point(ctx: RequestContext, write: _Audited, on_record: OnRecord | None) -> int:
    item, source = write.item, write.source
    value: float | str | UnfitValue
    try:
        value = set_point_value(ctx.server.space, write.node, source, item)
    except StatusError as error:
        value = unfit(error, item)
    return await ctx.server.commands.write(
        ctx.subject,
        source.tag,
        write.node.node_id.to_string(),
        value,
        client_audit_entry_id=ctx.request_header.AuditEntryId or "",
        on_record=on_record,
    )


async def _write_stored(ctx: RequestContext, write: _Audited, on_record: OnRecord | None) -> int:
    """One at a time for each Variable: a part of an array is put into the value it has then."""
    server, item, source = ctx.server, write.item, write.source
    async with server.stored_turns.setdefault(source.tag, asyncio.Lock()):
        value: StoredValue | UnfitValue
        try:
            held = server.tags.object_at(source.tag)
            value = stored_value(server.space, write.node, source, item, held, ctx.now_ticks)
        except StatusError as error:
            value = unfit(error, item)
        return await server.commands.write_stored(
            ctx.subject,
            source.tag,
            write.node.node_id.to_string(),
            value,
            client_audit_entry_id=ctx.request_header.AuditEntryId or "",
            on_record=on_record,
        )


SERVICES = (Service(ua.WriteRequest, write),)
