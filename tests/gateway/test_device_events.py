"""Events about devices, as other people's clients hear them (Part 5, 6.4.30 and 6.4.31)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from biogate import Gateway
from biogate.device_events import DeviceEvents
from biogate.opcua.config import Limits
from biogate.opcua.events import EventHub
from biogate.opcua.space.address_space import AddressSpace
from biogate.sim.process import SimProcess
from biogate_adapters.supervisor import DeviceState
from biogate_nodesets.cache import load_model

IDS = ua.ObjectIds
FAILURE, SYSTEM = ua.NodeId(IDS.DeviceFailureEventType), ua.NodeId(IDS.SystemEventType)
PUMP = ua.NodeId("Signals.P101", 2)


@pytest.fixture
def hub(nodeset_cache: Path) -> EventHub:
    model = load_model(["ns0"], cache=nodeset_cache, application_uri="urn:test:biogate")
    return EventHub(AddressSpace(model), lambda: 134_000_000_000_000_000, Limits())


def told(hub: EventHub) -> list[Any]:
    journal = hub.journal
    events = [journal.read(number)[1].event for number in range(journal.count)]  # type: ignore[index]
    return [(event.type, event.severity, event.message.Text) for event in events]


def test_a_device_is_lost_once_and_back_once(hub: EventHub) -> None:
    events = DeviceEvents(hub, {"P101": PUMP})
    fault, lost, online = DeviceState.FAULT, DeviceState.LOST, DeviceState.ONLINE
    for state in (DeviceState.CONNECTING, online, fault, online, fault, lost, online, fault):
        events.state_changed("P101", state)
    assert told(hub) == [
        (FAILURE, 700, "P101 does not answer: its values are Bad."),
        (SYSTEM, 100, "P101 answers again."),
    ]


class Heard:
    """An asyncua subscription handler that keeps the events."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


@pytest.fixture
def impatient_site(demo_site: Path, tmp_path: Path) -> Path:
    """The demo's site, where the values of AE101 are Bad a tenth of a second after it is gone."""
    site, profile = tmp_path / "site.yaml", "profile: hamilton/arc-ph"
    text = demo_site.read_text(encoding="utf-8")
    site.write_text(text.replace(profile, f"{profile}\n    bad_after_ms: 100"), encoding="utf-8")
    return site


async def test_a_client_hears_of_a_lost_device_at_the_device_and_at_the_server(
    impatient_site: Path, simulators: SimProcess, nodeset_cache: Path, tmp_path: Path
) -> None:
    gateway = Gateway.from_file(
        impatient_site,
        data=tmp_path,
        port=0,
        addresses=simulators.addresses,
        nodesets=nodeset_cache,
    )
    async with gateway, Client(gateway.endpoint_url) as client:
        await gateway.wait_for_first_values(["AE101.ph"])
        namespace = await client.get_namespace_index("urn:example-bio:pilot-plant")
        device = client.get_node(ua.NodeId("Signals.AE101", namespace))
        assert (await device.read_attribute(ua.AttributeIds.EventNotifier)).Value.Value == 1
        heard = {node: Heard() for node in (client.nodes.server, device)}
        for node, handler in heard.items():
            subscription = await client.create_subscription(50, handler)
            await subscription.subscribe_events(node, [FAILURE])
        await simulators.stop()
        for handler in heard.values():
            event = await asyncio.wait_for(handler.events.get(), 20)
            assert (event.EventType, event.SourceNode) == (FAILURE, device.nodeid)
            assert (event.SourceName, event.Severity) == ("AE101", 700)
            assert "AE101 does not answer" in event.Message.Text
