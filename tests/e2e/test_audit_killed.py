"""kill -9 of a gateway during 10,000 audited writes of an OPC UA client.

Effects are what clients learn of: writes that were answered with Good, and values that another
client reads. Each must be on record, in a trail that verifies, after any number of kills.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

from asyncua import Client, ua
from e2e.driving import Start
from e2e.sites import endpoint_of

from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.verify import verify_log

WRITES, AT_ONCE = 10_000, 100
SITE = """
biogate: 1
enterprise: Acme
site: Basel
area: Pilot
process_cell: PC1
opcua: {security_policies: [None], anonymous: operate}
audit: {checkpoint_records: 500, segment_mib: 1}
nodes:
  skid:
    namespace: urn:acme:skid
    objects:
      Skid:
        variables:
          Skid.Slot: {type: Int32, writable: true, repeat: 100}
"""


class Writer:
    """Writes 100 different numbers at a time and reads them back, until the server is gone."""

    def __init__(self) -> None:
        self.next = 1
        self.effects: set[int] = set()
        self.acknowledged = self.limit = 0
        self.enough = asyncio.Event()

    async def run(self, url: str) -> None:
        async with asyncio.timeout(60):
            async with Client(url) as writing, Client(url) as reading:
                tasks = [
                    asyncio.create_task(each)
                    for each in (self._write(writing), self._read(reading))
                ]
                await asyncio.wait(tasks)

    async def _write(self, client: Client) -> None:
        nodes = await nodes_of(client)
        while True:
            values = range(self.next, self.next + AT_ONCE)
            self.next += AT_ONCE
            try:
                results = await client.uaclient.write_attributes(
                    [node.nodeid for node in nodes],
                    [ua.DataValue(ua.Variant(value, ua.VariantType.Int32)) for value in values],
                )
            except (ConnectionError, TimeoutError, asyncio.CancelledError, ua.UaError):
                return
            good = [value for value, code in zip(values, results, strict=True) if code.is_good()]
            self.effects.update(good)
            self.acknowledged += len(good)
            if self.acknowledged >= self.limit:
                self.enough.set()

    async def _read(self, client: Client) -> None:
        nodes = await nodes_of(client)
        while True:
            try:
                self.effects.update(await client.read_values(nodes))
            except (ConnectionError, TimeoutError, asyncio.CancelledError, ua.UaError):
                return
            await asyncio.sleep(0.01)


async def nodes_of(client: Client) -> list:
    index = await client.get_namespace_index("urn:acme:skid")
    return [client.get_node(f"ns={index};s=Skid.Slot{number}") for number in range(AT_ONCE)]


async def test_every_effect_of_ten_thousand_writes_is_on_record(
    programs: Start, new_data: Callable[[], Path], tmp_path: Path
) -> None:
    site, data = tmp_path / "site.yaml", new_data()
    site.write_text(SITE)
    writer, chance = Writer(), random.Random(9)
    while writer.acknowledged < WRITES:
        gateway = await programs("run", str(site), "--quiet", "--port", "0", "--data", str(data))
        url = await endpoint_of(gateway)
        await gateway.line("^Ctrl-C")
        writer.limit = writer.acknowledged + chance.randint(1500, 4500)
        running = asyncio.create_task(writer.run(url))
        await asyncio.wait_for(writer.enough.wait(), 60)
        gateway.process.send_signal(signal.SIGKILL)
        await asyncio.gather(running, return_exceptions=True)
        writer.enough.clear()
        await gateway.ended()
        report = await asyncio.to_thread(verify_log, data)
        assert report.ok, report.problems
    recorded = {float(stored.record.new) for stored in query_log(data, Filter(event="write"))}
    assert writer.effects - {0} <= recorded
    assert len(writer.effects) > WRITES
