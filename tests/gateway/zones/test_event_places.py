"""Events that are about a place are for who may hear of it, also within the zone they come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from biogate import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOR_ENGINEERS = "{actions: [events], on: [cell/Cell/Alarm], roles: [Engineer]}"


@pytest.fixture(scope="module")
def site(zones_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conduit lets the events of an alarm pass to engineers; `eng` is one, `mes` is none."""
    text = zones_site.read_text(encoding="utf-8")
    mes = "  mes: {roles: [Operator]}"
    for before, after in (
        ("{actions: [events], on: [cell/Cell/Alarm]}", FOR_ENGINEERS),
        (mes, f"{mes}\n  eng: {{roles: [Engineer]}}"),
        ("users: [mes]", "users: [mes, eng]"),
    ):
        assert before in text
        text = text.replace(before, after)
    path = tmp_path_factory.mktemp("events-site") / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["in_process", "processes"])
async def gateway(
    request: pytest.FixtureRequest, running: Any, site: Path
) -> AsyncIterator[Gateway]:
    async with running(request.param, site) as gateway:
        yield gateway


class Heard:
    def __init__(self) -> None:
        self.messages: asyncio.Queue[str] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.messages.put_nowait(event.Message.Text)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.messages.put_nowait(f"value {value}")


async def test_an_event_of_another_zone_is_for_whom_its_conduit_lets_hear_it(
    gateway: Gateway, client_of: Any
) -> None:
    async with (
        asyncio.timeout(30),
        client_of(gateway, "dmz", "mes") as mes,
        client_of(gateway, "dmz", "eng") as eng,
        client_of(gateway, "cell", "op") as op,
    ):
        heard = {}
        for name, client in (("mes", mes), ("eng", eng), ("op", op)):
            heard[name] = Heard()
            subscription = await client.create_subscription(20, heard[name])
            await subscription.subscribe_events(ua.ObjectIds.Server)
            if name == "mes":
                fast = mes.get_node("ns=3;s=Fast")
                await subscription.subscribe_data_change(fast)
        alarm = op.get_node("ns=2;s=Alarm")
        await alarm.write_value(ua.Variant(400, ua.VariantType.UInt16))
        for name in ("op", "eng"):
            assert await heard[name].messages.get() == "the stirrer stands still"
        # What comes after it in the same subscription is there, and it is not.
        await fast.write_value(7.5)
        told = [await heard["mes"].messages.get() for _ in range(2)]
        assert told == ["value 0.0", "value 7.5"]
