"""UserManagement: the accounts, for administrators, and one's own password (Part 18, 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from biogate.opcua.codec import encode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import AccountsAdmin
from biogate.opcua.roles.security_admin import check_administrator, check_encrypted
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.methods import MethodCall, MethodHandler, Outputs
from biogate.opcua.space.own_password import CHANGE_PASSWORD, USER_MANAGEMENT
from biogate.opcua.space.values import CallSource, StaticSource
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua

_T = ua.VariantType


def bind_user_management(
    space: AddressSpace, accounts: AccountsAdmin, clock: Callable[[], int]
) -> None:
    """Give the Object its Properties and Methods; `clock` gives FILETIME ticks."""
    if space.get(USER_MANAGEMENT) is None:
        return
    rules = accounts.password_rules
    length = ua.Range(Low=float(rules.minimum_length), High=float(rules.maximum_length))
    constants: Mapping[int, ua.Variant] = {
        ObjectIds.UserManagement_PasswordLength: ua.Variant(length, _T.ExtensionObject),
        ObjectIds.UserManagement_PasswordOptions: ua.Variant(rules.options, _T.UInt32),
        ObjectIds.UserManagement_PasswordRestrictions: ua.Variant(
            ua.LocalizedText(rules.restrictions), _T.LocalizedText
        ),
    }
    for identifier, value in constants.items():
        space.bind(node_id(identifier), StaticSource(encode_variant(value)))
    space.bind(node_id(ObjectIds.UserManagement_Users), CallSource(_users(accounts, clock)))
    for method, handler in _handlers(accounts).items():
        space.methods.bind(USER_MANAGEMENT, method, handler)


def _users(accounts: AccountsAdmin, clock: Callable[[], int]) -> Callable[[], ua.DataValue]:
    def read() -> ua.DataValue:
        entries = [
            ua.UserManagementDataType(
                UserName=ua.String(account.name),
                UserConfiguration=ua.UserConfigurationMask(account.configuration),
                Description=ua.String(account.description),
            )
            for account in accounts.accounts
        ]
        now = cast(Any, clock())
        value = ua.Variant(entries, _T.ExtensionObject, is_array=True)
        return ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)

    return read


def _handlers(accounts: AccountsAdmin) -> Mapping[ua.NodeId, MethodHandler]:
    async def add_user(call: MethodCall) -> Outputs:
        check_administrator(call)
        name, password, configuration, description = _values(call)
        return _done(
            await accounts.add_user(
                call.context.subject, name or "", password or "", configuration, description or ""
            )
        )

    async def modify_user(call: MethodCall) -> Outputs:
        check_administrator(call)
        values = _values(call)
        name, with_password, password, with_mask, mask, with_text, description = values
        return _done(
            await accounts.modify_user(
                call.context.subject,
                name or "",
                (password or "") if with_password else None,
                mask if with_mask else None,
                (description or "") if with_text else None,
            )
        )

    async def remove_user(call: MethodCall) -> Outputs:
        check_administrator(call)
        (name,) = _values(call)
        return _done(await accounts.remove_user(call.context.subject, name or ""))

    async def change_password(call: MethodCall) -> Outputs:
        check_encrypted(call)
        subject = call.context.subject
        if subject.authentication != "UserName":
            raise StatusError(StatusCodes.BadInvalidState)
        old, new = _values(call)
        return _done(await accounts.change_password(subject, old or "", new or ""))

    return {
        node_id(ObjectIds.UserManagement_AddUser): add_user,
        node_id(ObjectIds.UserManagement_ModifyUser): modify_user,
        node_id(ObjectIds.UserManagement_RemoveUser): remove_user,
        CHANGE_PASSWORD: change_password,
    }


def _values(call: MethodCall) -> list[Any]:
    return [argument.Value for argument in call.arguments]


def _done(status: int) -> Outputs:
    """No outputs. Raises StatusError for any answer but Good."""
    if status != StatusCodes.Good:
        raise StatusError(status)
    return []
