"""Methods of the TrustList objects (Part 12, 7.8.2; Part 20, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.opcua.errors import StatusError
from biogate.opcua.push.desk import Desk, Handler, session_of
from biogate.opcua.push.server_configuration import apply
from biogate.opcua.push.trust_list_file import (
    ALL_MASKS,
    MAX_TRUST_LIST_SIZE,
    READ_MODE,
    WRITE_ERASE_MODE,
    TrustListFile,
    decode_content,
    encode_content,
)
from biogate.opcua.space.methods import MethodCall, Outputs
from biogate.opcua.stack import StatusCodes, ua
from biogate_security.pki_update import PkiUpdate
from biogate_security.trust_content import Group, TrustContent

_T = ua.VariantType


class TrustListMethods:
    """The methods of one group's TrustList."""

    def __init__(self, desk: Desk, group: Group) -> None:
        self._desk = desk
        self._group = group
        self.file = TrustListFile(desk.server.clock)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By BrowseName."""
        return {
            "Open": self._open,
            "OpenWithMasks": self._open_with_masks,
            "Read": self._read,
            "Write": self._write,
            "GetPosition": self._get_position,
            "SetPosition": self._set_position,
            "Close": self._close,
            "CloseAndUpdate": self._close_and_update,
            "AddCertificate": self._add_certificate,
            "RemoveCertificate": self._remove_certificate,
        }

    async def _open(self, call: MethodCall) -> Outputs:
        """To read all of it, or to write it anew; a writer's transaction begins here (7.8.2.2)."""
        (mode,) = call.arguments
        if mode.Value == READ_MODE:
            return await self._opened_to_read(call, ALL_MASKS)
        if mode.Value != WRITE_ERASE_MODE:
            raise StatusError(StatusCodes.BadNotSupported)
        session = session_of(call)
        self._desk.transactions.join(session, self._desk.server.wall_clock())
        try:
            return _handle(self.file.open_to_write(session))
        finally:
            if not self.file.writing:
                self._desk.transactions.drop_if_empty()

    async def _open_with_masks(self, call: MethodCall) -> Outputs:
        """To read parts of it (7.8.2.3)."""
        (masks,) = call.arguments
        if masks.Value & ~ALL_MASKS:
            raise StatusError(StatusCodes.BadInvalidArgument)
        return await self._opened_to_read(call, masks.Value)

    async def _opened_to_read(self, call: MethodCall, masks: int) -> Outputs:
        content = await self._desk.in_thread(self._desk.admin.trust_list, self._group)
        return _handle(self.file.open_to_read(session_of(call), content, masks))

    async def _read(self, call: MethodCall) -> Outputs:
        handle, length = call.arguments
        most = min(length.Value, call.context.response_room // 2)
        data = self.file.read(session_of(call), handle.Value, most)
        return [ua.Variant(data, _T.ByteString)]

    async def _write(self, call: MethodCall) -> Outputs:
        handle, data = call.arguments
        self.file.write(session_of(call), handle.Value, data.Value or b"")
        return []

    async def _get_position(self, call: MethodCall) -> Outputs:
        (handle,) = call.arguments
        return [ua.Variant(self.file.position(session_of(call), handle.Value), _T.UInt64)]

    async def _set_position(self, call: MethodCall) -> Outputs:
        handle, position = call.arguments
        self.file.set_position(session_of(call), handle.Value, position.Value)
        return []

    async def _close(self, call: MethodCall) -> Outputs:
        """What was written is forgotten."""
        (handle,) = call.arguments
        if self.file.close(session_of(call), handle.Value):
            self._desk.transactions.drop_if_empty()
        return []

    async def _close_and_update(self, call: MethodCall) -> Outputs:
        """What was written takes effect with ApplyChanges (7.8.2.5)."""
        (handle,) = call.arguments
        session, desk = session_of(call), self._desk
        data = self.file.written(session, handle.Value)
        self.file.close(session, handle.Value)
        transaction = desk.transactions.join(session, desk.server.wall_clock())
        try:
            present = transaction.lists.get(self._group)
            if present is None:
                present = await desk.in_thread(desk.admin.trust_list, self._group)
            content = decode_content(data, present)
            _check_size(content)
            await desk.in_thread(desk.admin.check_trust_list, self._group, content)
            transaction.lists[self._group] = content
        finally:
            if desk.transactions.current is transaction:
                desk.transactions.drop_if_empty()
        return [ua.Variant(Value=True, VariantType=_T.Boolean)]

    async def _add_certificate(self, call: MethodCall) -> Outputs:
        """One more trusted certificate, at once; authorities come by Write (7.8.2.6)."""
        certificate, trusted = call.arguments
        self._require_closed()
        if not trusted.Value:
            raise StatusError(StatusCodes.BadCertificateInvalid)
        der = certificate.Value or b""
        await self._put(
            call, await self._desk.in_thread(self._desk.admin.check_trusted, self._group, der)
        )
        return []

    async def _remove_certificate(self, call: MethodCall) -> Outputs:
        """One certificate less, at once (7.8.2.7)."""
        thumbprint, trusted = call.arguments
        self._require_closed()

        def less() -> TrustContent:
            return self._desk.admin.without(
                self._group, thumbprint.Value or "", trusted=bool(trusted.Value)
            )

        await self._put(call, await self._desk.in_thread(less))
        return []

    def _require_closed(self) -> None:
        self._desk.transactions.require_none()
        if self.file.open_count:
            raise StatusError(StatusCodes.BadInvalidState)

    async def _put(self, call: MethodCall, content: TrustContent) -> None:
        _check_size(content)
        await apply(self._desk, call, PkiUpdate(lists={self._group: content}))


def _check_size(content: TrustContent) -> None:
    if len(encode_content(content)) > MAX_TRUST_LIST_SIZE:
        raise StatusError(StatusCodes.BadRequestTooLarge)


def _handle(number: int) -> Outputs:
    return [ua.Variant(number, _T.UInt32)]
