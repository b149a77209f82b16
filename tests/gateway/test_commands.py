"""The way of a command: policy, limits, audit record, device."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

import pytest
from asyncua import ua

from biogate.commands import CommandService, WriteRoute
from biogate.declared.routes import StoredRoute
from biogate.opcua.ports import Receipt, StoredValue, StoredWrites, UnfitValue
from biogate.signatures.signature import Signature, Signing
from biogate_adapters import status
from biogate_adapters.contract import Signal, WriteResult
from biogate_adapters.filetime import now_ticks
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.policy import STATUS_AND_TIME, Action, Decision, Resource, Subject
from biogate_security.record_budget import IN_FULL

BAD_RESOURCE_UNAVAILABLE = 0x80040000
BAD_USER_ACCESS_DENIED = 0x801F0000
OPERATOR = Subject("ada", frozenset({"Operator"}))
ENGINEER = Subject("eva", frozenset({"Engineer"}))
ANONYMOUS = Subject(None, frozenset({"Anonymous"}))
BAD_TYPE_MISMATCH = 0x80740000
SETPOINT = Signal(3, "agitator_setpoint", "Double", "RPM", low=0, high=1500, writable=True)


class OperatorsWrite:
    epoch = 1

    def decide(self, subject: Subject, action: Action, resource: Resource, now: int) -> Decision:
        allow = action is Action.WRITE and bool({"Operator", "Engineer"} & subject.roles)
        if resource.attribute == STATUS_AND_TIME:
            allow = "Engineer" in subject.roles
        return Decision(allow, "operators write" if allow else "not an operator", "R1")


@dataclass
class Journal:
    """What happened, in order: audit records and device writes."""

    events: list[object] = field(default_factory=list)
    fails: bool = False
    device: WriteResult = field(default_factory=lambda: WriteResult(status.GOOD, 800.0))
    gate: asyncio.Event | None = None
    disk: asyncio.Event | None = None
    recorded: asyncio.Event = field(default_factory=asyncio.Event)
    stored: list[StoredWrites] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def store(self, writes: StoredWrites) -> None:
        self.stored.append(writes)
        self.events.append(("stored", writes.tag.tolist(), writes.value.tolist()))

    async def record(self, record: AuditRecord) -> int:
        if self.fails:
            raise AuditUnavailableError("disk full")
        self.events.append((record.event, record.user, record.old, record.new, record.outcome))
        self.reasons.append(record.reason)
        self.recorded.set()
        if self.disk:
            await self.disk.wait()
        return len(self.events)

    async def write(self, signal: int, value: float | str) -> WriteResult:
        if self.gate:
            await self.gate.wait()
        self.events.append(("device", signal, value))
        return self.device


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def service(journal: Journal) -> CommandService:
    service = CommandService(
        OperatorsWrite(), journal, read_text=lambda tag: "600.0", store=journal.store
    )
    service.add_stored(8, StoredRoute("skid.limit", low=0.0, high=100.0))
    service.add_route(7, WriteRoute("RC101.agitator_setpoint", "RC101", SETPOINT, journal, 0, 1500))
    return service


async def test_a_permitted_write_is_recorded_before_it_reaches_the_device_and_after(
    service: CommandService, journal: Journal
) -> None:
    assert await service.write(OPERATOR, 7, "ns=12;s=x", 800.0) == status.GOOD
    assert journal.events == [
        ("write", "ada", "600.0", "800.0", 0),
        ("device", 3, 800.0),
        ("write-outcome", "ada", "600.0", "800.0", 0),
    ]


async def test_a_denied_write_reaches_no_device_and_is_recorded(
    service: CommandService, journal: Journal
) -> None:
    assert await service.write(ANONYMOUS, 7, "n", 800.0) == BAD_USER_ACCESS_DENIED
    assert journal.events == [
        ("write-refused", None, "600.0", "800.0", BAD_USER_ACCESS_DENIED),
    ]


@pytest.mark.parametrize("value", [-1.0, 1500.1, math.nan, math.inf, -math.inf])
async def test_a_value_out_of_limits_or_not_finite_reaches_no_device(
    service: CommandService, journal: Journal, value: float
) -> None:
    assert await service.write(OPERATOR, 7, "n", value) == status.BAD_OUT_OF_RANGE
    assert [event[0] for event in journal.events] == ["write-refused"]


async def test_a_flood_of_refused_writes_is_counted_in_one_record_and_logged_in_part(
    service: CommandService, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """A request may hold a thousand writes; neither log is the place to fill the disk by."""
    for _ in range(500):
        await service.write(ANONYMOUS, 7, "n", "x" * 10_000)
    await service.write(OPERATOR, 7, "n", -1.0)
    assert (service.counters["denied"], len(journal.events)) == (500, IN_FULL + 1)
    await service.drain()
    assert len(journal.events) == IN_FULL + 2
    assert (
        journal.reasons[-1]
        == f"{500 - IN_FULL} more like this within a minute; the newest: not an operator"
    )
    lines = [record for record in caplog.records if record.name == "biogate.commands"]
    assert 1 <= len(lines) <= 100
    assert lines[-1].kind == "out_of_range"  # a flood of one kind hides no other
    assert all(len(str(line.value)) <= 100 for line in lines)


@pytest.mark.parametrize(
    ("subject", "answer"),
    [(ANONYMOUS, BAD_USER_ACCESS_DENIED), (OPERATOR, BAD_TYPE_MISMATCH)],
)
async def test_an_unfit_value_is_refused_after_the_rights_and_recorded_as_what_it_was(
    service: CommandService, journal: Journal, subject: Subject, answer: int
) -> None:
    """Rights come first (Part 4, 5.11.4.4): who may not write does not learn what would fit."""
    value = UnfitValue(BAD_TYPE_MISMATCH, "String 'fast'")
    assert await service.write(subject, 7, "n", value) == answer
    assert journal.events == [("write-refused", subject.user, "600.0", "String 'fast'", answer)]


async def test_without_a_stored_record_the_write_does_not_happen(
    service: CommandService, journal: Journal
) -> None:
    journal.fails = True
    assert await service.write(OPERATOR, 7, "n", 800.0) == BAD_RESOURCE_UNAVAILABLE
    assert journal.events == []
    assert service.counters["audit_unavailable"] == 1


async def test_a_tag_without_a_route_is_not_writable(service: CommandService) -> None:
    assert await service.write(OPERATOR, 99, "n", 1.0) == status.BAD_NOT_WRITABLE


async def test_the_devices_own_refusal_is_the_clients_answer_and_is_recorded(
    service: CommandService, journal: Journal
) -> None:
    journal.device = WriteResult(status.BAD_DEVICE_FAILURE, None, "exception 04")
    assert await service.write(OPERATOR, 7, "n", 800.0) == status.BAD_DEVICE_FAILURE
    assert journal.events[-1][-1] == status.BAD_DEVICE_FAILURE


async def test_a_client_that_goes_away_does_not_leave_a_write_without_an_outcome(
    service: CommandService, journal: Journal
) -> None:
    journal.gate = asyncio.Event()
    asked = asyncio.create_task(service.write(OPERATOR, 7, "n", 800.0))
    await journal.recorded.wait()
    asked.cancel()
    journal.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await service.drain()
    assert [event[0] for event in journal.events] == ["write", "device", "write-outcome"]


# What waits to be stored is stored whether or not anybody still waits for it.
async def test_nor_does_one_that_goes_away_while_the_record_is_being_stored(
    service: CommandService, journal: Journal
) -> None:
    journal.disk = asyncio.Event()
    asked = asyncio.create_task(service.write(OPERATOR, 7, "n", 800.0))
    await journal.recorded.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    journal.disk.set()
    await service.drain()
    assert [event[0] for event in journal.events] == ["write", "device", "write-outcome"]


async def test_a_variable_without_a_device_is_recorded_and_then_set(
    service: CommandService, journal: Journal
) -> None:
    """The outcome is certain, so there is one record."""
    write = StoredValue(42.0, status.GOOD, 5)
    assert await service.write_stored(ENGINEER, 8, "n", write) == status.GOOD
    assert journal.events == [("write", "eva", "600.0", "42.0", 0), ("stored", [8], [42.0])]
    (columns,) = journal.stored
    assert (columns.status.tolist(), columns.source_time.tolist()) == ([status.GOOD], [5])


@pytest.mark.parametrize(
    ("subject", "write", "answer"),
    [
        (ANONYMOUS, StoredValue(42.0, status.GOOD, 5), BAD_USER_ACCESS_DENIED),
        (OPERATOR, UnfitValue(BAD_TYPE_MISMATCH, "String 'x'"), BAD_TYPE_MISMATCH),
        (OPERATOR, StoredValue(100.1, status.GOOD, 5), status.BAD_OUT_OF_RANGE),
        (OPERATOR, StoredValue(math.nan, status.GOOD, 5), status.BAD_OUT_OF_RANGE),
        (
            OPERATOR,
            StoredValue(math.nan, status.GOOD, 5, ua.Variant([[1, 2], [3, 101]])),
            status.BAD_OUT_OF_RANGE,
        ),
    ],
)
async def test_a_value_that_a_variable_does_not_take_is_recorded_and_not_set(
    service: CommandService, journal: Journal, subject: Subject, write: object, answer: int
) -> None:
    assert await service.write_stored(subject, 8, "n", write) == answer
    assert journal.stored == []
    ((event, *_, outcome),) = journal.events
    assert (event, outcome) == ("write-refused", answer)


async def test_without_a_stored_record_a_variable_keeps_its_value(
    service: CommandService, journal: Journal
) -> None:
    journal.fails = True
    write = StoredValue(42.0, status.GOOD, 5)
    assert await service.write_stored(OPERATOR, 8, "n", write) == BAD_RESOURCE_UNAVAILABLE
    assert journal.stored == []


async def test_a_bad_status_without_a_value_is_within_any_limits(service: CommandService) -> None:
    write = StoredValue(math.nan, status.BAD, 5)
    assert await service.write_stored(ENGINEER, 8, "n", write) == status.GOOD


async def test_who_may_not_say_how_good_a_value_is_or_from_when_does_not(
    service: CommandService, journal: Journal
) -> None:
    """ALCOA+: a writer's clock does not replace the gateway's, nor a Bad status hide a value."""
    bad = StoredValue(42.0, status.BAD, 5)
    assert await service.write_stored(OPERATOR, 8, "n", bad) == BAD_USER_ACCESS_DENIED
    assert [event[0] for event in journal.events] == ["write-refused"]
    long_ago = StoredValue(42.0, status.GOOD, 5)
    before = now_ticks()
    assert await service.write_stored(OPERATOR, 8, "n", long_ago) == status.GOOD
    (columns,) = journal.stored
    assert columns.source_time[0] >= before


async def test_a_variable_that_is_not_declared_writable_is_not(service: CommandService) -> None:
    write = StoredValue(1.0, status.GOOD, 5)
    assert await service.write_stored(OPERATOR, 99, "n", write) == status.BAD_NOT_WRITABLE


async def test_a_record_names_the_batch_and_its_receipt_says_what_is_held(
    journal: Journal,
) -> None:
    """What an audit event tells of a write comes from its record."""
    receipts: list[Receipt] = []
    service = CommandService(
        OperatorsWrite(),
        journal,
        read_text=lambda _tag: "600.0",
        store=journal.store,
        batch_id_of=lambda tag: f"batch of {tag}",
    )
    service.add_route(7, WriteRoute("RC101.speed", "RC101", SETPOINT, journal, 0, 1500))
    code = await service.write(OPERATOR, 7, "n", 800.0, on_record=receipts.append)
    assert code == status.GOOD
    (receipt,) = receipts
    assert (receipt.number, receipt.batch_id) == (1, "batch of RC101.speed")


async def test_a_tag_that_needs_a_signature_is_written_with_one_only(
    service: CommandService, journal: Journal
) -> None:
    """21 CFR 11.70: the signature is part of the record of what was signed for."""
    service.signed_tags = frozenset({7})
    assert await service.write(OPERATOR, 7, "n", 800.0) == BAD_USER_ACCESS_DENIED
    assert journal.reasons == ["it needs an electronic signature: call RequestChange"]
    signature = Signature(Signing("ada", "Ada Lovelace", "responsibility", 0), "drift")
    assert await service.write(OPERATOR, 7, "n", 800.0, signature=signature) == status.GOOD
    assert journal.reasons[1] == "drift"
