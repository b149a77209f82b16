"""What a client of one zone finds of another: what the conduit lets pass, and nothing else.

The same by processes and within the core's process. IEC 62443-3-3, SR 5.1 and 5.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, Node, ua

from biogate import Gateway
from biogate.opcua.stack import node_id
from biogate_security.audit_store.query import query_log

pytestmark = pytest.mark.asyncio(loop_scope="module")
S = ua.StatusCodes
HIDDEN = ("Secret", "Recipe", "Alarm", "SecretAlarm", "Purge", "Purge.OutputArguments")
CELL, OFFICE = 2, 3


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["processes", "in_process"])
async def gateway(request: pytest.FixtureRequest, running: Any) -> AsyncIterator[Gateway]:
    async with running(request.param) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dmz(gateway: Gateway, client_of: Callable[..., Client]) -> AsyncIterator[Client]:
    async with client_of(gateway, "dmz", "mes") as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(gateway: Gateway, client_of: Callable[..., Client]) -> AsyncIterator[Client]:
    async with client_of(gateway, "cell", "op") as client:
        yield client


def in_cell(client: Client, name: str) -> Node:
    return client.get_node(f"ns={CELL};s={name}")


async def names_below(node: Node) -> list[str]:
    return sorted([(await each.read_browse_name()).Name for each in await node.get_children()])


async def status_of(asked: Awaitable[Any]) -> int:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await asked
    return int(refused.value.code)


async def browse_status(client: Client, node: Node) -> int:
    description = ua.BrowseDescription(node.nodeid, ResultMask=63)
    parameters = ua.BrowseParameters(NodesToBrowse=[description])
    (result,) = await client.uaclient.browse(parameters)
    return int(result.StatusCode.value)


class Heard:
    """What a subscription delivered."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[Any] = asyncio.Queue()
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def datachange_notification(self, node: Node, value: Any, data: Any) -> None:
        self.values.put_nowait(value)

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event.Message.Text)


