"""`biogate run examples/fixture-site.yaml`, as somebody uses it who tests a client with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, Node, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from e2e.certificates import client_identity
from e2e.driving import Program, Start
from e2e.sites import endpoint_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACE = "urn:battery:fixture"
PASSWORD = "correct horse battery"
CLIENT_URI = "urn:test:client"
S = ua.StatusCodes


@dataclass
class Fixture:
    """The running program and where it serves."""

    program: Program
    url: str

    def node(self, client: Client, key: str) -> Node:
        """A node of the fixture's namespace, which is the first after the server's own."""
        return client.get_node(ua.NodeId(key, 2))

    def client(self, user: str | None = None, password: str = PASSWORD) -> Client:
        client = Client(self.url)
        if user is not None:
            client.set_user(user)
            client.set_password(password)
        return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fixture(module_programs: Start, new_data: Callable[[], Path], project: Path) -> Fixture:
    site = str(project / "examples" / "fixture-site.yaml")
    data = str(new_data())
    environment = {f"BIOGATE_PASSWORD_{user}": PASSWORD for user in ("OPERATOR", "OBSERVER")}
    program = await module_programs(
        "run", site, "--quiet", "--port", "0", "--data", data, env=environment
    )
    url = await endpoint_of(program)
    await program.line("^Ctrl-C")
    return Fixture(program, url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anonymous(fixture: Fixture) -> AsyncIterator[Client]:
    async with fixture.client() as client:
        yield client


@pytest.fixture
def node(fixture: Fixture, anonymous: Client) -> Callable[[str], Node]:
    """A node by the string of its NodeId."""
    return lambda key: fixture.node(anonymous, key)


async def status_of(work: Any) -> int:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await work
    return refused.value.code


async def test_it_says_what_it_is_and_warns_of_what_it_lets_in(fixture: Fixture) -> None:
    lines = fixture.program.lines
    passwords = [line for line in lines if "password:" in line]
    assert [line.split("(of ")[1].split(";")[0] for line in passwords] == [
        "engineer",
        "supervisor",
        "admin",
    ]
    assert PASSWORD not in "\n".join(lines + fixture.program.errors)
    assert len([line for line in lines if line.startswith("  WARNING:")]) == 2
    assert any("5,077 variables without a device" in line for line in lines)


async def test_its_namespaces_come_right_after_the_servers_own(anonymous: Client) -> None:
    uris = await anonymous.get_namespace_array()
    own, plain, types, security = uris[1:]
    assert (own, plain, types) == ("urn:battery:fixture:server", NAMESPACE, f"{NAMESPACE}:types")
    assert security == "urn:biogate:security"


async def test_every_node_of_the_fixture_is_there(node: Callable[[str], Node]) -> None:
    values = {
        "Int32RW": (ua.VariantType.Int32, 0),
        "DoubleRW": (ua.VariantType.Double, 0.0),
        "StringRW": (ua.VariantType.String, ""),
        "AnalogRW": (ua.VariantType.Double, 50.0),
        "Int32Array": (ua.VariantType.Int32, [1, 2, 3, 4, 5]),
        "Int32RO": (ua.VariantType.Int32, 42),
        "TriggerRW": (ua.VariantType.Int32, 0),
    }
    for key, expected in values.items():
        value = await node(key).read_data_value()
        assert (value.Value.VariantType, value.Value.Value) == expected, key
        assert value.StatusCode.value == S.Good
    for key in ("HistRO", "Shared"):
        value = await node(key).read_data_value()
        assert value.Value.VariantType is ua.VariantType.Double
    eu_range = await (await node("AnalogRW").get_child("0:EURange")).read_value()
    assert (eu_range.Low, eu_range.High) == (0.0, 100.0)
    assert await node("Fixture").read_node_class() is ua.NodeClass.Object
    assert await node("Add").read_node_class() is ua.NodeClass.Method
    assert (await node("Add").get_parent()).nodeid == node("Fixture").nodeid


async def test_the_variables_of_big_are_all_there(node: Callable[[str], Node]) -> None:
    children = await node("Big").get_children()
    assert len(children) == 5000
    values = await asyncio.gather(*(child.read_value() for child in (children[0], children[-1])))
    assert values == [0.0, 0.0]


async def test_shared_counts_up_every_100_ms(
    anonymous: Client, node: Callable[[str], Node]
) -> None:
    values: asyncio.Queue[float] = asyncio.Queue()

    class Handler:
        def datachange_notification(self, _node: Node, value: float, _data: Any) -> None:
            values.put_nowait(value)

    subscription = await anonymous.create_subscription(100, Handler())
    await subscription.subscribe_data_change(node("Shared"), queuesize=10)
    async with asyncio.timeout(20):
        seen = [await values.get() for _ in range(6)]
    await subscription.delete()
    assert seen == [seen[0] + step for step in range(6)]


async def test_anybody_writes_what_is_writable(node: Callable[[str], Node]) -> None:
    for key, value in (
        ("Int32RW", ua.Variant(-7, ua.VariantType.Int32)),
        ("DoubleRW", ua.Variant(2.5, ua.VariantType.Double)),
        ("StringRW", ua.Variant("Größe", ua.VariantType.String)),
        ("Int32Array", ua.Variant([9, 8], ua.VariantType.Int32)),
        ("Big.Var4999", ua.Variant(1.0, ua.VariantType.Double)),
    ):
        await node(key).write_value(value)
        assert (await node(key).read_data_value()).Value.Value == value.Value
    assert await status_of(node("Int32RO").write_value(1, ua.VariantType.Int32)) == S.BadNotWritable


async def test_one_variable_of_each_type_takes_back_what_it_shows(anonymous: Client) -> None:
    types = await anonymous.get_namespace_index(f"{NAMESPACE}:types")
    seen = 0
    for kind in ("Scalar", "Array", "Matrix"):
        for variable in await anonymous.get_node(ua.NodeId(kind, types)).get_children():
            shown = (await variable.read_data_value()).Value
            await variable.write_value(ua.DataValue(shown))
            assert (await variable.read_data_value()).Value == shown, variable
            seen += 1
    assert seen == 3 * 22 + 1


async def test_add_adds_and_refuses_what_an_int32_cannot_hold(node: Callable[[str], Node]) -> None:
    def add(a: int, b: int) -> Any:
        arguments = (ua.Variant(value, ua.VariantType.Int32) for value in (a, b))
        return node("Fixture").call_method(node("Add"), *arguments)

    assert await add(2, 40) == 42
    assert await status_of(add(2**31 - 1, 1)) == S.BadOutOfRange


async def test_writing_to_trigger_raises_an_event_of_that_severity(
    anonymous: Client, node: Callable[[str], Node]
) -> None:
    """Part 5, 6.4.2: Severity is 1 to 1000."""
    events: asyncio.Queue[Any] = asyncio.Queue()

    class Handler:
        def event_notification(self, event: Any) -> None:
            events.put_nowait(event)

    subscription = await anonymous.create_subscription(50, Handler())
    await subscription.subscribe_events(anonymous.nodes.server)
    trigger = node("TriggerRW")
    for severity in (0, 1, 500, 1000):
        await trigger.write_value(severity, ua.VariantType.Int32)
    assert await status_of(trigger.write_value(1001, ua.VariantType.Int32)) == S.BadOutOfRange
    async with asyncio.timeout(20):
        seen = [await events.get() for _ in range(3)]
    await subscription.delete()
    assert [event.Severity for event in seen] == [1, 500, 1000]
    assert {event.Message.Text for event in seen} == {"TriggerRW was written"}
    assert {event.SourceNode for event in seen} == {anonymous.nodes.server.nodeid}
    assert events.empty()


async def test_users_may_what_their_roles_say(fixture: Fixture) -> None:
    async with fixture.client("operator") as operator:
        await fixture.node(operator, "Audited").write_value(1.5)
    async with fixture.client("observer") as observer:
        audited = fixture.node(observer, "Audited")
        assert await audited.read_value() == 1.5
        assert await status_of(audited.write_value(2.0)) == S.BadUserAccessDenied
        plain = fixture.node(observer, "DoubleRW")
        assert await status_of(plain.write_value(2.0)) == S.BadUserAccessDenied


async def test_a_wrong_password_is_refused(fixture: Fixture) -> None:
    client = fixture.client("operator", "wrong")
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await client.connect()
    assert refused.value.code in (S.BadUserAccessDenied, S.BadIdentityTokenRejected)


@pytest.mark.parametrize(
    "policy",
    [
        SecurityPolicyBasic256Sha256,
        SecurityPolicyAes128Sha256RsaOaep,
        SecurityPolicyAes256Sha256RsaPss,
    ],
)
@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
async def test_every_policy_takes_a_client_that_it_has_never_seen(
    fixture: Fixture, tmp_path: Path, policy: Any, mode: str
) -> None:
    certificate, key = client_identity(tmp_path, CLIENT_URI)
    client = fixture.client("operator")
    client.application_uri = CLIENT_URI
    await client.set_security(policy, str(certificate), str(key), mode=ua.MessageSecurityMode[mode])
    async with client:
        variable = fixture.node(client, "DoubleRW")
        await variable.write_value(3.25)
        assert await variable.read_value() == 3.25


async def test_the_next_start_tells_no_password_and_lets_the_same_users_in(
    module_programs: Start, new_data: Callable[[], Path], project: Path
) -> None:
    site, data = str(project / "examples" / "fixture-site.yaml"), str(new_data())
    first = await module_programs("run", site, "--quiet", "--port", "0", "--data", data)
    made = {
        match[2]: match[1]
        for user in ("operator", "admin")
        if (match := await first.line(rf"password: +(\S+)  \(of ({user});"))
    }
    assert await first.stop() == 0
    second = await module_programs("run", site, "--quiet", "--port", "0", "--data", data)
    url = await endpoint_of(second)
    await second.line("^Ctrl-C")
    assert not [line for line in second.lines if "password:" in line]
    again = Fixture(second, url)
    async with again.client("operator", made["operator"]) as client:
        assert await again.node(client, "Int32RO").read_value() == 42


async def test_a_password_that_is_too_short_stops_the_start_with_its_variable(
    module_programs: Start, new_data: Callable[[], Path], project: Path
) -> None:
    site = str(project / "examples" / "fixture-site.yaml")
    program = await module_programs(
        "run", site, "--port", "0", "--data", str(new_data()),
        env={"BIOGATE_PASSWORD_ADMIN": "short"},
    )  # fmt: skip
    assert await program.ended(30) == 1
    assert program.errors[-1] == (
        "biogate: BIOGATE_PASSWORD_ADMIN: a password needs at least 12 characters"
    )
