"""RoleSet: the well-known Roles, and who has them (Part 18, 4).

Roles are fixed. Identities are the accounts, by user name and certificate, and the values of an
issued token's claim. Which applications and endpoints a role is for is not restricted here (zones
and conduits do that): Applications and Endpoints are empty lists that exclude nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from biogate.opcua.audit.fact import AuditEvent, Fact, plain_fields
from biogate.opcua.codec import encode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.ports import AccountsAdmin
from biogate.opcua.roles.security_admin import check_administrator
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_COMPONENT, HAS_PROPERTY
from biogate.opcua.space.methods import MethodCall, MethodHandler, Outputs
from biogate.opcua.space.permissions import ROLE_IDS
from biogate.opcua.space.values import CallSource, StaticSource
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, ua
from biogate_security.audit import AuditRecord
from biogate_security.roles import ASSIGNABLE_ROLES, Role

_T = ua.VariantType
_CRITERIA = ua.IdentityCriteriaType
# Whoever comes about like that has the role; nobody is assigned it (Part 3, 4.9.2).
_BY_SESSION = {
    Role.ANONYMOUS: (_CRITERIA.Anonymous, _CRITERIA.AuthenticatedUser),
    Role.AUTHENTICATED_USER: (_CRITERIA.AuthenticatedUser,),
    Role.TRUSTED_APPLICATION: (_CRITERIA.TrustedApplication,),
}
_EXCLUDES = encode_variant(ua.Variant(Value=True, VariantType=_T.Boolean))
_NOTHING = encode_variant(ua.Variant([], _T.String, is_array=True))
_NO_ENDPOINTS = encode_variant(ua.Variant([], _T.ExtensionObject, is_array=True))
# An empty list that excludes is no restriction (Part 18, 4.4.1).
_CONSTANTS = {
    "ApplicationsExclude": _EXCLUDES,
    "Applications": _NOTHING,
    "EndpointsExclude": _EXCLUDES,
    "Endpoints": _NO_ENDPOINTS,
}


def bind_roles(space: AddressSpace, accounts: AccountsAdmin, clock: Callable[[], int]) -> None:
    """Give the Roles their Properties, and those that can be assigned their Methods."""
    for role in Role:
        owner = ROLE_IDS[role]
        if space.get(owner) is None:
            continue
        assignable = role in ASSIGNABLE_ROLES
        for name, child in _children(space, owner):
            if name == "Identities":
                space.bind(child, CallSource(_identities(role, accounts, clock)))
            elif name in _CONSTANTS:
                space.bind(child, StaticSource(_CONSTANTS[name]))
            elif assignable and name in ("AddIdentity", "RemoveIdentity"):
                assign = name == "AddIdentity"
                space.methods.bind(owner, child, _mapping(role, accounts, assign=assign))


def _children(space: AddressSpace, owner: ua.NodeId) -> Sequence[tuple[str, ua.NodeId]]:
    return [
        (str(space.nodes[r.target].browse_name.Name), r.target)
        for r in space.nodes[owner].references
        if r.forward and r.type in (HAS_COMPONENT, HAS_PROPERTY) and r.target in space.nodes
    ]


def _identities(
    role: Role, accounts: AccountsAdmin, clock: Callable[[], int]
) -> Callable[[], ua.DataValue]:
    def rules() -> Sequence[tuple[int, str]]:
        fixed = _BY_SESSION.get(role)
        if fixed is not None:
            return [(criteria, "") for criteria in fixed]
        return accounts.identities.get(role, ())

    def read() -> ua.DataValue:
        entries = [
            ua.IdentityMappingRuleType(CriteriaType=_CRITERIA(criteria), Criteria=ua.String(text))
            for criteria, text in rules()
        ]
        now = cast(Any, clock())
        value = ua.Variant(entries, _T.ExtensionObject, is_array=True)
        return ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)

    return read


def _mapping(role: Role, accounts: AccountsAdmin, *, assign: bool) -> MethodHandler:
    """AddIdentity or RemoveIdentity (4.4.5, 4.4.6), of user names only."""

    async def change(call: MethodCall) -> Outputs:
        check_administrator(call)
        (rule,) = (argument.Value for argument in call.arguments)
        if not isinstance(rule, ua.IdentityMappingRuleType):
            raise StatusError(StatusCodes.BadInvalidArgument)
        if rule.CriteriaType != _CRITERIA.UserName:
            raise StatusError(StatusCodes.BadNotSupported)
        subject, user = call.context.subject, str(rule.Criteria or "")
        status = await accounts.change_role(subject, role, user, assign=assign)
        if status != StatusCodes.Good:
            raise StatusError(status)
        _tell(call)
        return []

    return change


def _tell(call: MethodCall) -> None:
    """The audit event of a changed mapping (4.5); its record is the account port's."""
    ctx = call.context
    record = AuditRecord("role-mapping", ctx.now_ticks, ctx.subject.user)

    def describe() -> Sequence[AuditEvent]:
        fields = plain_fields(
            MethodId=ua.Variant(call.method_id, _T.NodeId),
            InputArguments=ua.Variant(list(call.arguments), _T.Variant, is_array=True),
        )
        kind = node_id(ObjectIds.RoleMappingRuleChangedAuditEventType)
        return [AuditEvent(kind, "Attribute/Call", "Who has a role", fields, call.object_id)]

    ctx.server.auditor.tell(Fact(record, describe))
