"""From what a client asks to change, to what is then written or called."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biogate.commands import CommandService
from biogate.opcua.audit.commands import is_secret, present_value, write_event
from biogate.opcua.errors import StatusError
from biogate.opcua.events import Event
from biogate.opcua.ports import OnRecord, Receipt, StoredValue, TagReader
from biogate.opcua.services.stored_write import stored_value
from biogate.opcua.services.write_value import set_point_value, shown, writable
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.arguments import check_argument, input_arguments
from biogate.opcua.space.ids import HAS_COMPONENT
from biogate.opcua.space.methods import MethodCall
from biogate.opcua.space.places import Place
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import AttributeIds, StatusCodes, ua
from biogate.signatures.rules import SignatureRules
from biogate.signatures.signature import Signature
from biogate_nodesets.model import Node
from biogate_security.policy import Action, Subject

_T = ua.VariantType
_SHOWN_CHARACTERS = 200

Perform = Callable[[Signature, Subject, OnRecord], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that may be asked for. `permitted`: the subject has the right to make it.

    `old` gives the present value as text, `new` is the one asked for. `written`: of a write, the
    source, old and new value for the event. `perform` makes the change with the rights that its
    subject has then.
    """

    node: ua.NodeId
    subject: Subject
    permitted: bool
    second_person: bool
    meanings: tuple[str, ...]
    approvers: frozenset[str]
    old: Callable[[], str]
    new: str
    perform: Perform
    written: tuple[Node, ua.Variant, ua.Variant] | None = None


@dataclass(frozen=True, slots=True)
class _Context:
    """What a Method's handler learns of who calls."""

    subject: Subject
    request_header: ua.RequestHeader
    rights: Any


@dataclass(slots=True)
class Changes:
    """Finds what a change is about, and carries it out.

    `variables`: tag → NodeIds as text. `methods` are those of the site, by NodeId as text: others,
    such as of accounts, are called by Call, which knows what to keep to itself. `emit` takes the
    events of what was written, `server_id` and `namespace` are for these.
    """

    space: AddressSpace
    tags: TagReader
    variables: Mapping[str, Sequence[str]]
    methods: frozenset[str]
    commands: CommandService
    rules: SignatureRules
    emit: Callable[[Event, Place], None]
    server_id: str
    namespace: int
    wall_clock: Callable[[], int]

    def find(self, call: MethodCall, node_id: ua.NodeId, value: ua.Variant) -> Change:
        """Raises StatusError for what does not exist, cannot be changed, or takes no such value."""
        node = call.context.rights.require_visible(node_id)
        if node.node_class is ua.NodeClass.Method:
            return self._call(call, node, value)
        return self._write(call, node, value)

    def tell(self, change: Change, status: int, receipt: Receipt) -> None:
        """Raise the event of a change that is recorded."""
        if change.written is None:
            return
        node, old, new = change.written
        event = write_event(
            self.namespace,
            self.server_id,
            change.subject,
            self.wall_clock(),
            node,
            ua.WriteValue(node.node_id, AttributeIds.Value, None, ua.DataValue(new)),
            old,
            status,
            receipt,
        )
        self.emit(event, self.space.place(node.node_id))

    def _write(self, call: MethodCall, node: Node, value: ua.Variant) -> Change:
        item = ua.WriteValue(
            node.node_id, ua.IntegerId(AttributeIds.Value), None, ua.DataValue(value)
        )
        _, source = writable(self.space, call.context.rights, item)
        ready: float | str | StoredValue
        if source.stored:
            held = self.tags.object_at(source.tag)
            ready = stored_value(self.space, node, source, item, held, self.wall_clock())
        else:
            ready = set_point_value(self.space, node, source, item)
        parts = tuple(
            self.space.place(ua.NodeId.from_string(text)).part
            for text in self.variables.get(source.name, ())
        )
        entry_id = call.context.request_header.AuditEntryId or ""
        subject = call.context.subject
        before = present_value(self.tags, source)

        async def perform(signature: Signature, subject: Subject, on_record: OnRecord) -> int:
            send: Any = self.commands.write_stored if source.stored else self.commands.write
            status: int = await send(
                subject,
                source.tag,
                node.node_id.to_string(),
                ready,
                client_audit_entry_id=entry_id,
                on_record=on_record,
                signature=signature,
            )
            return status

        rule = self.rules.rule_for(Action.WRITE, parts)
        return Change(
            node.node_id,
            subject,
            call.context.rights.may(Action.WRITE, node),
            rule is not None and rule.second_person,
            () if rule is None else rule.meaning,
            frozenset() if rule is None else frozenset(rule.approvers),
            lambda: self._present(source),
            shown(value),
            perform,
            (node, before, value),
        )

    def _call(self, call: MethodCall, node: Node, value: ua.Variant) -> Change:
        if node.node_id.to_string() not in self.methods:
            raise StatusError(StatusCodes.BadNotSupported)
        arguments = self._arguments(node, value)
        owner = next(r.target for r in node.references if r.type == HAS_COMPONENT and not r.forward)
        _, handler = self.space.methods.find(owner, node.node_id)
        if handler is None:
            raise StatusError(StatusCodes.BadNotExecutable)
        header, rights = call.context.request_header, call.context.rights

        async def perform(signature: Signature, subject: Subject, on_record: OnRecord) -> int:
            context = _Context(subject, header, rights)
            signed = MethodCall(context, owner, node.node_id, arguments, on_record, signature)
            try:
                outputs = handler(signed)
                if inspect.isawaitable(outputs):
                    await outputs
            except StatusError as error:
                return error.status
            return StatusCodes.Good

        rule = self.rules.rule_for(Action.CALL, (self.space.place(node.node_id).part,))
        names = [str(each.Name) for each in input_arguments(self.space, node.node_id)]
        text = ", ".join(
            "***" if is_secret(name) else shown(each)
            for name, each in zip(names, arguments, strict=True)
        )
        return Change(
            node.node_id,
            call.context.subject,
            rights.may(Action.CALL, node),
            rule is not None and rule.second_person,
            () if rule is None else rule.meaning,
            frozenset() if rule is None else frozenset(rule.approvers),
            lambda: "",
            f"{node.browse_name.Name}({text})",
            perform,
        )

    def _arguments(self, node: Node, value: ua.Variant) -> Sequence[ua.Variant]:
        """The InputArguments that the Value holds, an array of Variants; none: null."""
        given = value.Value if value.VariantType is _T.Variant and value.is_array else None
        arguments: Sequence[ua.Variant] = given or ()
        declared = input_arguments(self.space, node.node_id)
        if len(arguments) != len(declared) or any(
            check_argument(self.space, argument, each)
            for argument, each in zip(declared, arguments, strict=True)
        ):
            raise StatusError(StatusCodes.BadInvalidArgument)
        return arguments

    def _present(self, source: TagSource) -> str:
        return f"{present_value(self.tags, source).Value!r:.{_SHOWN_CHARACTERS}}"
