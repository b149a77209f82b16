"""The core believes nothing of a zone's process: one that was taken over gets no further.

Here the zone's end of the link is in the test's hands.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from asyncua import ua

from biogate import Gateway
from biogate.opcua.codec import encode_variant
from biogate.opcua.stack import node_id
from biogate.zones.framing import frame
from biogate.zones.link import SocketLink
from biogate.zones.messages import (
    MAX_FROM_ZONE_BYTES,
    MAX_UNDER_WAY,
    VERSION,
    Accounts,
    Authenticate,
    CallMethod,
    Denied,
    Done,
    IdentityReply,
    LogLine,
    ManageAccounts,
    Message,
    Pong,
    ReadHistory,
    Ready,
    Record,
    Setup,
    StatusReply,
    StoredOf,
    SubjectOf,
    WriteSetPoint,
    WriteStored,
    WriteUnaudited,
    decode_from_core,
    decode_from_zone,
    encode,
)
from biogate.zones.node_ids import to_bytes
from biogate_security.audit import AuditRecord
from biogate_security.audit_store.query import query_log

pytestmark = pytest.mark.asyncio(loop_scope="module")
S = ua.StatusCodes


class Taken:
    """A zone's process in the wrong hands: the other end of its link."""

    def __init__(self, gateway: Gateway, zone: str) -> None:
        self.gateway = gateway
        self.zone = gateway._serving._zones[zone]  # type: ignore[union-attr]
        self.connection = self.zone.connected()
        self.setup: Any = None
        self.stack = ExitStack()

    async def __aenter__(self) -> Taken:
        try:
            await self.connect()
        except BaseException:
            self.stack.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stack.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def connect(self, *, ready: bool = True) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.reader, self.writer = await asyncio.open_connection(sock=theirs, limit=1 << 24)
        self.stack.callback(self.writer.close)
        self.stack.callback(self.connection.close)
        link = await SocketLink.over(ours, self.connection, decode_from_zone, MAX_FROM_ZONE_BYTES)
        self.connection.start(link)
        self.setup = await self.next_of(Setup)
        if ready:
            self.send(Ready(VERSION, self.zone.url, self.zone.port or 0))

    def send(self, message: Message) -> None:
        self.writer.write(frame(encode(message)))

    async def next_of(self, *kinds: type) -> Any:
        async with asyncio.timeout(5):
            while True:
                (length,) = struct.unpack("<I", await self.reader.readexactly(4))
                message = decode_from_core(await self.reader.readexactly(length))
                if isinstance(message, kinds):
                    return message

    async def ask(self, message: Message) -> Any:
        self.send(message)
        return await self.next_of(Denied, StatusReply, Done, IdentityReply)

    async def ended(self) -> str:
        await asyncio.wait_for(self.connection.over.wait(), 5)
        return self.connection.reason

    def tag(self, name: str) -> int:
        return [each.name for each in self.setup.space.tags].index(name)

    async def log_in(self, user: str) -> IdentityReply:
        password = self.gateway.first_passwords[user].encode()
        reply = await self.ask(Authenticate(1, "password", user, password, "127.0.0.1"))
        assert isinstance(reply, IdentityReply)
        return reply


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(running: Any) -> AsyncIterator[Gateway]:
    async with running("in_process") as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def dmz(gateway: Gateway) -> AsyncIterator[Taken]:
    async with Taken(gateway, "dmz") as taken:
        yield taken


@pytest_asyncio.fixture(loop_scope="module")
async def cell(gateway: Gateway) -> AsyncIterator[Taken]:
    async with Taken(gateway, "cell") as taken:
        yield taken


def by(user: str | None) -> SubjectOf:
    return SubjectOf(user, "", "", "", "127.0.0.1", "", "SignAndEncrypt", "UserName")


def write(tag: int, name: str, value: Any = 3.0, user: str | None = "mes") -> WriteStored:
    stored = StoredOf(value, 0, 1, None)
    return WriteStored(7, by(user), tag, name, stored, None, "", False)


async def test_it_is_given_nothing_of_the_other_zone(dmz: Taken) -> None:
    space = dmz.setup.space
    names = ["cell.Shared", "office.Order", "office.Fast", "office.FastText"]
    assert [each.name for each in space.tags] == names
    told = encode(dmz.setup)
    for hidden in (b"Secret", b"Recipe", b"Purge", b"SecretAlarm", b"boss", b"argon"):
        assert hidden not in told


