"""The real program with real simulators, seen by two clients that share no code.

Every test starts `biogate run` or `biogate demo` as a process of its own; the gateway starts the
simulators as another. What a client reads is compared with what the plant had at that time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from asyncua import Client, Node, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from e2e.certificates import client_identity
from e2e.driving import NodeClient, Program

SITE = "urn:example-bio:pilot-plant"
FUNCTIONS = "BR101.Unit.FunctionSet"
CLIENT_URI = "urn:test:client"
SECURE = {"mode": "SignAndEncrypt", "policy": "Basic256Sha256"}

Start = Callable[..., Awaitable[Program]]


class Demo:
    """A running demo: how to reach it and whom to log in as."""

    def __init__(self, program: Program, url: str, password: str) -> None:
        self.program = program
        self.url = url
        self.operator = {"user": "operator", "password": password}

    def node(self, client: Client, path: str) -> Node:
        return client.get_node(f"nsu={SITE};s={path}")

    async def secure_client(self, folder: Path, *, operator: bool) -> Client:
        """asyncua's client on Basic256Sha256 SignAndEncrypt, not yet connected."""
        certificate, key = client_identity(folder, CLIENT_URI)
        client = Client(self.url)
        client.application_uri = CLIENT_URI
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            str(certificate),
            str(key),
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
        if operator:
            client.set_user(self.operator["user"])
            client.set_password(self.operator["password"])
        return client


@pytest.fixture
async def demo(programs: Start, new_data: Callable[[], Path]) -> Demo:
    """`biogate demo` at 60 times real time, ready for clients, with all devices answering."""
    program = await programs(
        "demo", "--quiet", "--port", "0", "--data", str(new_data()), "--speed", "60"
    )
    url = (await program.line(r"endpoint: (opc\.tcp://\S+)"))[1]
    password = (await program.line(r"password: +(\S+)"))[1]
    for device in ("AE101", "AE102", "FIC101", "RC101"):
        await program.line(rf"device answers device={device}\b", errors=True)
    return Demo(program, url, password)


@pytest.fixture
async def anonymous(demo: Demo) -> AsyncIterator[Client]:
    """asyncua's client without security and without a user."""
    async with Client(demo.url) as client:
        yield client


async def namespace_of(client: Client) -> int:
    return await client.get_namespace_index(SITE)


async def path_id(client: Client, path: str) -> ua.NodeId:
    return ua.NodeId(path, await namespace_of(client))


