"""Opening and closing conduits: at once or on record first, and over a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from biogate.conduit_control import ConduitControl
from biogate.records import Records
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.backup import unpack_backup, write_backup
from biogate_security.policy import Subject
from biogate_security.role_policy import RolePolicy
from biogate_security.zones import Conduit, Zone, ZonePolicy, ZoneTable

ADA = Subject("ada", frozenset({"Supervisor"}))
TABLE = ZoneTable(
    (Zone("cell"), Zone("dmz")),
    (Conduit("up", "dmz", "cell"), Conduit("down", "cell", "dmz", open=False)),
)


@dataclass
class Trail:
    """The audit trail; it can fail, or take its time."""

    records: list[AuditRecord] = field(default_factory=list)
    fails: bool = False
    disk: asyncio.Event | None = None

    async def record(self, record: AuditRecord) -> int:
        if self.fails:
            raise AuditUnavailableError("disk full")
        if self.disk is not None:
            await self.disk.wait()
        self.records.append(record)
        return len(self.records)


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def policy() -> ZonePolicy:
    return ZonePolicy(RolePolicy(), TABLE)


@pytest.fixture
def changes() -> list[None]:
    return []


@pytest.fixture
def control(
    policy: ZonePolicy, trail: Trail, changes: list[None], tmp_path: Path
) -> ConduitControl:
    records = Records(trail, lambda: 5)
    return ConduitControl(policy, records, tmp_path, lambda: changes.append(None))


async def test_closing_and_opening_are_on_record(
    control: ConduitControl, policy: ZonePolicy, trail: Trail, changes: list[None]
) -> None:
    await control.close(["up"], "incident 42", ADA)
    assert policy.open_conduits == {"up": False, "down": False}
    await control.open("up", "all clear", ADA)
    assert policy.open_conduits["up"]
    assert [(r.event, r.conduit, r.user, r.reason) for r in trail.records] == [
        ("conduit-closed", "up", "ada", "incident 42"),
        ("conduit-opened", "up", "ada", "all clear"),
    ]
    assert len(changes) == 2


async def test_what_changes_nothing_leaves_no_record(
    control: ConduitControl, trail: Trail, changes: list[None]
) -> None:
    await control.open("up", "again", ADA)
    await control.close(["down"], "again", ADA)
    assert (trail.records, changes) == ([], [])


async def test_island_mode_closes_all(control: ConduitControl, policy: ZonePolicy) -> None:
    await control.open("down", "orders", ADA)
    await control.isolate("incident", ADA)
    assert policy.open_conduits == {"up": False, "down": False}


async def test_closing_waits_for_nobody_and_opening_for_its_record(
    control: ConduitControl, policy: ZonePolicy, trail: Trail
) -> None:
    trail.disk = asyncio.Event()
    closing = asyncio.create_task(control.close(["up"], "now", ADA))
    opening = asyncio.create_task(control.open("down", "soon", ADA))
    await asyncio.sleep(0)
    assert policy.open_conduits == {"up": False, "down": False}
    trail.disk.set()
    await asyncio.gather(closing, opening)
    assert policy.open_conduits == {"up": False, "down": True}


async def test_who_closes_while_another_opens_has_the_last_word(
    control: ConduitControl, policy: ZonePolicy, trail: Trail
) -> None:
    trail.disk = asyncio.Event()
    opening = asyncio.create_task(control.open("down", "soon", ADA))
    await asyncio.sleep(0)
    closing = asyncio.create_task(control.close(["down"], "no", ADA))
    await asyncio.sleep(0)
    trail.disk.set()
    await asyncio.gather(opening, closing)
    assert not policy.open_conduits["down"]
    assert [record.event for record in trail.records] == ["conduit-opened", "conduit-closed"]


async def test_who_opens_again_does_not_lend_their_word_to_one_who_was_closed_out(
    control: ConduitControl, policy: ZonePolicy, trail: Trail
) -> None:
    """Opened, closed, opened again: it opens with the record of the last, not of the first."""
    first, second = asyncio.Event(), asyncio.Event()
    trail.disk = first
    opening = asyncio.create_task(control.open("down", "first", ADA))
    await asyncio.sleep(0)
    trail.disk = None
    await control.close(["down"], "no", ADA)
    trail.disk = second
    again = asyncio.create_task(control.open("down", "second", ADA))
    await asyncio.sleep(0)
    first.set()
    await opening
    assert not policy.open_conduits["down"]
    second.set()
    await again
    assert policy.open_conduits["down"]


async def test_without_a_record_nothing_is_opened_and_all_is_closed(
    control: ConduitControl, policy: ZonePolicy, trail: Trail
) -> None:
    trail.fails = True
    with pytest.raises(AuditUnavailableError):
        await control.open("down", "orders", ADA)
    with pytest.raises(AuditUnavailableError):
        await control.close(["up"], "incident", ADA)
    assert policy.open_conduits == {"up": False, "down": False}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.open("sideways", "why", ADA), KeyError, "has no conduit sideways; it has up"),
        (lambda c: c.close(["sideways"], "why", ADA), KeyError, "has no conduit sideways"),
        (lambda c: c.open("down", " ", ADA), ValueError, "say why"),
        (lambda c: c.isolate("", ADA), ValueError, "say why"),
    ],
)
async def test_a_change_names_a_conduit_and_a_reason(
    control: ConduitControl,
    policy: ZonePolicy,
    change: Callable,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        await change(control)
    assert policy.open_conduits == {"up": True, "down": False}


async def test_both_last_over_a_restart(
    control: ConduitControl, trail: Trail, tmp_path: Path
) -> None:
    await control.close(["up"], "incident", ADA)
    await control.open("down", "orders", ADA)
    policy = ZonePolicy(RolePolicy(), TABLE)
    ConduitControl(policy, Records(trail, lambda: 5), tmp_path).restore()
    assert policy.open_conduits == {"up": False, "down": True}


# IEC 62443-3-3, SR 7.4: recovery to a known secure state.
async def test_a_conduit_that_was_closed_is_closed_in_a_restored_backup(
    control: ConduitControl, trail: Trail, tmp_path: Path
) -> None:
    await control.close(["up"], "incident", ADA)
    file, restored = tmp_path / "backup.tar.gz", tmp_path / "restored"
    assert "conduits.json" in write_backup(tmp_path, file, version="1").files
    unpack_backup(file, restored)
    policy = ZonePolicy(RolePolicy(), TABLE)
    ConduitControl(policy, Records(trail, lambda: 5), restored).restore()
    assert policy.open_conduits == {"up": False, "down": False}


async def test_of_what_was_not_changed_the_site_file_has_the_word(
    control: ConduitControl, trail: Trail, tmp_path: Path
) -> None:
    await control.open("down", "orders", ADA)
    closed = ZoneTable(TABLE.zones, (replace(TABLE.conduits[0], open=False), TABLE.conduits[1]))
    policy = ZonePolicy(RolePolicy(), closed)
    ConduitControl(policy, Records(trail, lambda: 5), tmp_path).restore()
    assert policy.open_conduits == {"up": False, "down": True}


def test_a_conduit_that_is_gone_from_the_site_is_passed_over(
    control: ConduitControl, policy: ZonePolicy, tmp_path: Path
) -> None:
    (tmp_path / "conduits.json").write_text(json.dumps({"up": False, "old": True}))
    control.restore()
    assert policy.open_conduits == {"up": False, "down": False}


@pytest.mark.parametrize("content", ["", "[1]", '{"up": "yes"}', '{"up": true', "\x00"])
def test_a_file_that_cannot_be_read_closes_all(
    control: ConduitControl, policy: ZonePolicy, tmp_path: Path, content: str
) -> None:
    (tmp_path / "conduits.json").write_text(content)
    control.restore()
    assert policy.open_conduits == {"up": False, "down": False}


def test_the_first_start_begins_as_the_site_file_says(
    control: ConduitControl, policy: ZonePolicy
) -> None:
    control.restore()
    assert policy.open_conduits == {"up": True, "down": False}