async def test_a_tag_beyond_its_own_is_refused(dmz: Taken, gateway: Gateway) -> None:
    await dmz.log_in("mes")
    before = gateway.read("cell.Secret")
    for tag in (4, 5, 2**31 - 1):
        reply = await dmz.ask(write(tag, "ns=2;s=Secret"))
        assert reply.status == S.BadNodeIdUnknown
    assert gateway.read("cell.Secret") == before
    assert dmz.zone.counters["foreign"] >= 3


async def test_a_tag_of_its_own_under_another_nodes_name_is_refused(
    dmz: Taken, gateway: Gateway
) -> None:
    await dmz.log_in("mes")
    before = gateway.read("cell.Shared")
    reply = await dmz.ask(write(dmz.tag("cell.Shared"), "ns=3;s=Order"))
    assert reply.status == S.BadNodeIdUnknown
    assert gateway.read("cell.Shared") == before


async def test_nobody_acts_who_did_not_log_in_there(dmz: Taken, gateway: Gateway) -> None:
    for user in ("op", "boss", "mes"):
        reply = await dmz.ask(write(dmz.tag("office.Order"), "ns=3;s=Order", user=user))
        assert reply.status == S.BadUserAccessDenied
    assert gateway.read("office.Order").value == 5.0


async def test_a_user_of_another_zone_cannot_log_in(dmz: Taken) -> None:
    assert (await dmz.log_in("op")).user is None
    assert (await dmz.log_in("boss")).user is None


async def test_it_cannot_find_out_or_lock_the_password_of_another_zones_user(
    dmz: Taken, gateway: Gateway
) -> None:
    users = gateway._storage.users  # type: ignore[union-attr]
    right = gateway.first_passwords["op"].encode()
    checked = users.counters["accepted"]
    replies = [
        await dmz.ask(Authenticate(1, "password", "op", password, f"10.0.0.{number}"))
        for number, password in enumerate((b"wrong", right))
    ]
    assert replies[0] == replies[1] == IdentityReply(1, None)
    assert users.counters["accepted"] == checked
    throttle = users._logins.throttle
    assert throttle._users.failures("op") == 0
    assert throttle._sources.failures("10.0.0.0") == 0


async def test_its_logins_leave_room_for_those_of_others(dmz: Taken, gateway: Gateway) -> None:
    waiting = gateway._storage.users._logins._queue  # type: ignore[union-attr]
    before = dmz.zone.counters["too_many_logins"]
    for number in range(200):
        dmz.send(Authenticate(number, "password", "mes", b"wrong", f"10.1.0.{number}"))
    for _ in range(150):
        await dmz.next_of(IdentityReply)
        assert len(waiting) <= 4
    assert dmz.zone.counters["too_many_logins"] > before


async def test_it_cannot_fill_the_audit_trail(dmz: Taken, gateway: Gateway) -> None:
    text = "x" * 60_000
    record = {"event": "session-closed", "time": 1, "user": None, "reason": text}
    began = asyncio.get_running_loop().time()
    for number in range(100):
        dmz.send(Record(number, record))
    for _ in range(95):
        await dmz.next_of(Done)
    assert asyncio.get_running_loop().time() - began > 1
    dmz.send(Record(1, {**record, **dict.fromkeys(("reason", "old", "new", "tag", "rule"), text)}))
    assert "a record of 300" in await dmz.ended()


async def test_an_unaudited_write_is_no_longer_than_a_clients(dmz: Taken) -> None:
    tag = dmz.tag("office.Fast")
    columns = (np.full(1001, tag, np.int32), np.zeros(1001), np.zeros(1001, np.uint32))
    dmz.send(WriteUnaudited(4, *(each.tobytes() for each in columns), bytes(8 * 1001), {}))
    assert "an unaudited write of 1001 values" in await dmz.ended()


