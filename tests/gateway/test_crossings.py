"""Commands across a conduit: place, bounds, steps, rates, and who is told of a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from asyncua import ua

from biogate.commands import CommandService, WriteRoute
from biogate.crossings import CommandPlaces, Crossings, Present
from biogate.declared.routes import StoredRoute
from biogate.declared.variables import DeclaredVariables
from biogate.opcua.ports import StoredValue, StoredWrites
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.site import parse_site, plan_site
from biogate.tags import TagTable
from biogate_adapters import status
from biogate_adapters.contract import Signal, WriteResult
from biogate_nodesets.model import Model, Node
from biogate_security.audit import AuditRecord
from biogate_security.policy import Action, Decision, Resource, Subject, WriteLimits
from biogate_security.zones import NO_ZONE

SECOND = 10_000_000
REFUSED, DENIED = 0x80E40000, 0x801F0000  # Bad_RequestNotAllowed, Bad_UserAccessDenied
FEED = Signal(3, "feed", "Double", "G55", low=0, high=200, writable=True)
MODEL = Subject("adviser", frozenset({"Operator"}), zone="model")
NODE = "ns=1;s=Feed"


@dataclass
class Plant:
    """A policy of one decision, a device, a clock and what was recorded."""

    epoch: int = 1
    allow: bool = True
    limits: tuple[WriteLimits, ...] = ()
    now: int = 1000 * SECOND
    value: float = 10.0
    code: int = 0
    server_time: int = 0
    answer: WriteResult = field(default_factory=lambda: WriteResult(status.GOOD, 0.0))
    gate: asyncio.Event | None = None
    disk: asyncio.Event | None = None
    storing: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Resource] = field(default_factory=list)
    records: list[AuditRecord] = field(default_factory=list)
    told: list[tuple[Decision, Resource]] = field(default_factory=list)
    written: list[float | str] = field(default_factory=list)

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        self.asked.append(resource)
        return Decision(self.allow, "a rule", "R", conduit="advice", limits=self.limits)

    async def record(self, record: AuditRecord) -> int:
        self.records.append(record)
        self.storing.set()
        if self.disk is not None:
            await self.disk.wait()
        return len(self.records)

    async def write(self, signal: int, value: float | str) -> WriteResult:
        if self.gate is not None:
            await self.gate.wait()
        self.written.append(value)
        return self.answer

    def store(self, writes: StoredWrites) -> None:
        self.written += writes.value.tolist()

    def refused(self, decision: Decision, subject: Subject, resource: Resource) -> None:
        self.told.append((decision, resource))


@pytest.fixture
def plant() -> Plant:
    return Plant()


def node(name: str) -> Node:
    node_id = ua.NodeId(name, 1)
    return Node(node_id, ua.NodeClass.Variable, ua.QualifiedName(name, 1), ua.LocalizedText(name))


@pytest.fixture
def space() -> AddressSpace:
    model = Model(["", "urn:x"], {n.node_id: n for n in map(node, ("Feed", "Other"))})
    space = AddressSpace(model)
    space.declare_place(ua.NodeId("Feed", 1), Place("cell", "BR101/Feed/TargetValue"))
    space.declare_place(ua.NodeId("Other", 1), Place("model", "advice/Other"))
    return space


@pytest.fixture
def places(space: AddressSpace) -> CommandPlaces:
    return CommandPlaces(space, {"RC101.feed": [NODE], "advice.limit": ["ns=1;s=Other"]})


@pytest.fixture
def service(plant: Plant, places: CommandPlaces) -> Callable[..., CommandService]:
    def make(own: WriteLimits | None = None) -> CommandService:
        crossings = Crossings(
            plant,
            lambda: plant.now,
            present=lambda _: Present(plant.value, plant.code, plant.server_time),
            on_refused=plant.refused,
        )
        service = CommandService(
            plant,
            plant,
            read_text=lambda _: "10.0",
            store=plant.store,
            clock=lambda: plant.now,
            crossings=crossings,
            places=places,
        )
        service.add_route(7, WriteRoute("RC101.feed", "RC101", FEED, plant, 0, 200, own))
        service.add_stored(8, StoredRoute("advice.limit"))
        return service

    return make


async def test_the_policy_learns_where_a_value_belongs(service: Callable, plant: Plant) -> None:
    await service().write(MODEL, 7, NODE, 10.0)
    for resource in plant.asked:
        assert (resource.zone, resource.part) == ("cell", "BR101/Feed/TargetValue")


async def test_without_a_node_it_is_the_place_of_the_value(service: Callable, plant: Plant) -> None:
    await service().write(MODEL, 7, "", 10.0)
    assert plant.asked[0].part == "BR101/Feed/TargetValue"


async def test_a_value_cannot_be_written_by_the_rules_of_another(
    service: Callable, plant: Plant
) -> None:
    """A front end names both; one that was taken over could name what does not belong together."""
    await service().write(MODEL, 7, "ns=1;s=Other", 10.0)
    assert plant.asked[0].zone == NO_ZONE


def test_a_site_without_zones_has_no_hidden_places(places: CommandPlaces) -> None:
    bare = CommandPlaces(AddressSpace(Model(["", "urn:x"], {})), {})
    assert bare.of_tag("RC101.feed", "ns=1;s=Other") == Place()
    assert places.of_node("ns=1;s=Other") == Place("model", "advice/Other")


@pytest.mark.parametrize(
    ("limits", "value", "code"),
    [
        ((), 200.0, 0),
        ((WriteLimits(5, 15),), 15.0, 0),
        ((WriteLimits(5, 15),), 15.1, status.BAD_OUT_OF_RANGE),
        ((WriteLimits(5, 15),), 4.9, status.BAD_OUT_OF_RANGE),
        ((WriteLimits(low=5),), 200.0, 0),
        ((WriteLimits(max_step=0.2),), 10.2, 0),
        ((WriteLimits(max_step=0.2),), 9.79, status.BAD_OUT_OF_RANGE),
        # Each alternative stands for itself.
        ((WriteLimits(0, 5), WriteLimits(20, 25)), 22.0, 0),
        ((WriteLimits(0, 5), WriteLimits(20, 25)), 10.0, status.BAD_OUT_OF_RANGE),
        ((WriteLimits(0, 50, 1.0), WriteLimits(9, 13)), 13.0, 0),
        ((WriteLimits(0, 50, 1.0), WriteLimits(9, 13)), 14.0, status.BAD_OUT_OF_RANGE),
    ],
)
async def test_a_write_keeps_all_limits_of_one_rule(
    service: Callable,
    plant: Plant,
    limits: tuple[WriteLimits, ...],
    value: float,
    code: int,
) -> None:
    plant.limits = tuple(replace(each, conduit="advice") for each in limits)
    assert await service().write(MODEL, 7, NODE, value) == code
    assert plant.written == ([] if code else [value])
    if code:
        (record,) = plant.records
        assert (record.event, record.conduit, record.outcome) == ("write-refused", "advice", code)
        assert record.reason.startswith("conduit advice limits it: ")
        ((decision, _),) = plant.told
        assert (decision.allow, decision.reason) == (False, record.reason)


async def test_a_stored_value_keeps_them_too(service: Callable, plant: Plant) -> None:
    plant.limits = (WriteLimits(5, 15, conduit="advice"),)
    both = ua.Variant([6.0, 7.0])
    text = ua.Variant("high")
    for held, number, code in (
        (None, 15.0, 0),
        (None, 16.0, status.BAD_OUT_OF_RANGE),
        (both, float("nan"), 0),
        (text, float("nan"), status.BAD_OUT_OF_RANGE),
    ):
        write = StoredValue(number, 0, 0, held)
        found = await service().write_stored(MODEL, 8, "ns=1;s=Other", write)
        assert found == code


async def test_steps_begin_at_what_was_written_until_it_is_read_back(
    service: Callable, plant: Plant
) -> None:
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    commands = service()
    plant.server_time = plant.now - SECOND
    assert await commands.write(MODEL, 7, NODE, 11.0) == 0
    # The device has 11, while the table still shows 10: not two steps back.
    assert await commands.write(MODEL, 7, NODE, 9.5) == status.BAD_OUT_OF_RANGE
    assert await commands.write(MODEL, 7, NODE, 12.0) == 0
    # Somebody at the device turned it back to 10, and that has been read.
    plant.now += SECOND
    plant.server_time = plant.now
    assert await commands.write(MODEL, 7, NODE, 13.0) == status.BAD_OUT_OF_RANGE
    assert await commands.write(MODEL, 7, NODE, 9.5) == 0


async def test_writes_under_way_do_not_add_up_to_a_leap(service: Callable, plant: Plant) -> None:
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    plant.gate = asyncio.Event()
    commands = service()
    first = asyncio.create_task(commands.write(MODEL, 7, NODE, 11.0))
    second = asyncio.create_task(commands.write(MODEL, 7, NODE, 9.0))
    third = asyncio.create_task(commands.write(MODEL, 7, NODE, 10.5))
    plant.gate.set()
    codes = await asyncio.gather(first, second, third)
    assert codes == [0, status.BAD_OUT_OF_RANGE, 0]


async def test_a_write_that_failed_is_no_place_to_begin_from(
    service: Callable, plant: Plant
) -> None:
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    plant.answer = WriteResult(status.BAD_NO_COMMUNICATION, 0.0)
    commands = service()
    assert await commands.write(MODEL, 7, NODE, 11.0) == status.BAD_NO_COMMUNICATION
    plant.answer = WriteResult(status.GOOD, 0.0)
    assert await commands.write(MODEL, 7, NODE, 12.0) == status.BAD_OUT_OF_RANGE


async def test_a_step_from_a_write_under_way_that_then_fails_is_no_leap(
    service: Callable, plant: Plant
) -> None:
    """10 to 11 and on to 12, where the first of both never arrives, would be a step of 2."""
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    plant.gate = asyncio.Event()
    plant.answer = WriteResult(status.BAD_NO_COMMUNICATION, 0.0)
    commands = service()
    first = asyncio.create_task(commands.write(MODEL, 7, NODE, 11.0))
    second = asyncio.create_task(commands.write(MODEL, 7, NODE, 12.0))
    await asyncio.sleep(0)
    plant.gate.set()
    assert await asyncio.gather(first, second) == [
        status.BAD_NO_COMMUNICATION,
        status.BAD_OUT_OF_RANGE,
    ]


async def test_a_write_that_failed_may_have_arrived_until_the_tag_is_read_again(
    service: Callable, plant: Plant
) -> None:
    """A reply that is lost says nothing of the request."""
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    plant.server_time = plant.now - SECOND
    plant.answer = WriteResult(status.BAD_NO_COMMUNICATION, 0.0)
    commands = service()
    for number in (11.0, 10.9, 10.8, 10.7):
        await commands.write(MODEL, 7, NODE, number)
    plant.answer = WriteResult(status.GOOD, 0.0)
    assert await commands.write(MODEL, 7, NODE, 9.5) == status.BAD_OUT_OF_RANGE
    plant.now += SECOND
    plant.server_time = plant.now
    assert await commands.write(MODEL, 7, NODE, 9.5) == 0


@pytest.mark.parametrize(("value", "code"), [(float("nan"), 0), (10.0, 0x80310000)])
async def test_without_a_present_value_no_step_can_be_judged(
    service: Callable, plant: Plant, value: float, code: int
) -> None:
    plant.limits = (WriteLimits(max_step=1.0, conduit="advice"),)
    plant.value, plant.code = value, code
    assert await service().write(MODEL, 7, NODE, 10.0) == status.BAD_OUT_OF_RANGE
    assert "present value is not known" in plant.records[0].reason


async def test_so_many_may_cross_in_a_minute(service: Callable, plant: Plant) -> None:
    plant.limits = (WriteLimits(per_minute=2, conduit="advice"),)
    commands = service()
    codes = []
    for _ in range(4):
        codes.append(await commands.write(MODEL, 7, NODE, 10.0))
        plant.now += SECOND
    assert codes == [0, 0, REFUSED, REFUSED]
    plant.now += 60 * SECOND
    assert await commands.write(MODEL, 7, NODE, 10.0) == 0


async def test_what_is_refused_for_its_value_does_not_count(
    service: Callable, plant: Plant
) -> None:
    plant.limits = (WriteLimits(high=50, per_minute=1, conduit="advice"),)
    commands = service()
    assert await commands.write(MODEL, 7, NODE, 60.0) == status.BAD_OUT_OF_RANGE
    assert await commands.write(MODEL, 7, NODE, 10.0) == 0


async def test_a_signal_has_limits_of_its_own(service: Callable, plant: Plant) -> None:
    commands = service(WriteLimits(max_step=5, per_minute=2, conduit="RC101.feed"))
    cell = replace(MODEL, zone="cell")
    assert await commands.write(cell, 7, NODE, 20.0) == status.BAD_OUT_OF_RANGE
    assert [await commands.write(cell, 7, NODE, 12.0) for _ in range(3)] == [0, 0, REFUSED]


async def test_only_crossings_that_were_refused_are_told(service: Callable, plant: Plant) -> None:
    commands = service()
    await commands.write(MODEL, 7, NODE, 10.0)
    assert plant.told == []
    plant.allow = False
    assert await commands.write(MODEL, 7, NODE, 10.0) == DENIED
    assert len(plant.told) == 1
    await commands.write(replace(MODEL, zone="cell"), 7, NODE, 10.0)
    assert len(plant.told) == 1


async def test_a_right_that_goes_while_the_record_is_stored_is_used_no_more(
    service: Callable, plant: Plant
) -> None:
    """A conduit that is closed is closed, whatever was decided before."""
    commands = service()
    for ask in (
        lambda: commands.write(MODEL, 7, NODE, 11.0),
        lambda: commands.write_stored(MODEL, 8, "ns=1;s=Other", StoredValue(11.0, 0, 0)),
    ):
        plant.disk, plant.allow = asyncio.Event(), True
        plant.records.clear()
        plant.storing.clear()
        writing = asyncio.create_task(ask())
        await plant.storing.wait()
        plant.allow = False
        plant.disk.set()
        assert await writing == DENIED
        assert plant.written == []
        outcomes = [(record.event, record.outcome) for record in plant.records]
        assert outcomes == [("write", 0), ("write-outcome", DENIED)]


PLANT = """
biogate: 1
enterprise: E
site: S
area: A
process_cell: C
nodes:
  cell:
    namespace: urn:x:cell
    objects: {Cell: {variables: {Fast: {type: Double, writable: true, audited: false}}}}
zones:
  cell: {sections: [cell]}
  dmz: {}
conduits:
  up: {from: dmz, to: cell, allow: [{actions: [browse, ACTION]}]}
"""


@pytest.mark.parametrize(("action", "short_way"), [("read", True), ("write", False)])
def test_what_another_zone_may_write_takes_the_whole_way(
    tmp_path: Path, action: str, short_way: bool
) -> None:
    """An unaudited variable is otherwise set without asking for limits."""
    content = PLANT.replace("ACTION", action).encode()
    plan = plan_site(parse_site(content, "site.yaml", folder=tmp_path))
    declared = DeclaredVariables(plan.sections, TagTable(), plan.zones)
    assert declared.source("cell.Fast").unaudited is short_way
