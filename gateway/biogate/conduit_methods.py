"""The Object `Conduits` of the Server: who runs a plant opens and closes conduits over OPC UA.

A zone learns and changes only of conduits that begin or end there. Either end may close one:
nobody has to ask to be left alone. Whoever is to be reached opens it: the zone that the conduit
leads to, or the one that it comes from where no client can log in at the other.
IEC 62443-3-3, SR 5.2 RE(2).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from biogate.conduit_control import ConduitControl
from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, SERVER
from biogate.opcua.space.method_nodes import LIST, SCALAR, Arguments, method_nodes, object_node
from biogate.opcua.space.methods import (
    InvalidArgumentsError,
    MethodCall,
    MethodHandler,
    Outputs,
)
from biogate.opcua.space.places import Place
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua
from biogate.records import Records
from biogate_nodesets.model import Node
from biogate_security.audit import AuditUnavailableError
from biogate_security.log_text import safe_text
from biogate_security.policy import Decision, Resource, Subject
from biogate_security.role_policy import CONDUITS_PART
from biogate_security.zones import Conduit, ZonePolicy

OBJECT = CONDUITS_PART
MAX_REASON = 500

_T = ua.VariantType
_REASON = ("Reason", ObjectIds.String, SCALAR, "Why; it stands in the audit trail")
_METHODS: Mapping[str, tuple[Arguments, Arguments]] = {
    "SetConduit": (
        (
            ("Name", ObjectIds.String, SCALAR, "A conduit that begins or ends in this zone"),
            ("Open", ObjectIds.Boolean, SCALAR, "True to open it, false to close it"),
            _REASON,
        ),
        (),
    ),
    "Isolate": ((_REASON,), (("Closed", ObjectIds.String, LIST, "The conduits closed by this"),)),
    "ListConduits": (
        (),
        (("Conduits", ObjectIds.String, LIST, "A JSON object for each: name, from, to, open"),),
    ),
}


@dataclass(slots=True)
class ConduitMethods:
    """Handlers of the Methods. `endpoints` are the zones at which clients can log in."""

    policy: ZonePolicy
    control: ConduitControl
    records: Records
    endpoints: Collection[str]

    async def set_conduit(self, call: MethodCall) -> Outputs:
        """SetConduit. Raises StatusError for a conduit that the zone does not know or may not open,
        and where it cannot be recorded: then a conduit stays closed, or is closed even so."""
        name, is_open, given = (each.Value for each in call.arguments)
        subject: Subject = call.context.subject
        reason = _reason(given)
        if reason is None:
            good = StatusCodes.Good
            raise InvalidArgumentsError(good, good, StatusCodes.BadOutOfRange)
        conduit = self._find(subject, str(name or ""))
        if not is_open:
            await self._close([conduit.name], reason, subject)
        elif subject.zone == self._opener(conduit):
            await self._open(conduit.name, reason, subject)
        else:
            opener = self._opener(conduit)
            await self._refuse(
                call, StatusCodes.BadRequestNotAllowed, f"{opener} opens it", conduit
            )
            raise StatusError(StatusCodes.BadRequestNotAllowed, f"zone {opener} opens it")
        return []

    async def isolate(self, call: MethodCall) -> Outputs:
        """Isolate: close all conduits that begin or end in the zone of who calls."""
        reason = _reason(call.arguments[0].Value)
        if reason is None:
            raise InvalidArgumentsError(StatusCodes.BadOutOfRange)
        subject: Subject = call.context.subject
        names, is_open = [each.name for each in self._of(subject)], self.policy.open_conduits
        await self._close(names, reason, subject)  # also one that somebody is about to open
        closed = [name for name in names if is_open[name]]
        return [ua.Variant(closed, _T.String, is_array=True)]

    def list_conduits(self, call: MethodCall) -> Outputs:
        """ListConduits: those that begin or end in the zone of who calls."""
        is_open = self.policy.open_conduits
        texts = [
            json.dumps(
                {
                    "name": each.name,
                    "from": each.source,
                    "to": each.destination,
                    "open": is_open[each.name],
                }
            )
            for each in self._of(call.context.subject)
        ]
        return [ua.Variant(texts, _T.String, is_array=True)]

    async def refused(self, call: MethodCall, status: int) -> None:
        """Record a call that was not made, for want of rights or for its arguments."""
        await self._refuse(call, status, "they may not, or the arguments do not fit")

    def _of(self, subject: Subject) -> Iterator[Conduit]:
        for each in self.policy.table.conduits:
            if subject.zone in (each.source, each.destination):
                yield each

    def _find(self, subject: Subject, name: str) -> Conduit:
        found = next((each for each in self._of(subject) if each.name == name), None)
        if found is None:
            raise StatusError(StatusCodes.BadNotFound)
        return found

    def _opener(self, conduit: Conduit) -> str:
        reached = conduit.destination in self.endpoints
        return conduit.destination if reached else conduit.source

    async def _open(self, name: str, reason: str, subject: Subject) -> None:
        try:
            await self.control.open(name, reason, subject)
        except AuditUnavailableError as error:
            raise StatusError(StatusCodes.BadResourceUnavailable) from error

    async def _close(self, names: list[str], reason: str, subject: Subject) -> None:
        try:
            await self.control.close(names, reason, subject)
        except AuditUnavailableError as error:
            raise StatusError(StatusCodes.BadResourceUnavailable) from error

    async def _refuse(
        self, call: MethodCall, status: int, reason: str, conduit: Conduit | None = None
    ) -> None:
        name = "" if conduit is None else conduit.name
        decision = Decision(allow=False, reason=reason, conduit=name)
        resource = Resource(call.method_id.to_string(), attribute="")
        entry = self.records.entry("conduit-change", call.context.subject, resource, decision)
        await self.records.refusal(entry, status, call.on_record)


def add_conduit_methods(space: AddressSpace, namespace: int, methods: ConduitMethods) -> None:
    """Add the Object to the Server, and let its Methods run what `methods` says."""
    owner = object_node(OBJECT, namespace, SERVER, HAS_COMPONENT)
    space.add_nodes(_nodes(owner))
    space.declare_place(owner.node_id, Place(part=OBJECT))
    handlers: Mapping[str, MethodHandler] = {
        "SetConduit": methods.set_conduit,
        "Isolate": methods.isolate,
        "ListConduits": methods.list_conduits,
    }
    for name, handler in handlers.items():
        space.methods.bind(
            owner.node_id,
            node_id(f"{OBJECT}.{name}", namespace),
            handler,
            refused=methods.refused,
            audited=name != "ListConduits",
        )


def _nodes(owner: Node) -> Iterator[Node]:
    yield owner
    for name, (inputs, outputs) in _METHODS.items():
        yield from method_nodes(owner, name, inputs, outputs)


def _reason(given: object) -> str | None:
    """The reason as it is recorded; None where there is none, or it is too long."""
    text = str(given or "").strip()
    return safe_text(text, MAX_REASON) if 0 < len(text) <= MAX_REASON else None
