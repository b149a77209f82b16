"""Serves the ServerConfiguration object: its values, its methods, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from biogate.opcua.codec import encode_variant
from biogate.opcua.ports import PkiAdmin
from biogate.opcua.push.desk import GROUPS, RSA_SHA256, Desk, Handler
from biogate.opcua.push.diagnostics import diagnostics_values
from biogate.opcua.push.server_configuration import server_configuration_methods
from biogate.opcua.push.trust_list_file import MAX_TRUST_LIST_SIZE
from biogate.opcua.push.trust_lists import TrustListMethods
from biogate.opcua.push.watch import CertificateWatch
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION
from biogate.opcua.space.values import CallSource, StaticSource
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua
from biogate.opcua.transport.interfaces import ConnectionHandle
from biogate_nodesets.model import Node
from biogate_security.trust_content import Group

if TYPE_CHECKING:
    from biogate.opcua.services.context import ServerContext, Service
    from biogate.opcua.session import Session

_T = ua.VariantType
_CONFIGURATION = node_id(ObjectIds.ServerConfiguration)
_CAPABILITIES = ("DA",)
"""Server capability identifiers (Part 12, annex D)."""
KEY_FORMATS = ("PEM", "PFX")
_GET_CERTIFICATES = node_id(ObjectIds.ServerConfiguration_GetCertificates)
_GET_CERTIFICATES_TYPE = node_id(ObjectIds.ServerConfigurationType_GetCertificates)


class PushManagement:
    """The push model of one front end; one of its service sets, without services of its own.

    `handles` gives all connections, `renewed` makes the front end offer a new own certificate.
    """

    services: Sequence[Service] = ()

    def __init__(
        self,
        server: ServerContext,
        admin: PkiAdmin,
        handles: Callable[[], Sequence[ConnectionHandle]],
        renewed: Callable[[], None],
    ) -> None:
        self._server = server
        self._admin = admin
        self.watch = CertificateWatch(server, admin, handles, renewed)
        self._desk = Desk(server, admin, self.watch)
        self._trust_lists = {group: TrustListMethods(self._desk, group) for group in admin.groups}

    def bind(self) -> None:
        """Give the nodes their values and methods; none where the model lacks the object."""
        space = self._server.space
        if space.get(_CONFIGURATION) is None:
            return
        _add_get_certificates(space)
        methods = server_configuration_methods(self._desk, self._written_to)
        self._bind_methods(_CONFIGURATION, methods)
        for name, variant in self._configuration_values().items():
            _bind_value(space, _CONFIGURATION, name, variant)
        diagnostics = _member(space, _CONFIGURATION, "TransactionDiagnostics")
        if diagnostics is not None:
            for name, read in diagnostics_values(self._desk.transactions).items():
                _bind_read(space, diagnostics, name, read)
        for identifier, group in GROUPS.items():
            if group in self._trust_lists:
                self._bind_group(identifier, group)

    async def stop(self) -> None:
        """Wait for nothing that goes on here."""
        await self.watch.stop()

    def _bind_group(self, identifier: ua.NodeId, group: Group) -> None:
        space = self._server.space
        trust_list = _member(space, identifier, "TrustList")
        if trust_list is None:
            return
        types = [RSA_SHA256] if group is Group.APPLICATION else []
        _bind_value(space, identifier, "CertificateTypes", _array(types, _T.NodeId))
        self._bind_methods(trust_list, self._trust_lists[group].handlers)
        for name, read in self._file_values(group).items():
            _bind_read(space, trust_list, name, read)

    def _bind_methods(self, owner: ua.NodeId, handlers: Mapping[str, Handler]) -> None:
        space, desk = self._server.space, self._desk
        for name, handler in handlers.items():
            method = _member(space, owner, name)
            if method is not None:
                space.methods.bind(owner, method, desk.guarded(handler), refused=desk.refused)

    def _configuration_values(self) -> Mapping[str, ua.Variant]:
        config = self._server.config
        return {
            "ApplicationUri": ua.Variant(config.application_uri, _T.String),
            "ProductUri": ua.Variant(config.product_uri, _T.String),
            "ApplicationType": ua.Variant(int(ua.ApplicationType.Server), _T.Int32),
            "ServerCapabilities": _array(_CAPABILITIES, _T.String),
            "SupportedPrivateKeyFormats": _array(KEY_FORMATS, _T.String),
            "MaxTrustListSize": ua.Variant(MAX_TRUST_LIST_SIZE, _T.UInt32),
            "MulticastDnsEnabled": ua.Variant(Value=False, VariantType=_T.Boolean),
            "HasSecureElement": ua.Variant(Value=False, VariantType=_T.Boolean),
        }

    def _file_values(self, group: Group) -> Mapping[str, Callable[[], ua.DataValue]]:
        file = self._trust_lists[group].file
        yes = ua.Variant(Value=True, VariantType=_T.Boolean)
        return {
            # The size of a TrustList has no meaning (7.8.2.1).
            "Size": lambda: ua.DataValue(StatusCode=_status(StatusCodes.BadNotSupported)),
            "Writable": lambda: ua.DataValue(yes),
            "UserWritable": lambda: ua.DataValue(yes),
            "OpenCount": lambda: ua.DataValue(ua.Variant(file.open_count, _T.UInt16)),
            "LastUpdateTime": lambda: self._last_update(group),
        }

    def _last_update(self, group: Group) -> ua.DataValue:
        try:
            return ua.DataValue(ua.Variant(self._admin.last_update(group), _T.DateTime))
        except OSError:
            return ua.DataValue(StatusCode=_status(StatusCodes.BadResourceUnavailable))

    def _written_to(self) -> bool:
        return any(methods.file.writing for methods in self._trust_lists.values())

    # -- ServiceSet -----------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Time has passed."""
        for methods in self._trust_lists.values():
            methods.file.expire()
        self._drop_abandoned()
        self.watch.tick(now_s)

    def _drop_abandoned(self) -> None:
        """A file that was closed for its writer leaves no empty transaction behind."""
        if not self._desk.turn.locked() and not self._written_to():
            self._desk.transactions.drop_if_empty()

    def session_closed(self, session: Session, *, delete_subscriptions: bool) -> None:
        """Its handles are gone and what it had not applied is forgotten (7.10.2)."""
        for methods in self._trust_lists.values():
            methods.file.session_closed(session)
        current = self._desk.transactions.current
        if current is not None and current.session is session:
            self._desk.transactions.end(self._server.wall_clock(), StatusCodes.BadSessionClosed)

    def session_moved(self, session: Session, handle: ConnectionHandle) -> None:
        """Handles go with their session."""

    def connection_closed(self, handle: ConnectionHandle) -> None:
        """Handles stay with their session."""

    def cancel(self, session: Session, request_handle: int) -> int:
        """Nothing here waits."""
        return 0


