"""`Wire` with asyncua's client: its classes are filled from dicts, its answers shown as dicts."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from asyncua import Client, ua
from asyncua.crypto import security_policies, uacrypto
from asyncua.ua.ua_binary import struct_from_binary
from interop.wire import Message, Security, ServiceFaultError

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE_INTERVAL_S = 300.0
_NEVER = datetime(1601, 1, 1, tzinfo=UTC)


class AsyncuaWire:
    """One connected client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @classmethod
    async def connect(
        cls,
        url: str,
        security: Security,
        files: tuple[Path, Path],
        uri: str,
        user: tuple[str, str] | None = None,
    ) -> AsyncuaWire:
        """Raises ua.UaStatusCodeError when the server refuses."""
        # Its own probe of the connection must not end it while a check keeps the loop busy.
        client = Client(url, timeout=10, watchdog_intervall=_PROBE_INTERVAL_S)
        client.application_uri = uri
        if user is not None:
            client.set_user(user[0])
            client.set_password(user[1])
        if security.policy != "None":
            policy = getattr(security_policies, f"SecurityPolicy{security.policy.replace('_', '')}")
            mode = ua.MessageSecurityMode[security.mode]
            await client.set_security(policy, *files, mode=mode)
        await client.connect()
        return cls(client)

    async def ask(self, service: str, **given: Any) -> Message:
        request = filled(getattr(ua, f"{service}Request"), given)
        try:
            answer = await self.client.uaclient.protocol.send_request(request)
        except ua.UaStatusCodeError as error:
            raise ServiceFaultError(error.code) from None
        return shown(struct_from_binary(getattr(ua, f"{service}Response"), answer))

    async def change_user(self, user: str | None, password: str | None) -> int:
        if user is not None:
            self.client.set_user(user)
        try:
            await self.client.activate_session(username=user, password=password)
        except ua.UaStatusCodeError as error:
            return int(error.code)
        return 0

    async def show_certificate(self, certificate: Path, key: Path) -> int:
        self.client.user_private_key = await uacrypto.load_private_key(key)
        loaded = await uacrypto.load_certificate(certificate)
        try:
            await self.client.activate_session(certificate=loaded)
        except ua.UaStatusCodeError as error:
            return int(error.code)
        return 0

    async def close(self, *, keep_subscriptions: bool = False) -> None:
        if keep_subscriptions:
            await self.client.uaclient.close_session(False)
            self.client.uaclient.protocol.disconnect_socket()
        await self.client.disconnect()


def filled(cls: type, given: Message) -> Any:
    """An instance of `cls` with the fields in `given`; numbers and flags left out are zero."""
    instance = cls()
    hints = typing.get_type_hints(cls, localns={"ua": ua})
    for field in fields(cls):
        hint = hints[field.name]
        if field.name == "Parameters" and is_dataclass(hint):
            instance.Parameters = filled(typing.cast(type, hint), given)
        elif field.name in given:
            setattr(instance, field.name, _taken(hint, given[field.name]))
        elif hint is ua.Boolean:
            setattr(instance, field.name, False)
    return instance


