"""RoleSet and UserManagement (Part 18, 4 and 5): what is served, to whom, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.front_end import FrontEnd, FrontEndConfig
from biogate.opcua.ports import AccountView, PasswordRules
from biogate.opcua.roles import apply_change, bind_roles, bind_user_management
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.server_object import bind_server_object
from biogate_nodesets.cache import load_model
from biogate_security.role_policy import SECURITY_METHODS, RolePolicy
from biogate_security.roles import AccountChange

S, A = ua.StatusCodes, ua.AttributeIds
URI = "urn:test:biogate"
OPERATOR, OPERATOR_IDENTITIES = ua.NodeId(15680), ua.NodeId(16225)
ADD_IDENTITY, USER_MANAGEMENT = ua.NodeId(15684), ua.NodeId(24290)
TYPES_ADD_IDENTITY, TYPES_ADD_USER = ua.NodeId(15624), ua.NodeId(24269)
CHANGE_PASSWORD = ua.NodeId(24310)
ENCRYPTED = ua.MessageSecurityMode.SignAndEncrypt


class Accounts:
    """Keeps what it is asked to do."""

    password_rules = PasswordRules(12, 1024, 31, "long")
    accounts = (AccountView("olga", 4, "night shift"),)

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.identities = {"Operator": [(1, "olga"), (2, "AB" * 20)]}
        self.answer = S.Good

    async def add_user(self, subject: Any, *arguments: Any) -> int:
        self.asked.append(("add", subject.user, *arguments))
        return self.answer

    async def modify_user(self, subject: Any, *arguments: Any) -> int:
        self.asked.append(("modify", subject.user, *arguments))
        return self.answer

    async def remove_user(self, subject: Any, name: str) -> int:
        self.asked.append(("remove", subject.user, name))
        return self.answer

    async def change_password(self, subject: Any, old: str, new: str) -> int:
        self.asked.append(("password", subject.user, old, new))
        return self.answer

    async def change_role(self, subject: Any, role: str, user: str, *, assign: bool) -> int:
        self.asked.append(("role", role, user, assign))
        return self.answer


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture(scope="module")
def space(nodeset_cache: Path) -> AddressSpace:
    return AddressSpace(load_model(["ns0", "DI"], cache=nodeset_cache, application_uri=URI))


@pytest.fixture
def bench(make_bench: Callable[..., Any], space: AddressSpace, accounts: Accounts) -> Any:
    """A front end over a space of its own, with the roles' policy; each test binds it anew."""
    bench = make_bench()
    context = bench.front_end.context
    bench.front_end = FrontEnd(
        FrontEndConfig(URI),
        space,
        context.tags,
        bench.commands,
        RolePolicy("read"),
        bench.users,
        bench.pki,
        clock=bench.clock,
        wall_clock=context.wall_clock,
    )
    bench.front_end.context.turns = context.turns  # tests that ask get their answer
    bind_roles(space, accounts, context.wall_clock)
    bind_user_management(space, accounts, context.wall_clock)
    bind_server_object(space, bench.front_end.state, {})
    return bench


async def session(bench: Any, *roles: str, mode: Any = ENCRYPTED) -> Any:
    """A session of a user with these roles, as on a channel of that mode."""
    client = bench.client(len(bench.front_end.context.sessions) + 1)
    client.create_session()
    await client.activate()
    held = frozenset({"AuthenticatedUser", *roles})
    current = bench.front_end.context.sessions.find(client.token)
    subject = replace(
        current.subject,
        user="ada",
        roles=held,
        security_mode=mode.name,
        authentication="UserName",
    )
    current.identity = (subject, bench.front_end.context.rights.view(subject))
    return client


async def call(client: Any, owner: ua.NodeId, method: ua.NodeId, *values: ua.Variant) -> int:
    request = ua.CallRequest()
    item = ua.CallMethodRequest(ObjectId=owner, MethodId=method, InputArguments=list(values))
    request.Parameters.MethodsToCall = [item]
    response = await client.ask_async(request)
    return int(response.Results[0].StatusCode.value)


