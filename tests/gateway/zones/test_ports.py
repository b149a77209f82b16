"""The ports of a zone's front end say what the core says, over the link and back."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from biogate.opcua.errors import StatusError
from biogate.opcua.ports import RawPage, RawQuery, Receipt, StoredValue, StoredWrites, UnfitValue
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, node_id, ua
from biogate.zones.extract import Extract, Variable
from biogate.zones.link import DirectLink
from biogate.zones.messages import MAX_UNDER_WAY
from biogate.zones.proxies import AuditProxy, AuthenticatorProxy, CommandProxy, HistoryProxy
from biogate.zones.requester import Requester
from biogate.zones.requests import Requests, Services
from biogate.zones.tag_map import TagMap
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.policy import Subject
from biogate_security.zones import Admission, Zone

USERS = frozenset({"op", "cert", "slow"})


@dataclass
class Identity:
    user: str
    roles: frozenset[str] = frozenset({"Operator"})
    authentication: str = "UserName"
    must_change_password: bool = False
    until: int | None = None


@dataclass
class Core:
    """Every port of the core's, in the test's hands."""

    asked: list[Any] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    available: bool = True

    async def write(self, subject: Subject, tag: int, node: str, value: Any, **more: Any) -> int:
        self.asked.append((subject.user, subject.zone, subject.roles, tag, node, value))
        if "on_record" in more:
            more["on_record"](Receipt(7, b"hash", "dmz-to-cell"))
        return StatusCodes.Good

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        self.asked.append((name, password, source))
        if name == "slow":
            await self.gate.wait()
        return Identity(name) if password == "right" else None

    async def authenticate_certificate(self, chain: bytes, source: str = "") -> Identity | int:
        if chain == b"good":
            return Identity("cert", authentication="Certificate", until=99)
        return StatusCodes.BadIdentityTokenRejected

    async def authenticate_token(self, token: bytes, source: str = "") -> Identity | None:
        return Identity("jwt", authentication="IssuedToken") if token == b"good" else None

    async def record(self, record: AuditRecord) -> int:
        if not self.available:
            raise AuditUnavailableError("the disk is full")
        self.asked.append(record)
        if record.event == "session-slow":
            await self.gate.wait()
        return 41

    def has_history(self, tag: str) -> bool:
        return True

    async def read_raw(self, query: RawQuery, most: int) -> RawPage:
        self.asked.append((query, most))
        columns = (
            np.array([1.5, np.nan]),
            np.array([0, 0x80000000], np.uint32),
            np.array([10, 11]),
            np.array([20, 21]),
        )
        return RawPage(columns, {1: "text"}, b"further")


class Zone1:
    """A zone's requester, linked to the core's requests."""

    def __init__(self) -> None:
        self.core = Core()
        unused: Any = None
        variable = Variable(node_id("T", 2), TagSource(5, ua.VariantType.Double, "T"))
        services = Services(
            unused, unused, unused, self.core, self.core, self.core, unused, lambda: 1234
        )
        services.commands = self.core  # type: ignore[assignment]
        services.whole = type("Whole", (), {"space": None})()
        extract = Extract(
            unused,
            TagMap([5], [True], 6),
            {5: {"ns=2;s=T": variable}},
            frozenset(),
            np.zeros(1, np.bool_),
            frozenset(),
            {"T": frozenset({"cell"})},
            (frozenset({"cell"}),),
        )
        self.broken: list[str] = []
        self.open_zones = frozenset({"", "dmz", "cell"})
        self.flushed = 0
        self.ours, self.theirs = DirectLink.pair(self, self)  # type: ignore[arg-type]
        self.requests = Requests(
            "dmz", services, extract, Admission(Zone("dmz", users=USERS)),
            Counter(), self.ours.send, self._flush, self.broken.append,
            lambda: self.open_zones,
        )  # fmt: skip
        self.requester = Requester(self.theirs)

    def _flush(self) -> None:
        self.flushed += 1

    def received(self, message: Any) -> None:
        if "Reply" in type(message).__name__ or type(message).__name__ in ("Done", "Denied"):
            self.requester.answered(message)
        else:
            self.requests.take(message)

    def ended(self, reason: str) -> None:
        self.requester.over()


@pytest.fixture
async def zone() -> Zone1:
    return Zone1()


async def logged_in(zone: Zone1) -> Subject:
    found = await AuthenticatorProxy(zone.requester).authenticate("op", "right", "10.0.0.1")
    assert found is not None
    return Subject("op", frozenset({"SecurityAdmin"}), zone="cell", authentication="UserName")


async def test_a_write_is_by_who_logged_in_with_the_cores_roles_and_zone(zone: Zone1) -> None:
    subject = await logged_in(zone)
    receipts: list[Receipt] = []
    commands = CommandProxy(zone.requester)
    code = await commands.write(subject, 0, "ns=2;s=T", 2.5, on_record=receipts.append)
    assert code == StatusCodes.Good
    assert zone.core.asked[-1] == ("op", "dmz", frozenset({"Operator"}), 5, "ns=2;s=T", 2.5)
    assert receipts == [Receipt(7, b"hash", "dmz-to-cell")]
    assert zone.flushed == 2


@pytest.mark.parametrize("value", [True, 3, 2.5, "text", UnfitValue(0x80740000, "String 'x'")])
async def test_values_keep_their_type(zone: Zone1, value: Any) -> None:
    subject = await logged_in(zone)
    await CommandProxy(zone.requester).write(subject, 0, "ns=2;s=T", value)
    assert zone.core.asked[-1][-1] == value
    assert type(zone.core.asked[-1][-1]) is type(value)


async def test_a_user_who_never_logged_in_is_refused(zone: Zone1) -> None:
    stranger = Subject("op", frozenset({"Operator"}))
    code = await CommandProxy(zone.requester).write(stranger, 0, "ns=2;s=T", 2.5)
    assert code == StatusCodes.BadUserAccessDenied
    assert not zone.core.asked


async def test_identities_come_back_as_the_core_found_them(zone: Zone1) -> None:
    proxy = AuthenticatorProxy(zone.requester)
    assert await proxy.authenticate("op", "wrong", "10.0.0.1") is None
    assert zone.core.asked == [("op", "wrong", "10.0.0.1 by zone dmz")]
    certificate = await proxy.authenticate_certificate(b"good")
    assert not isinstance(certificate, int)
    assert (certificate.user, certificate.authentication, certificate.until) == (
        "cert",
        "Certificate",
        99,
    )
    refused = await proxy.authenticate_certificate(b"bad")
    assert refused == StatusCodes.BadIdentityTokenRejected
    assert await proxy.authenticate_token(b"good") is None  # jwt is no user of this zone
    assert await proxy.authenticate_token(b"bad") is None


async def test_a_record_is_stored_before_the_answer_or_refused(zone: Zone1) -> None:
    proxy = AuditProxy(zone.requester)
    record = AuditRecord("session-activated", 5, "op", ("Operator",), zone="cell")
    assert await proxy.record(record) == 41
    assert zone.core.asked[-1] == AuditRecord(
        "session-activated", 1234, "op", ("Operator",), zone="dmz"
    )
    zone.core.available = False
    with pytest.raises(AuditUnavailableError, match="the disk is full"):
        await proxy.record(record)


async def test_history_comes_back_by_column(zone: Zone1) -> None:
    proxy = HistoryProxy(zone.requester, frozenset({"T"}))
    assert proxy.has_history("T")
    assert not proxy.has_history("U")
    query = RawQuery("T", 1, 2, 3, bounds=True, resume=b"from here")
    page = await proxy.read_raw(query, 100)
    assert zone.core.asked == [(query, 100)]
    value, status, source_time, server_time = page.columns
    assert value[0] == 1.5
    assert np.isnan(value[1])
    assert status.tolist() == [0, 0x80000000]
    assert source_time.tolist() == [10, 11]
    assert server_time.tolist() == [20, 21]
    assert page.objects == {1: "text"}
    assert page.more == b"further"


async def test_history_stops_at_a_closed_conduit(zone: Zone1) -> None:
    zone.open_zones = frozenset({"", "dmz"})
    proxy = HistoryProxy(zone.requester, frozenset({"T"}))
    with pytest.raises(StatusError) as refused:
        await proxy.read_raw(RawQuery("T", 1, 2, 3), 100)
    assert refused.value.status == StatusCodes.BadNodeIdUnknown
    assert not zone.core.asked


async def test_history_of_another_tag_is_refused(zone: Zone1) -> None:
    proxy = HistoryProxy(zone.requester, frozenset({"T"}))
    with pytest.raises(StatusError) as refused:
        await proxy.read_raw(RawQuery("U", 1, 2, 3), 100)
    assert refused.value.status == StatusCodes.BadNodeIdUnknown


async def test_requests_wait_for_their_turn_rather_than_end_the_link(zone: Zone1) -> None:
    proxy, record = AuditProxy(zone.requester), AuditRecord("session-slow", 5, "op")
    many = [asyncio.create_task(proxy.record(record)) for _ in range(MAX_UNDER_WAY + 50)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(zone.core.asked) == MAX_UNDER_WAY
    many[0].cancel()
    zone.core.gate.set()
    found = await asyncio.gather(*many, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [41] * (MAX_UNDER_WAY + 49)
    assert not zone.broken


async def test_when_the_core_is_gone_nothing_waits_for_it(zone: Zone1) -> None:
    subject = await logged_in(zone)
    proxy = AuthenticatorProxy(zone.requester)
    waiting = asyncio.create_task(proxy.authenticate("slow", "right"))
    await asyncio.sleep(0)
    zone.theirs.close()
    assert await waiting is None
    code = await CommandProxy(zone.requester).write(subject, 0, "ns=2;s=T", 2.5)
    assert code == StatusCodes.BadShutdown
    writes = StoredWrites(
        np.array([0], np.int32), np.array([1.0]), np.array([0], np.uint32), np.array([1]), {}
    )
    with pytest.raises(StatusError) as refused:
        await CommandProxy(zone.requester).write_unaudited(writes)
    assert refused.value.status == StatusCodes.BadShutdown
    stored = StoredValue(1.0, 0, 1)
    code = await CommandProxy(zone.requester).write_stored(subject, 0, "ns=2;s=T", stored)
    assert code == StatusCodes.BadShutdown
