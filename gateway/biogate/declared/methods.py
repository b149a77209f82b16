"""Declared methods: their nodes, and what a call of one runs and leaves on record."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from biogate.builder import Builder
from biogate.crossings import CommandPlaces, Crossings
from biogate.declared.types import DataTypes
from biogate.declared.values import variant_type
from biogate.opcua.audit.commands import is_secret
from biogate.opcua.codec import EncodeError, encode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.methods import MethodCall, Outputs
from biogate.opcua.space.places import Place
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua
from biogate.records import Records, needs_signature, signed
from biogate.site import MethodPlan
from biogate.site.data_types import BUILT_IN_TYPES
from biogate.site.node_plan import ArgumentPlan
from biogate_adapters.filetime import now_ticks
from biogate_nodesets import Node, Reference, add_nodes, add_property
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.policy import Action, Decision, Policy, Resource

_log = logging.getLogger(__name__)
_HAS_COMPONENT = node_id(ObjectIds.HasComponent)
_SHOWN_CHARACTERS = 1000
MAX_THREADS = 8
"""Functions that run at the same time. The threads are apart from the loop's own, which check
passwords and look up the names of hosts: slow functions keep nothing else waiting."""
_NOT_AS_IN_THE_FILE = {
    "DateTime", "Guid", "ByteString", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName",
    "LocalizedText", "XmlElement",
}  # fmt: skip
"""Types whose values a function returns as OPC UA has them, while the file writes them as text."""


def add_method(builder: Builder, plan: MethodPlan, types: DataTypes) -> None:
    """Add a Method and its arguments to the object that it belongs to."""
    method = node_id(plan.key, builder.namespace)
    description = plan.config.description
    node = Node(
        method,
        ua.NodeClass.Method,
        ua.QualifiedName(plan.name, ua.UInt16(builder.namespace)),
        ua.LocalizedText(plan.name),
        ua.LocalizedText(description) if description else None,
        references=[
            Reference(_HAS_COMPONENT, node_id(plan.parent, builder.namespace), forward=False)
        ],
    )
    add_nodes(builder.model, [node])
    for name, arguments in (("InputArguments", plan.inputs), ("OutputArguments", plan.outputs)):
        if arguments:
            add_property(
                builder.model,
                node_id(f"{plan.key}.{name}", builder.namespace),
                ua.QualifiedName(name),
                parent=method,
                data_type=node_id(ObjectIds.Argument),
                value=encode_variant(_declared(arguments, types)),
                value_rank=1,
            )


def _declared(arguments: Sequence[ArgumentPlan], types: DataTypes) -> ua.Variant:
    """InputArguments or OutputArguments (Part 3, 8.6)."""
    declared = [
        ua.Argument(
            Name=ua.String(each.name),
            DataType=types.node_id(each.config.type),
            ValueRank=ua.Int32(each.shape.value_rank),
            ArrayDimensions=[ua.UInt32(length) for length in each.shape.dimensions],
            Description=ua.LocalizedText(each.config.description or None),
        )
        for each in arguments
    ]
    return ua.Variant(declared, ua.VariantType.ExtensionObject, is_array=True)


@dataclass(slots=True)
class DeclaredMethods:
    """Runs declared methods. `counters` has the calls by outcome.

    `crossings` and `places` are for a site with zones, as those of `CommandService`.
    `signed_methods` are NodeIds (as text) of those that are called only with a signature.
    """

    policy: Policy
    records: Records
    clock: Callable[[], int] = now_ticks
    crossings: Crossings | None = None
    places: CommandPlaces | None = None
    counters: Counter[str] = field(default_factory=Counter)
    signed_methods: frozenset[str] = frozenset()
    _crossings: Crossings = field(init=False)
    _threads: ThreadPoolExecutor = field(
        init=False, default_factory=lambda: ThreadPoolExecutor(MAX_THREADS, "method")
    )

    def __post_init__(self) -> None:
        self._crossings = self.crossings or Crossings(self.policy, self.clock)

    def close(self) -> None:
        """Run no more functions; those that run in threads are left to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def bind(self, space: AddressSpace, namespace: int, methods: Sequence[MethodPlan]) -> None:
        """Let the Methods of a section run what the site file says."""
        for plan in methods:
            owner, method = node_id(plan.parent, namespace), node_id(plan.key, namespace)
            refused = partial(self._refused, plan)
            audited = plan.config.audited
            handler = self._handler(plan)
            space.methods.bind(owner, method, handler, refused=refused, audited=audited)

    def _handler(self, plan: MethodPlan) -> Callable[[MethodCall], Any]:
        async def handle(call: MethodCall) -> Outputs:
            decision = await self._permitted(plan, call)
            entry = await self._recorded(plan, call, decision) if plan.config.audited else None
            code = StatusCodes.BadInternalError
            try:
                if entry is not None and not self._decide(call).allow:
                    # The right has gone while the record was being stored.
                    raise StatusError(StatusCodes.BadUserAccessDenied)
                inputs = [argument.Value for argument in call.arguments]
                outputs = await _run(plan, inputs, self._threads)
                code = StatusCodes.Good
            except StatusError as error:
                code = error.status
                raise
            except asyncio.CancelledError:  # a function in a thread may yet come to its end
                code = StatusCodes.BadShutdown
                raise
            finally:
                self.counters["called" if code == StatusCodes.Good else "failed"] += 1
                if entry is not None:
                    await asyncio.shield(self.records.outcome(entry, code))
            return outputs

        return handle

    async def _permitted(self, plan: MethodPlan, call: MethodCall) -> Decision:
        """The decision on a call, counted by its conduit. Raises StatusError."""
        decision, refused = self._decide(call), None
        unsigned = call.signature is None and call.method_id.to_string() in self.signed_methods
        if decision.allow and unsigned:
            decision = needs_signature(decision)
        if decision.allow:
            decision, refused = self._crossings.limit_call(decision)
        if not decision.allow:
            code = refused or StatusCodes.BadUserAccessDenied
            await self._refuse(plan, call, code, decision)
            raise StatusError(code)
        return decision

    async def _refused(self, plan: MethodPlan, call: MethodCall, status: int) -> None:
        await self._refuse(plan, call, status, self._decide(call))

    async def _refuse(
        self, plan: MethodPlan, call: MethodCall, status: int, decision: Decision
    ) -> None:
        self.counters["refused"] += 1
        if not decision.allow:
            self._crossings.tell_refused(decision, call.context.subject, self._resource(call))
        if plan.config.audited:
            entry = self._entry(plan, call, decision)
            await self.records.refusal(entry, status, call.on_record)

    def _resource(self, call: MethodCall) -> Resource:
        method = call.method_id.to_string()
        place = Place() if self.places is None else self.places.of_node(method)
        return Resource(method, attribute="", zone=place.zone, part=place.part)

    def _decide(self, call: MethodCall) -> Decision:
        return self._crossings.decide(call.context.subject, Action.CALL, self._resource(call))

    def _entry(self, plan: MethodPlan, call: MethodCall, decision: Decision) -> AuditRecord:
        context = call.context
        shown = ", ".join(
            f"{each.name}={_shown(each.name, argument)}"
            for each, argument in zip(plan.inputs, call.arguments, strict=False)
        )
        entry = replace(
            self.records.entry("call", context.subject, self._resource(call), decision),
            new=f"{plan.name}({shown})",
            client_audit_entry_id=context.request_header.AuditEntryId or "",
        )
        return signed(entry, call.signature)

    async def _recorded(
        self, plan: MethodPlan, call: MethodCall, decision: Decision
    ) -> AuditRecord:
        """Raises StatusError where the call cannot be recorded: then it does not happen."""
        entry = self._entry(plan, call, decision)
        try:
            await self.records.intention(entry, call.on_record)
        except asyncio.CancelledError:  # it is recorded all the same
            await asyncio.shield(self.records.outcome(entry, StatusCodes.BadShutdown))
            raise
        except AuditUnavailableError as error:
            self.counters["audit_unavailable"] += 1
            _log.error("a call was refused: %s", error, extra={"method": plan.name})
            raise StatusError(StatusCodes.BadResourceUnavailable) from error
        return entry


