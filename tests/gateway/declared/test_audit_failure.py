"""An audit trail that cannot be written stops writes, and alarms (IEC 62443-3-3, SR 2.10)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from biogate import Gateway, WriteRefusedError

SKID = """
variables:
  Skid.Level: {type: Double, value: 20, writable: true}
  Skid.Beat: {type: UInt16, value: 1, source: {kind: counter, interval_ms: 20}}
"""


class Heard:
    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


async def listen(client: Client) -> Heard:
    heard = Heard()
    namespace = await client.get_namespace_index("urn:biogate:security")
    subscription = await client.create_subscription(50, heard)
    alarms = ua.NodeId("SecurityAlarmEventType", namespace)
    await subscription.subscribe_events(ua.ObjectIds.Server, [alarms])
    return heard


def audit_file(gateway: Gateway) -> Path:
    assert gateway._storage is not None
    return max(gateway._storage.audit.folder.glob("*.sqlite"))


async def test_writes_and_logins_stop_and_reading_goes_on(serving: Any, tmp_path: Path) -> None:
    async with (
        asyncio.timeout(60),
        serving(SKID, tmp_path) as gateway,
        Client(gateway.endpoint_url) as client,
    ):
        heard = await listen(client)
        file = audit_file(gateway)
        file.rename(file.with_suffix(".gone"))
        with pytest.raises(WriteRefusedError, match="BadResourceUnavailable"):
            await gateway.write("skid.Skid.Level", 21.0)
        alarm = await heard.events.get()
        assert alarm.EventType.Identifier == "AuditStoreAlarmEventType"
        assert (alarm.Active, alarm.Severity) == (True, 900)

        level = client.get_node("ns=2;s=Skid.Level")
        assert await level.read_value() == 20
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await Client(gateway.endpoint_url).connect()
        assert refused.value.code == ua.StatusCodes.BadResourceUnavailable

        file.with_suffix(".gone").rename(file)
        await gateway.write("skid.Skid.Level", 22.0)
        alarm = await heard.events.get()
        assert (alarm.Active, alarm.Severity) == (False, 100)
        assert await level.read_value() == 22
