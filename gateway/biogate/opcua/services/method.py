"""Method service set: Call (Part 4, 5.12)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence

from biogate.opcua.audit.commands import CommandWatch, tell_call
from biogate.opcua.codec import encode_message
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import OnRecord
from biogate.opcua.services.context import RequestContext, Service
from biogate.opcua.services.limits import check_count
from biogate.opcua.services.results import ResultList
from biogate.opcua.space.arguments import check_argument, input_arguments
from biogate.opcua.space.methods import InvalidArgumentsError, MethodCall, MethodHandler
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.policy import Action


async def call(ctx: RequestContext, request: ua.CallRequest) -> ResultList:
    """Call Methods one after another, each with a result of its own (5.12.2)."""
    limit = ctx.server.config.limits.max_nodes_per_method_call
    results = ctx.results(ua.CallResponse)
    for item in check_count(request.Parameters.MethodsToCall, limit):
        results.add_encoded(await _call_and_tell(ctx, item))
        await asyncio.sleep(0)  # a Method that waits for nothing must not hold up everything
    return results


async def _call_and_tell(ctx: RequestContext, item: ua.CallMethodRequest) -> bytes:
    """The CallMethodResult, encoded; those who listen to audit events are told."""
    space, listened = ctx.server.space, ctx.server.auditor.listened
    if not listened or not space.methods.is_audited(item.MethodId):
        return await call_one(ctx, item)
    watch = CommandWatch()
    encoded, status = await _result_of(ctx, item, watch.recorded)
    if space.get(item.MethodId) is not None:
        names = [str(each.Name) for each in input_arguments(space, item.MethodId)]
        request = MethodCall(ctx, item.ObjectId, item.MethodId, item.InputArguments or [])
        tell_call(request, names, status, watch.receipt)
    return encoded


async def call_one(
    ctx: RequestContext, item: ua.CallMethodRequest, on_record: OnRecord | None = None
) -> bytes:
    """The CallMethodResult, encoded."""
    encoded, _ = await _result_of(ctx, item, on_record)
    return encoded


async def _result_of(
    ctx: RequestContext, item: ua.CallMethodRequest, on_record: OnRecord | None
) -> tuple[bytes, int]:
    """The CallMethodResult, encoded, and its StatusCode."""
    arguments = item.InputArguments or []
    request = MethodCall(ctx, item.ObjectId, item.MethodId, arguments, on_record)
    try:
        handler = _find_handler(ctx, item)
        refused = _check_rights(ctx, item) or _check_arguments(ctx, item)
        if refused is None:
            return await _run(request, handler), StatusCodes.Good
        await ctx.server.space.methods.refused(request, refused.StatusCode.value)
    except InvalidArgumentsError as error:
        refused = _invalid(error.results)
    except StatusError as error:
        refused = _result(error.status)
    return encode_message(refused), int(refused.StatusCode.value)


def refused_call(status: int) -> bytes:
    """The CallMethodResult of a call that is not made, encoded."""
    return encode_message(_result(status))


def _result(status: int) -> ua.CallMethodResult:
    return ua.CallMethodResult(StatusCode=ua.StatusCode(ua.UInt32(status)))


def _find_handler(ctx: RequestContext, item: ua.CallMethodRequest) -> MethodHandler:
    for identifier in (item.ObjectId, item.MethodId):
        _tell_of_standard(ctx, identifier)
    ctx.rights.require_visible(item.ObjectId)
    method = ctx.rights.visible(item.MethodId)
    if method is None or method.node_class is not ua.NodeClass.Method:
        raise StatusError(StatusCodes.BadMethodInvalid)
    has_method, handler = ctx.server.space.methods.find(item.ObjectId, item.MethodId)
    if not has_method:
        raise StatusError(StatusCodes.BadMethodInvalid)
    if handler is None or not method.executable:
        raise StatusError(StatusCodes.BadNotExecutable)
    return handler


def _tell_of_standard(ctx: RequestContext, identifier: ua.NodeId) -> None:
    """Everyone knows the standard's own nodes: one that is hidden is refused and not denied."""
    node = None if identifier.NamespaceIndex else ctx.server.space.get(identifier)
    if node is not None and not ctx.rights.may(Action.BROWSE, node):
        raise StatusError(ctx.rights.refusal(Action.CALL, node))


def _check_rights(ctx: RequestContext, item: ua.CallMethodRequest) -> ua.CallMethodResult | None:
    """The result of a call that this user may not make; None when they may."""
    method = ctx.rights.require_visible(item.MethodId)
    if ctx.rights.may(Action.CALL, method):
        return None
    ctx.warn("call refused", node=item.MethodId.to_string(), user=ctx.subject.user)
    return _result(ctx.rights.refusal(Action.CALL, method))


def _check_arguments(ctx: RequestContext, item: ua.CallMethodRequest) -> ua.CallMethodResult | None:
    """The result of a call whose arguments do not fit; None when they do."""
    declared = input_arguments(ctx.server.space, item.MethodId)
    given = item.InputArguments or []
    if len(given) < len(declared):
        return _result(StatusCodes.BadArgumentsMissing)
    if len(given) > len(declared):
        return _result(StatusCodes.BadTooManyArguments)
    results = [
        check_argument(ctx.server.space, argument, value)
        for argument, value in zip(declared, given, strict=True)
    ]
    return _invalid(results) if any(results) else None


def _invalid(results: Sequence[int]) -> ua.CallMethodResult:
    refused = _result(StatusCodes.BadInvalidArgument)
    refused.InputArgumentResults = [ua.StatusCode(ua.UInt32(status)) for status in results]
    return refused


async def _run(request: MethodCall, handler: MethodHandler) -> bytes:
    """The result of a call that has run. Raises StatusError."""
    ctx = request.context
    try:
        outputs = handler(request)
        if inspect.isawaitable(outputs):
            outputs = await outputs
        return encode_message(ua.CallMethodResult(OutputArguments=list(outputs)))
    except StatusError:
        raise
    except Exception as error:  # the other calls of the request must still happen
        ctx.server.log_failure(
            "a method failed",
            error,
            object=request.object_id.to_string(),
            method=request.method_id.to_string(),
            session=ctx.session.name,
        )
        raise StatusError(StatusCodes.BadInternalError) from error


SERVICES = (Service(ua.CallRequest, call),)