def _shown(name: str, argument: ua.Variant) -> str:
    """An argument as the record has it: one that is called a password is not shown."""
    return "***" if is_secret(name) else f"{argument.Value!r:.{_SHOWN_CHARACTERS}}"


async def _run(plan: MethodPlan, inputs: Sequence[Any], threads: Executor) -> Outputs:
    """The outputs for inputs that fit their types. Raises StatusError."""
    values: Sequence[Any]
    if plan.function is None:
        values = _computed(plan, inputs)
    else:
        values = _returned(plan, await _called(plan, plan.function, inputs, threads))
    return [_output(plan, each, value) for each, value in zip(plan.outputs, values, strict=True)]


def _computed(plan: MethodPlan, inputs: Sequence[Any]) -> list[Any]:
    names = {each.name: value for each, value in zip(plan.inputs, inputs, strict=True)}
    try:
        return [each.expression(names) for each in plan.outputs if each.expression is not None]
    except (ArithmeticError, ValueError) as error:
        raise StatusError(StatusCodes.BadOutOfRange) from error


async def _called(
    plan: MethodPlan, function: Callable[..., Any], inputs: Sequence[Any], threads: Executor
) -> Any:
    """A plain function runs in a thread: it may take its time."""
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*inputs)
        return await asyncio.get_running_loop().run_in_executor(threads, function, *inputs)
    except ValueError as error:
        _log.warning("a method refused its inputs: %s", error, extra={"method": plan.name})
        raise StatusError(StatusCodes.BadOutOfRange) from error


def _returned(plan: MethodPlan, result: Any) -> Sequence[Any]:
    """What a function returned, an item for each output. Raises TypeError."""
    count = len(plan.outputs)
    if count == 1:
        return [result]
    values = () if result is None else result
    if not isinstance(values, tuple | list) or len(values) != count:
        raise TypeError(f"{plan.config.function} returned {values!r:.100}, not {count} outputs")
    return values


def _output(plan: MethodPlan, output: ArgumentPlan, value: Any) -> ua.Variant:
    """Raises StatusError for a number beyond its type, TypeError for another kind of value."""
    type_name = output.config.type
    if type_name in BUILT_IN_TYPES and type_name not in _NOT_AS_IN_THE_FILE:
        value = _fitted(output, value)
    variant = ua.Variant(value, variant_type(type_name), is_array=isinstance(value, list))
    try:
        encode_variant(variant)
    except EncodeError as error:
        raise TypeError(f"{plan.name}: {output.name} is no {type_name}: {error}") from error
    return variant


def _fitted(output: ArgumentPlan, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_fitted(output, item) for item in value]
    if output.type.whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return output.type.parse(value)
    except ValueError as error:
        if isinstance(value, int | float) and output.type.is_number:
            raise StatusError(StatusCodes.BadOutOfRange) from error
        raise TypeError(f"{output.name}: {value!r:.100} is not {output.type.allowed}") from error