def _status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))


def _array(values: Sequence[Any], kind: ua.VariantType) -> ua.Variant:
    return ua.Variant(list(values), kind, is_array=True)


def _member(space: AddressSpace, owner: ua.NodeId, name: str) -> ua.NodeId | None:
    """The component or property of that name."""
    node = space.get(owner)
    for reference in node.references if node else ():
        if reference.forward and reference.type in (HAS_COMPONENT, HAS_PROPERTY):
            target = space.get(reference.target)
            if target is not None and target.browse_name.Name == name:
                return reference.target
    return None


def _bind_value(space: AddressSpace, owner: ua.NodeId, name: str, variant: ua.Variant) -> None:
    member = _member(space, owner, name)
    if member is not None:
        space.bind(member, StaticSource(encode_variant(variant)))


def _bind_read(
    space: AddressSpace, owner: ua.NodeId, name: str, read: Callable[[], ua.DataValue]
) -> None:
    member = _member(space, owner, name)
    if member is not None:
        space.bind(member, CallSource(read))


def _add_get_certificates(space: AddressSpace) -> None:
    """The optional method (7.10.8), which the nodeset has on the type only."""
    declared, beside = (
        space.get(_GET_CERTIFICATES_TYPE),
        _member(space, _CONFIGURATION, "CreateSigningRequest"),
    )
    if declared is None or beside is None or space.get(_GET_CERTIFICATES) is not None:
        return
    rights = space.nodes[beside]
    space.add_nodes(_get_certificates(space, declared, rights))


def _get_certificates(space: AddressSpace, declared: Node, rights: Node) -> Iterator[Node]:
    method = _copied(declared, _GET_CERTIFICATES, rights)
    method.add_reference(HAS_COMPONENT, _CONFIGURATION, forward=False)
    yield method
    for target in list(declared.targets(HAS_PROPERTY)):
        arguments = space.nodes[target]
        inputs = arguments.browse_name.Name == "InputArguments"
        prefix = "ServerConfiguration_GetCertificates_"
        number = getattr(ObjectIds, f"{prefix}{'Input' if inputs else 'Output'}Arguments")
        copy = _copied(arguments, node_id(number), rights)
        copy.add_reference(HAS_PROPERTY, _GET_CERTIFICATES, forward=False)
        kind = node_id(ObjectIds.PropertyType)
        copy.add_reference(HAS_TYPE_DEFINITION, kind, forward=True)
        yield copy


def _copied(node: Node, identifier: ua.NodeId, rights: Node) -> Node:
    return replace(
        node,
        node_id=identifier,
        references=[],
        role_permissions=rights.role_permissions,
        access_restrictions=rights.access_restrictions,
    )