async def test_answers_that_it_does_not_read_end_the_link(
    dmz: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biogate.zones.core_side.MAX_UNREAD_BYTES", -1)
    dmz.connection._reply(Done(1))
    assert "does not read the answers" in await dmz.ended()


async def test_the_core_holds_a_write_to_the_conduits_bounds(dmz: Taken, gateway: Gateway) -> None:
    await dmz.log_in("mes")
    tag = dmz.tag("cell.Shared")
    assert (await dmz.ask(write(tag, "ns=2;s=Shared", 4.0))).status == S.Good
    assert (await dmz.ask(write(tag, "ns=2;s=Shared", 40.0))).status == S.BadOutOfRange
    assert gateway.read("cell.Shared").value == 4.0


async def test_accounts_are_those_of_the_zone_and_changed_by_the_cores_rules(
    cell: Taken, gateway: Gateway
) -> None:
    taken = cell
    shown = await taken.next_of(Accounts)
    assert {name for name, *_ in shown.accounts} == {"op", "boss"}
    named = {criteria for found in shown.identities.values() for _, criteria in found}
    assert named == {"op", "boss"}  # not those of other zones
    change = {"old": gateway.first_passwords["op"], "new": "a-calm-5-river-bends"}
    request = ManageAccounts(2, by("op"), "change_password", change)
    assert (await taken.ask(request)).status == S.BadUserAccessDenied  # has not logged in here
    await taken.log_in("op")
    promote = ManageAccounts(
        3, by("op"), "change_role", {"role": "SecurityAdmin", "user": "op", "assign": True}
    )
    assert (await taken.ask(promote)).status == S.BadUserAccessDenied
    taken.send(ManageAccounts(4, by("op"), "close", {}))
    assert "no change of accounts" in await taken.ended()


@pytest.mark.parametrize(
    ("change", "arguments", "status"),
    [
        ("remove_user", {"name": "mes"}, S.BadNotFound),
        ("change_role", {"role": "Engineer", "user": "mes", "assign": True}, S.BadNotFound),
        (
            "add_user",
            {"name": "new", "password": "a-calm-5-river-bends", "configuration": 0},
            S.BadUserAccessDenied,
        ),
    ],
)
async def test_even_an_administrator_changes_no_account_of_another_zone(
    cell: Taken, gateway: Gateway, change: str, arguments: dict[str, Any], status: int
) -> None:
    await cell.log_in("boss")
    if change == "add_user":
        arguments = {**arguments, "description": ""}
    assert (await cell.ask(ManageAccounts(3, by("boss"), change, arguments))).status == status
    users = gateway._storage.users  # type: ignore[union-attr]
    found = users.find("mes")
    assert found is not None
    assert found.roles == {"Operator"}
    assert users.find("new") is None


async def test_a_value_of_another_type_is_refused(cell: Taken, gateway: Gateway) -> None:
    await cell.log_in("op")
    tag, number = cell.tag("cell.Recipe"), bytes(encode_variant(ua.Variant(1.0)))
    stored = StoredOf(float("nan"), 0, 1, number)
    request = WriteStored(3, by("op"), tag, "ns=2;s=Recipe", stored, None, "", False)
    assert (await cell.ask(request)).status == S.BadTypeMismatch
    assert gateway.read("cell.Recipe").value == "fed-batch"


def unaudited(tag: int, variants: dict[int, bytes] | None = None) -> WriteUnaudited:
    return WriteUnaudited(
        4,
        np.array([tag], np.int32).tobytes(),
        np.array([8.0]).tobytes(),
        np.array([0], np.uint32).tobytes(),
        np.array([1]).tobytes(),
        variants or {},
    )


async def test_an_unaudited_write_is_for_unaudited_variables_only(
    dmz: Taken, gateway: Gateway
) -> None:
    assert isinstance(await dmz.ask(unaudited(dmz.tag("office.Fast"))), Done)
    assert gateway.read("office.Fast").value == 8.0
    for name in ("office.Order", "cell.Shared"):
        before = gateway.read(name)
        reply = await dmz.ask(unaudited(dmz.tag(name)))
        assert reply.status == S.BadNodeIdUnknown
        assert gateway.read(name) == before


async def test_an_unaudited_value_of_another_type_is_refused(dmz: Taken, gateway: Gateway) -> None:
    number = bytes(encode_variant(ua.Variant(1.0)))
    reply = await dmz.ask(unaudited(dmz.tag("office.FastText"), {0: number}))
    assert reply.status == S.BadTypeMismatch
    assert gateway.read("office.FastText").value == "none"


async def test_a_hidden_method_is_not_called(dmz: Taken, gateway: Gateway) -> None:
    await dmz.log_in("mes")
    owner, method = to_bytes(node_id("Cell", 2)), to_bytes(node_id("Purge", 2))
    before = gateway.diagnostics().counters["calls"].get("called", 0)
    reply = await dmz.ask(CallMethod(5, by("mes"), owner, method, (), "", False, 0))
    assert reply.status == S.BadNodeIdUnknown
    assert gateway.diagnostics().counters["calls"].get("called", 0) == before


async def test_history_of_another_zone_is_refused(dmz: Taken) -> None:
    reply = await dmz.ask(ReadHistory(6, "cell.Secret", 1, 2, 0, False, None, 10))
    assert reply.status == S.BadNodeIdUnknown


async def test_its_records_are_of_its_zone_and_of_now(dmz: Taken, gateway: Gateway) -> None:
    forged = {"event": "session-activated", "time": 1, "user": "boss", "zone": "cell"}
    reply = await dmz.ask(Record(8, forged))
    assert isinstance(reply, Done)
    stored = [each for each in query_log(gateway._data / "audit") if each.seq == reply.number]
    assert stored[0].record.zone == "dmz"
    assert stored[0].record.time > 130_000_000_000_000_000


@pytest.mark.parametrize("kind", ["write", "write-outcome", "call", "user-added", "signature"])
async def test_records_of_the_cores_own_doings_cannot_be_forged(dmz: Taken, kind: str) -> None:
    reply = await dmz.ask(Record(8, {"event": kind, "time": 1, "user": "boss"}))
    assert isinstance(reply, Denied)


@pytest.mark.parametrize(
    "message",
    [
        Record(8, {"event": 5, "time": 1, "user": "boss"}),
        Record(8, {"event": "x"}),
        Pong(1, {}),
        Ready(VERSION, "opc.tcp://127.0.0.1:1", 1),
        Authenticate(1, "magic", "boss", b"", ""),
        CallMethod(1, by(None), b"\xff\xff", b"", (), "", False, 0),
        WriteSetPoint(1, by(None), 0, "ns=2;s=Shared", None, None, "", False),
        WriteUnaudited(1, bytes(4), b"", b"", b"", {}),
    ],
)
async def test_what_no_front_end_says_ends_the_link(dmz: Taken, message: Message) -> None:
    dmz.send(message)
    assert await dmz.ended()


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        struct.pack("<I", MAX_FROM_ZONE_BYTES + 1),
        frame(b""),
        frame(b"\x93\xa5write\x01\x02"),
        frame(b"\x81\xa1a\x01"),
        frame(b"\xdd\xff\xff\xff\xff"),
        frame(b"\x91\xa5setup"),
        frame(b"\x91" * 5000),
    ],
)
async def test_what_is_no_message_ends_the_link(dmz: Taken, sent: bytes) -> None:
    dmz.writer.write(sent)
    assert "cannot be understood" in await dmz.ended()