async def until(read: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Read again and again until the value is as wanted."""
    async with asyncio.timeout(30):
        while not wanted(value := await read()):  # noqa: ASYNC110 (another process's state)
            await asyncio.sleep(0.1)
    return value


async def test_an_anonymous_client_finds_the_bioreactor_and_reads_it(anonymous: Client) -> None:
    di = await anonymous.get_namespace_index("http://opcfoundation.org/UA/DI/")
    ns = await namespace_of(anonymous)
    root = await anonymous.nodes.objects.get_child([f"{di}:DeviceSet", f"{ns}:BR101"])
    lads = await anonymous.get_namespace_index("http://opcfoundation.org/UA/LADS/")
    functions = await root.get_child(
        [f"{lads}:FunctionalUnitSet", f"{ns}:Unit", f"{lads}:FunctionSet"]
    )
    names = [(await child.read_browse_name()).Name for child in await functions.get_children()]
    assert names == ["pH", "DO", "Temperature", "Agitation", "GasFlow", "Feed", "Base", "Weight"]
    ph = await functions.get_child([f"{ns}:pH", f"{lads}:SensorValue"])
    value = await ph.read_data_value()
    assert 4.0 < value.Value.Value < 9.0
    assert value.StatusCode.is_good()
    assert value.SourceTimestamp is not None
    unit = await (await ph.get_child("0:EngineeringUnits")).read_value()
    assert unit.UnitId == 5321520
    assert await (await ph.get_child("0:EURange")).read_value() == ua.Range(0.0, 14.0)


async def test_without_an_account_nothing_can_be_written(anonymous: Client) -> None:
    node = anonymous.get_node(await path_id(anonymous, f"{FUNCTIONS}.Agitation.TargetValue"))
    before = await node.read_value()
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await node.write_value(ua.DataValue(ua.Variant(before + 1, ua.VariantType.Double)))
    assert await node.read_value() == before


async def test_the_operator_writes_a_set_point_that_moves_the_plant(
    demo: Demo, tmp_path: Path
) -> None:
    async with await demo.secure_client(tmp_path, operator=True) as client:
        target = client.get_node(await path_id(client, f"{FUNCTIONS}.Agitation.TargetValue"))
        current = client.get_node(await path_id(client, f"{FUNCTIONS}.Agitation.CurrentValue"))
        await target.write_value(ua.DataValue(ua.Variant(640.0, ua.VariantType.Double)))
        assert await target.read_value() == 640.0
        assert await until(current.read_value, lambda rpm: abs(rpm - 640.0) < 5.0)


async def test_a_wrong_password_is_refused(demo: Demo, tmp_path: Path) -> None:
    client = await demo.secure_client(tmp_path, operator=True)
    client.set_password("not the password")
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await client.connect()


async def test_a_subscription_delivers_each_change_with_its_source_time(
    anonymous: Client,
) -> None:
    received: list[ua.DataValue] = []
    enough = asyncio.Event()

    class Handler:
        def datachange_notification(self, _node: Node, _value: Any, data: Any) -> None:
            received.append(data.monitored_item.Value)
            if len(received) >= 6:
                enough.set()

    node = anonymous.get_node(await path_id(anonymous, "Signals.RC101.vessel_weight"))
    subscription = await anonymous.create_subscription(100, Handler())
    await subscription.subscribe_data_change(node)
    await asyncio.wait_for(enough.wait(), 30)
    await subscription.delete()
    times = [value.SourceTimestamp for value in received]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert all(1.0 < value.Value.Value < 12.0 for value in received)


@pytest.mark.parametrize("security", [{}, SECURE], ids=["None", "Basic256Sha256"])
async def test_a_second_client_reads_browses_writes_and_subscribes(
    demo: Demo, node_client: NodeClient, tmp_path: Path, security: dict[str, str]
) -> None:
    await node_client.ask(
        "connect", url=demo.url, pki=str(tmp_path / "node-pki"), **security, **demo.operator
    )
    namespaces = (await node_client.ask("read", nodes=["i=2255"]))[0]["value"]
    prefix = f"ns={namespaces.index(SITE)};s="
    device_set = f"ns={namespaces.index('http://opcfoundation.org/UA/DI/')};i=5001"
    browsed = await node_client.ask("browse", node=device_set)
    assert f"{prefix}BR101" in [reference["nodeId"] for reference in browsed]
    (weight,) = await node_client.ask("read", nodes=[f"{prefix}{FUNCTIONS}.Weight.SensorValue"])
    assert weight["type"] == "Double"
    assert weight["statusName"] == "Good"
    written = await node_client.ask(
        "write", node=f"{prefix}{FUNCTIONS}.GasFlow.TargetValue", value=4.5
    )
    assert written == {"status": 0, "statusName": "Good"}
    seen = await node_client.ask(
        "subscribe", nodes=[f"{prefix}{FUNCTIONS}.pH.SensorValue"], count=4
    )
    assert [value["statusName"] for value in seen] == ["Good"] * 4
    reached = await until(
        lambda: node_client.ask("read", nodes=[f"{prefix}Signals.FIC101.mass_flow"]),
        lambda values: abs(values[0]["value"] - 4.5) < 0.05,
    )
    assert reached[0]["sourceTimestamp"] is not None


async def test_the_endpoints_offer_what_the_site_file_says(
    demo: Demo, node_client: NodeClient
) -> None:
    offered = await node_client.ask("endpoints", url=demo.url)
    assert {(e["mode"], e["policy"].rsplit("#")[1]) for e in offered} == {
        ("None", "None"),
        ("Sign", "Basic256Sha256"),
        ("SignAndEncrypt", "Basic256Sha256"),
    }
    assert all(set(e["tokens"]) == {"Anonymous", "UserName"} for e in offered)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_stops_within_two_seconds_and_leaves_no_process(
    demo: Demo, number: signal.Signals
) -> None:
    async with Client(demo.url):
        children = psutil.Process(demo.program.process.pid).children(recursive=True)
        assert children, "the simulators run in a process of their own"
        async with asyncio.timeout(2.0):
            assert await demo.program.stop(number) == 0
    assert [child for child in children if child.is_running()] == []


async def test_killed_simulators_turn_their_tags_uncertain_and_the_gateway_lives_on(
    demo: Demo, anonymous: Client
) -> None:
    node = anonymous.get_node(await path_id(anonymous, "Signals.AE101.ph"))
    assert (await node.read_data_value()).StatusCode.is_good()
    (simulators,) = psutil.Process(demo.program.process.pid).children()
    simulators.kill()

    async def status() -> int:
        return (await node.read_data_value(raise_on_bad_status=False)).StatusCode.value

    await until(status, lambda code: code == ua.StatusCodes.UncertainNoCommunicationLastUsableValue)
    await until(status, lambda code: code == ua.StatusCodes.BadNoCommunication)
    await demo.program.line("simulators have ended", errors=True)
    assert demo.program.process.returncode is None