def text(*values: str) -> list[ua.Variant]:
    return [ua.Variant(value, ua.VariantType.String) for value in values]


def rule(criteria: int = 1, user: str = "olga") -> ua.Variant:
    value = ua.IdentityMappingRuleType(
        CriteriaType=ua.IdentityCriteriaType(criteria), Criteria=user
    )
    return ua.Variant(value, ua.VariantType.ExtensionObject)


def value_of(client: Any, node: ua.NodeId) -> ua.DataValue:
    return client.read(ua.ReadValueId(node, A.Value)).Results[0]


async def test_identities_are_for_security_administrators_on_encrypted_channels(bench: Any) -> None:
    admin = await session(bench, "SecurityAdmin")
    rules = value_of(admin, OPERATOR_IDENTITIES).Value.Value
    assert [(int(each.CriteriaType), each.Criteria) for each in rules] == [
        (1, "olga"),
        (2, "AB" * 20),
    ]
    operator = await session(bench, "Operator")
    assert value_of(operator, OPERATOR_IDENTITIES).StatusCode.is_bad()
    signed = await session(bench, "SecurityAdmin", mode=ua.MessageSecurityMode.Sign)
    assert value_of(signed, OPERATOR_IDENTITIES).StatusCode.value == S.BadSecurityModeInsufficient


async def test_users_and_rules_are_shown(bench: Any) -> None:
    admin = await session(bench, "SecurityAdmin")
    (olga,) = value_of(admin, ua.NodeId(24301)).Value.Value
    assert (olga.UserName, int(olga.UserConfiguration), olga.Description) == (
        "olga",
        4,
        "night shift",
    )
    length = value_of(admin, ua.NodeId(24302)).Value.Value
    assert (length.Low, length.High) == (12.0, 1024.0)
    assert value_of(admin, ua.NodeId(24303)).Value.Value == 31


def test_only_what_is_served_is_there(bench: Any) -> None:
    space = bench.front_end.context.space
    for number in (25565, 16301, 16217, 24142):  # SecurityKeyServerAdmin, AddRole, AddApplication
        assert space.get(ua.NodeId(number)) is None, number
    for number in (12637, 24290, 15606, 18625, 15684):
        assert space.get(ua.NodeId(number)) is not None, number


def test_each_method_that_is_served_is_one_of_those_for_security_administrators(bench: Any) -> None:
    """But one's own password: the policy knows the Methods by their NodeIds."""
    space = bench.front_end.context.space
    below = (ua.NodeId(15606), ua.NodeId(12637))
    served, waiting = set(), list(below)
    while waiting:
        node = space.get(waiting.pop())
        served |= {node.node_id.to_string()} if node.node_class is ua.NodeClass.Method else set()
        waiting += [r.target for r in node.references if r.forward and r.type.Identifier == 47]
    assert len(served) == 16  # 4 of UserManagement, 2 of each role that can be assigned
    assert served - SECURITY_METHODS == {CHANGE_PASSWORD.to_string()}