def _taken(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (h for h in typing.get_args(hint) if h is not types.NoneType)
    if typing.get_origin(hint) is list:
        return None if value is None else [_taken(typing.get_args(hint)[0], v) for v in value]
    if hint is ua.ExtensionObject or typing.get_origin(hint) is type:
        return None if value is None else filled(getattr(ua, value["$"]), value)
    take = _TAKE.get(hint)
    if take is not None:
        return take(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return filled(hint, value)
    return value


def _node_id(text: str) -> ua.NodeId:
    return ua.NodeId.from_string(text) if text else ua.NodeId()


def _date_time(value: float | None) -> datetime | None:
    return None if value is None else _UNIX + timedelta(milliseconds=value)


def _variant(value: list[Any] | None) -> ua.Variant:
    if value is None:
        return ua.Variant()
    name, content, *dimensions = value
    hint = getattr(ua, name)
    one = int if name in ("Int64", "UInt64") else lambda v: _taken(hint, v)
    content = [one(v) for v in content] if isinstance(content, list) else one(content)
    if dimensions:
        for size in reversed(dimensions[0][1:]):
            content = [content[i : i + size] for i in range(0, len(content), size)]
    return ua.Variant(content, ua.VariantType[name])


def _data_value(value: Message) -> ua.DataValue:
    return ua.DataValue(
        _variant(value.get("Value")),
        ua.StatusCode(value.get("StatusCode", 0)),
        _date_time(value.get("SourceTimestamp")),
        _date_time(value.get("ServerTimestamp")),
    )


_TAKE: dict[Any, Any] = {
    ua.NodeId: _node_id,
    ua.ExpandedNodeId: lambda v: ua.ExpandedNodeId(
        _node_id(v).Identifier, _node_id(v).NamespaceIndex
    ),
    ua.DateTime: lambda v: _date_time(v) or _NEVER,
    ua.ByteString: lambda v: None if v is None else bytes.fromhex(v),
    ua.QualifiedName: lambda v: (
        ua.QualifiedName() if v is None else ua.QualifiedName.from_string(v)
    ),
    ua.LocalizedText: ua.LocalizedText,
    ua.StatusCode: ua.StatusCode,
    ua.Guid: UUID,
    ua.XmlElement: ua.XmlElement,
    ua.Variant: _variant,
    ua.DataValue: _data_value,
}


def shown(value: Any) -> Message:
    """The fields of a structure of asyncua by the names of the specification."""
    result: Message = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if field.name == "TypeId":
            continue
        if field.name == "Parameters" and is_dataclass(content):
            result |= shown(content)
        else:
            result[field.name.rstrip("_")] = show(content)
    return result


def show(value: Any) -> Any:
    """A value as the dicts of `interop.wire` have it."""
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, list | tuple):
        return [show(element) for element in value]
    if isinstance(value, Enum | int):
        return int(value)  # type: ignore[call-overload]
    for cls, one in _SHOW.items():
        if isinstance(value, cls):
            return one(value)
    return {"$": type(value).__name__, **shown(value)}


def _milliseconds(value: datetime) -> int | None:
    return None if value.year <= 1601 else (value - _UNIX) // timedelta(milliseconds=1)


def _shown_variant(value: ua.Variant) -> list[Any] | None:
    if value.VariantType == ua.VariantType.Null:
        return None
    name = value.VariantType.name
    content = value.Value
    for _ in (value.Dimensions or [0])[1:]:
        content = [element for row in content for element in row]
    if name in ("Int64", "UInt64"):
        content = [str(v) for v in content or ()] if value.is_array else str(content)
    content = show(content if content is not None or not value.is_array else [])
    return [name, content, value.Dimensions] if value.Dimensions else [name, content]


def _shown_data_value(value: ua.DataValue) -> Message:
    return {
        "Value": None if value.Value is None else _shown_variant(value.Value),
        "StatusCode": 0 if value.StatusCode is None else value.StatusCode.value,
        "SourceTimestamp": show(value.SourceTimestamp),
        "ServerTimestamp": show(value.ServerTimestamp),
    }


_SHOW: dict[type, Any] = {
    datetime: _milliseconds,
    bytes: lambda v: v.hex(),
    UUID: lambda v: str(v).upper(),
    ua.NodeId: lambda v: v.to_string() if v.NamespaceIndex else f"ns=0;{v.to_string()}",
    ua.StatusCode: lambda v: v.value,
    ua.QualifiedName: lambda v: None if v.Name is None else f"{v.NamespaceIndex}:{v.Name}",
    ua.LocalizedText: lambda v: v.Text,
    ua.XmlElement: lambda v: v.Value,
    ua.Variant: _shown_variant,
    ua.DataValue: _shown_data_value,
    ua.DiagnosticInfo: lambda v: {"SymbolicId": v.SymbolicId, "AdditionalInfo": v.AdditionalInfo},
    ua.ExtensionObject: lambda v: (
        None if v.Body is None else {"$": show(v.TypeId), "Body": v.Body.hex()}
    ),
}