async def test_a_request_before_it_is_ready_ends_the_link(gateway: Gateway) -> None:
    taken = Taken(gateway, "dmz")
    await taken.connect(ready=False)
    taken.send(Record(1, {"event": "session-activated", "time": 1, "user": None}))
    assert "before the zone was ready" in await taken.ended()
    taken.stack.close()


@pytest.mark.parametrize(("url", "port"), [("opc.tcp://127.0.0.1:4840", 0), ("", 4840)])
async def test_it_does_not_get_the_port_of_another_zone_for_its_next_start(
    gateway: Gateway, url: str, port: int
) -> None:
    taken = Taken(gateway, "dmz")
    own = taken.zone.url, taken.zone.port
    await taken.connect(ready=False)
    taken.send(Ready(VERSION, url or own[0], port or own[1] or 0))
    assert "listens elsewhere" in await taken.ended()
    assert (taken.zone.url, taken.zone.port) == own
    taken.stack.close()


class _FullStore:
    """An audit store whose disk takes its time: what was asked for stays under way."""

    async def record(self, record: AuditRecord) -> int:
        await asyncio.Event().wait()
        raise AssertionError(record)


async def test_too_many_requests_at_a_time_end_the_link(
    dmz: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dmz.zone.services, "audit", _FullStore())
    for number in range(MAX_UNDER_WAY + 1):
        dmz.send(Record(number, {"event": "session-activated", "time": 1, "user": None}))
    assert "requests at a time" in await dmz.ended()


async def test_names_of_its_counters_bring_no_controls_to_a_terminal(dmz: Taken) -> None:
    dmz.connection.ping()
    dmz.send(Pong(1, {"\x1b[2Jclosed": {"a\nb": 1}}))
    dmz.send(Record(2, {"event": "session-activated", "time": 1, "user": None}))
    await dmz.next_of(Done)
    assert dmz.zone.front_end == {"\\u001b[2Jclosed": {"a\\u000ab": 1}}


async def test_a_flood_of_log_lines_is_counted_and_forges_none(
    dmz: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    line = LogLine(
        40, "biogate.audit_trail", "all is well\nERROR", {"message": "x", "zone": "cell"}
    )
    for _ in range(500):
        dmz.send(line)
    assert (await dmz.ask(Record(2, {"event": "session-activated", "time": 1, "user": None}))).id
    lines = [each for each in caplog.records if "all is well" in each.getMessage()]
    assert 0 < len(lines) <= 300
    assert dmz.zone.counters["log_lines_left_out"] >= 200
    assert {each.zone for each in lines} == {"dmz"}  # type: ignore[attr-defined]
    assert {each.name for each in lines} == {"biogate.zones.core_side"}