async def next_of(queue: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(queue.get(), 5)


async def test_each_zone_has_an_endpoint_and_an_application_uri_of_its_own(
    gateway: Gateway, dmz: Client, cell: Client
) -> None:
    assert list(gateway.endpoint_urls) == ["cell", "dmz"]
    with pytest.raises(RuntimeError, match="endpoint_urls"):
        _ = gateway.endpoint_url
    for client, zone in ((dmz, "dmz"), (cell, "cell")):
        uris = await client.get_namespace_array()
        assert uris[1] == f"urn:biogate:acme:hall-4:gateway:{zone}"
        assert uris[CELL] == "urn:test:cell"
    endpoints = [await client.get_endpoints() for client in (dmz, cell)]
    one, other = (found[-1].ServerCertificate for found in endpoints)
    assert one != other


async def test_browse_shows_what_the_conduit_lets_pass(dmz: Client, cell: Client) -> None:
    assert await names_below(in_cell(dmz, "Cell")) == ["Shared", "Twice"]
    assert {"Secret", "Recipe", "Purge"} <= set(await names_below(in_cell(cell, "Cell")))
    assert "Office" not in await names_below(cell.nodes.objects)


async def test_a_namespace_that_a_zone_sees_nothing_of_has_no_name(
    dmz: Client, cell: Client
) -> None:
    assert (await dmz.get_namespace_array())[OFFICE] == "urn:test:office"
    assert "office" not in str(await cell.get_namespace_array())


@pytest.mark.parametrize("name", HIDDEN)
async def test_a_hidden_node_is_unknown_to_every_service(dmz: Client, name: str) -> None:
    node = in_cell(dmz, name)
    assert await status_of(node.read_value()) == S.BadNodeIdUnknown
    assert await status_of(node.read_browse_name()) == S.BadNodeIdUnknown
    assert await browse_status(dmz, node) == S.BadNodeIdUnknown
    assert await status_of(node.write_value(3.0)) == S.BadNodeIdUnknown
    (path,) = await dmz.translate_browsepaths(node.nodeid, ["0:Any"])
    assert path.StatusCode.value == S.BadNodeIdUnknown
    subscription = await dmz.create_subscription(100, Heard())
    assert await status_of(subscription.subscribe_data_change(node)) == S.BadNodeIdUnknown
    await subscription.delete()


@pytest.mark.parametrize("name", HIDDEN)
async def test_nothing_leads_to_a_hidden_node(dmz: Client, name: str) -> None:
    parent = in_cell(dmz, "Cell")
    browse_name = name.rpartition(".")[2]
    assert await status_of(parent.get_child(f"{CELL}:{browse_name}")) == S.BadNoMatch


async def test_history_and_calls_do_not_find_hidden_nodes(dmz: Client) -> None:
    for name in ("Secret", "Alarm"):
        now = datetime.now(UTC)
        asked = in_cell(dmz, name).read_raw_history(now - timedelta(hours=1), now)
        assert await status_of(asked) == S.BadNodeIdUnknown
    parent = in_cell(dmz, "Cell")
    hidden = node_id("Purge", CELL)
    assert await status_of(parent.call_method(hidden)) == S.BadMethodInvalid


async def test_registering_a_hidden_node_gives_no_right_to_it(dmz: Client) -> None:
    node = in_cell(dmz, "Secret")
    (registered,) = await dmz.register_nodes([node])
    assert await status_of(registered.read_value()) == S.BadNodeIdUnknown


async def test_values_reach_the_other_zone_as_they_change(
    gateway: Gateway, dmz: Client, cell: Client
) -> None:
    heard = Heard()
    subscription = await dmz.create_subscription(50, heard)
    await subscription.subscribe_data_change(in_cell(dmz, "Shared"))
    before = await next_of(heard.values)
    assert before == gateway.read("cell.Shared").value
    await in_cell(cell, "Shared").write_value(before + 0.5)
    assert await next_of(heard.values) == before + 0.5
    await subscription.delete()


async def test_a_text_reaches_the_zone_whole(gateway: Gateway, cell: Client) -> None:
    await gateway.write("cell.Recipe", "perfusion, 7 days")
    node = in_cell(cell, "Recipe")
    await in_cell(cell, "Shared").write_value(2.0)  # what was sent before it has come
    assert await node.read_value() == "perfusion, 7 days"


@pytest.mark.parametrize(
    ("zone", "node", "tag", "values"),
    [
        ("cell", "ns=2;s=Shared", "cell.Shared", (1.5, 2.5)),
        ("cell", "ns=2;s=Recipe", "cell.Recipe", ("a", "b")),
        ("dmz", "ns=3;s=Fast", "office.Fast", (3.5, 4.5)),
        ("dmz", "ns=3;s=FastText", "office.FastText", ("c", "d")),
    ],
)
async def test_who_has_written_reads_it(
    gateway: Gateway,
    dmz: Client,
    cell: Client,
    zone: str,
    node: str,
    tag: str,
    values: tuple[Any, ...],
) -> None:
    written = {"dmz": dmz, "cell": cell}[zone].get_node(node)
    for value in values:
        await written.write_value(value)
        assert await written.read_value() == value
        assert gateway.read(tag).value == value


async def test_every_change_is_heard_once(dmz: Client) -> None:
    heard = Heard()
    subscription = await dmz.create_subscription(50, heard)
    node = dmz.get_node(f"ns={OFFICE};s=Fast")
    await subscription.subscribe_data_change(node, queuesize=100, sampling_interval=0)
    await next_of(heard.values)
    for value in (11.0, 12.0, 13.0):
        await node.write_value(value)
    assert [await next_of(heard.values) for _ in range(3)] == [11.0, 12.0, 13.0]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heard.values.get(), 0.3)
    await subscription.delete()


async def test_a_write_across_the_conduit_keeps_its_bounds(gateway: Gateway, dmz: Client) -> None:
    await in_cell(dmz, "Shared").write_value(9.0)
    assert gateway.read("cell.Shared").value == 9.0
    assert await status_of(in_cell(dmz, "Shared").write_value(11.0)) == S.BadOutOfRange