async def test_a_role_mapping_is_changed_and_told(
    bench: Any, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(bench.front_end.context.auditor, "tell", told.append)
    admin = await session(bench, "SecurityAdmin")
    for method in (ADD_IDENTITY, TYPES_ADD_IDENTITY):
        assert await call(admin, OPERATOR, method, rule()) == S.Good
    assert accounts.asked == [("role", "Operator", "olga", True)] * 2
    (event,) = told[0].describe()
    assert event.type == ua.NodeId(ua.ObjectIds.RoleMappingRuleChangedAuditEventType)


async def test_a_mapping_that_is_not_of_a_user_name_is_not_supported(
    bench: Any, accounts: Accounts
) -> None:
    admin = await session(bench, "SecurityAdmin")
    for criteria in (2, 3, 5, 6, 8):
        assert await call(admin, OPERATOR, ADD_IDENTITY, rule(criteria)) == S.BadNotSupported
    accounts.answer = S.BadAlreadyExists
    assert await call(admin, OPERATOR, ADD_IDENTITY, rule()) == S.BadAlreadyExists


@pytest.mark.parametrize("roles", [("Operator", "Engineer", "Supervisor"), ("ConfigureAdmin",), ()])
async def test_nobody_else_reaches_the_accounts(
    bench: Any, accounts: Accounts, roles: tuple[str, ...]
) -> None:
    """By the NodeIds of the types' Methods neither, which have no RolePermissions."""
    client = await session(bench, *roles)
    mask = ua.Variant(0, ua.VariantType.UInt32)
    add = (*text("eve", "kettle"), mask, *text(""))
    for owner, method, arguments in (
        (OPERATOR, ADD_IDENTITY, [rule()]),
        (OPERATOR, TYPES_ADD_IDENTITY, [rule()]),
        (USER_MANAGEMENT, ua.NodeId(24304), add),
        (USER_MANAGEMENT, TYPES_ADD_USER, add),
    ):
        status = await call(client, owner, method, *arguments)
        assert status in (S.BadUserAccessDenied, S.BadMethodInvalid), method
    assert accounts.asked == []


@pytest.mark.parametrize(
    ("active", "answer"), [(True, S.BadUserAccessDenied), (False, S.BadSessionClosed)]
)
async def test_who_is_no_administrator_any_more_ends_no_request_as_one(
    bench: Any, accounts: Accounts, active: bool, answer: int
) -> None:
    """One request may hold many calls, and the account changes between two of them."""
    admin, context = await session(bench, "SecurityAdmin"), bench.front_end.context
    change = AccountChange("ada", frozenset({"AuthenticatedUser", "Operator"}), active)

    async def add_user(subject: Any, name: str, *_arguments: Any) -> int:
        accounts.asked.append(name)
        apply_change(context, change)
        return S.Good

    accounts.add_user = add_user
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [
        ua.CallMethodRequest(
            ObjectId=USER_MANAGEMENT,
            MethodId=ua.NodeId(24304),
            InputArguments=[
                *text(name, "kettle"),
                ua.Variant(0, ua.VariantType.UInt32),
                *text(""),
            ],
        )
        for name in ("eve", "mallory")
    ]
    results = (await admin.ask_async(request)).Results
    assert accounts.asked == ["eve"]
    assert [each.StatusCode.value for each in results] == [S.Good, answer]


async def test_an_administrator_needs_an_encrypted_channel(bench: Any, accounts: Accounts) -> None:
    client = await session(bench, "SecurityAdmin", mode=ua.MessageSecurityMode.Sign)
    for method in (ADD_IDENTITY, TYPES_ADD_IDENTITY):
        status = await call(client, OPERATOR, method, rule())
        assert status == S.BadSecurityModeInsufficient
    assert accounts.asked == []


async def test_users_are_added_changed_and_removed(bench: Any, accounts: Accounts) -> None:
    admin = await session(bench, "SecurityAdmin")
    boolean = ua.VariantType.Boolean
    mask = ua.Variant(2, ua.VariantType.UInt32)
    no, yes = ua.Variant(False, boolean), ua.Variant(True, boolean)
    name, password, description = text("eva", "kettle", "shift")
    await call(admin, USER_MANAGEMENT, ua.NodeId(24304), name, password, mask, description)
    modify = (name, no, password, yes, mask, no, description)
    await call(admin, USER_MANAGEMENT, ua.NodeId(24306), *modify)
    await call(admin, USER_MANAGEMENT, ua.NodeId(24308), name)
    assert accounts.asked == [
        ("add", "ada", "eva", "kettle", 2, "shift"),
        ("modify", "ada", "eva", None, 2, None),
        ("remove", "ada", "eva"),
    ]


async def test_anyone_with_a_password_may_change_the_own_one(
    bench: Any, accounts: Accounts
) -> None:
    client = await session(bench)
    assert await call(client, USER_MANAGEMENT, CHANGE_PASSWORD, *text("old", "new")) == S.Good
    assert accounts.asked == [("password", "ada", "old", "new")]
    anonymous = await bench.session(9)
    status = await call(anonymous, USER_MANAGEMENT, CHANGE_PASSWORD, *text("old", "new"))
    assert status == S.BadSecurityModeInsufficient
    assert len(accounts.asked) == 1