async def test_a_method_across_the_conduit_runs_in_the_core(
    gateway: Gateway, dmz: Client, cell: Client
) -> None:
    before = gateway.diagnostics().counters["calls"].get("called", 0)
    assert await in_cell(dmz, "Cell").call_method(f"{CELL}:Twice", 3.5) == 7.0
    assert await in_cell(cell, "Cell").call_method(f"{CELL}:Purge") is True
    assert gateway.diagnostics().counters["calls"]["called"] == before + 2


async def test_wrong_arguments_are_told_like_in_one_process(dmz: Client) -> None:
    parent = in_cell(dmz, "Cell")
    assert await status_of(parent.call_method(f"{CELL}:Twice")) == S.BadArgumentsMissing
    refused = parent.call_method(f"{CELL}:Twice", ua.Variant("x"))
    assert await status_of(refused) == S.BadInvalidArgument


async def test_events_reach_the_zones_that_may_hear_of_their_place(
    gateway: Gateway, dmz: Client, cell: Client
) -> None:
    heard = {}
    for name, client in (("dmz", dmz), ("cell", cell)):
        heard[name] = Heard()
        subscription = await client.create_subscription(50, heard[name])
        await subscription.subscribe_events()
    await gateway.write("cell.SecretAlarm", 300)
    await gateway.write("cell.Alarm", 600)
    assert await next_of(heard["cell"].events) == "the recipe was changed"
    assert await next_of(heard["cell"].events) == "the stirrer stands still"
    assert await next_of(heard["dmz"].events) == "the stirrer stands still"


async def test_a_user_logs_in_only_where_the_zone_has_them(
    gateway: Gateway, client_of: Callable[..., Client]
) -> None:
    stranger = client_of(gateway, "dmz", "op")
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await stranger.connect()
    assert refused.value.code == S.BadUserAccessDenied


async def test_records_name_the_zone_that_the_link_stands_for(
    gateway: Gateway, dmz: Client, cell: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await in_cell(dmz, "Shared").write_value(4.0)
    await in_cell(cell, "Shared").write_value(5.0)
    records = [
        (each.record.user, each.record.zone)
        for each in query_log(gateway._data / "audit")
        if each.record.event == "write" and each.record.tag == "cell.Shared"
    ]
    assert ("mes", "dmz") in records
    assert ("op", "cell") in records
    assert not {("mes", "cell"), ("op", "dmz")} & set(records)


async def test_what_the_zones_count_is_among_the_diagnostics(gateway: Gateway) -> None:
    for _ in range(100):
        counters = gateway.diagnostics().counters
        if counters.get("zone dmz requests", {}).get("requests", 0) > 5:
            break
        await asyncio.sleep(0.05)
    assert counters["zone dmz"]["running"] == 1
    assert counters["zone dmz connections"]["accepted"] >= 1


async def test_nothing_that_a_client_sends_ends_the_link_of_its_zone(
    gateway: Gateway, dmz: Client, client_of: Callable[..., Client]
) -> None:
    long = "x" * 200_000
    stranger = client_of(gateway, "dmz")
    stranger.set_user(long[:4_090])
    stranger.set_password("p" * 20)
    with pytest.raises(ua.UaStatusCodeError):
        await stranger.connect()
    wordy = client_of(gateway, "dmz", "mes")
    wordy.application_uri = f"urn:{long[:4_090]}"
    wordy.uaclient.session_timeout = 60_000
    async with wordy:
        node = wordy.get_node(f"ns={OFFICE};s=FastText")
        await node.write_value(long)
        assert await node.read_value() == long
        assert await status_of(in_cell(wordy, "Shared").write_value(long)) == S.BadTypeMismatch
        many = [ua.Variant(float(n)) for n in range(300)]
        parent = in_cell(wordy, "Cell")
        asked = parent.call_method(f"{CELL}:Twice", *many)
        assert await status_of(asked) == S.BadTooManyArguments
        big = ua.Variant([1.0] * 30_000)
        assert await status_of(parent.call_method(f"{CELL}:Twice", big)) == S.BadInvalidArgument
    counters = gateway.diagnostics().counters["zone dmz"]
    assert counters.get("restarts", 0) == 0
    assert counters.get("malformed", 0) == 0
    assert await in_cell(dmz, "Shared").read_value() is not None
