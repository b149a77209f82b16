"""Changes that wait for a second person: bounded, and forgotten after a while."""

from __future__ import annotations

import pytest
from asyncua import ua

from biogate.signatures.pending import (
    EXPIRES_S,
    MAX_BYTES,
    MAX_BYTES_PER_USER,
    MAX_PENDING,
    MAX_PER_USER,
    FullError,
    PendingChange,
    PendingChanges,
)
from biogate.signatures.signature import Signature, Signing
from biogate_security.policy import Subject


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def perform(signature: Signature, subject: Subject) -> int:
    return 0


def change(
    changes: PendingChanges, clock: Clock, user: str = "ada", size: int = 0
) -> PendingChange:
    return PendingChange(
        changes.new_id(),
        ua.NodeId("x", 2),
        Subject(user, frozenset()),
        Signing(user, user, "responsibility", 0),
        "why",
        "1",
        "2",
        (),
        frozenset({"Supervisor"}),
        clock() + EXPIRES_S,
        perform,
        size,
    )


def test_a_change_is_taken_once():
    clock = Clock()
    changes = PendingChanges(clock)
    asked = change(changes, clock)
    changes.add(asked)
    assert changes.take(asked.id) is asked
    assert changes.take(asked.id) is None


def test_what_nobody_approves_in_time_is_gone():
    clock = Clock()
    changes = PendingChanges(clock)
    asked = change(changes, clock)
    changes.add(asked)
    clock.now += EXPIRES_S
    assert changes.find(asked.id) is None
    assert changes.take(asked.id) is None
    assert changes.expired() == [asked]
    assert changes.expired() == []


def test_one_user_cannot_take_the_room_of_all():
    clock = Clock()
    changes = PendingChanges(clock)
    for _ in range(MAX_PER_USER):
        changes.add(change(changes, clock))
    with pytest.raises(FullError, match="of ada"):
        changes.hold(change(changes, clock))
    changes.hold(change(changes, clock, "bob"))


def test_all_together_have_a_bound():
    clock = Clock()
    changes = PendingChanges(clock)
    for number in range(MAX_PENDING):
        changes.add(change(changes, clock, f"user {number}"))
    with pytest.raises(FullError):
        changes.hold(change(changes, clock, "one more"))


def test_places_that_are_kept_count_and_are_found_by_nobody():
    """The record of a request takes its time, and others are asked for meanwhile."""
    clock = Clock()
    changes = PendingChanges(clock)
    kept = [change(changes, clock) for _ in range(MAX_PER_USER)]
    for each in kept:
        changes.hold(each)
    assert changes.find(kept[0].id) is None
    assert list(changes) == []
    with pytest.raises(FullError):
        changes.hold(change(changes, clock))
    changes.let_go(kept[0])
    changes.add(kept[1])
    assert list(changes) == [kept[1]]
    changes.hold(change(changes, clock))


def test_the_values_that_wait_have_a_bound():
    clock = Clock()
    changes = PendingChanges(clock)
    changes.hold(change(changes, clock, size=MAX_BYTES_PER_USER - 1))
    with pytest.raises(FullError, match="too large"):
        changes.hold(change(changes, clock, size=2))
    for number in range(MAX_BYTES // MAX_BYTES_PER_USER - 1):
        changes.add(change(changes, clock, f"user {number}", MAX_BYTES_PER_USER))
    with pytest.raises(FullError, match="too large"):
        changes.hold(change(changes, clock, "one more", 2))


def test_a_signature_shows_names_times_and_meanings():
    """21 CFR 11.50(a): printed name, date and time, and the meaning of the signature."""
    first = Signing("ada", "Ada Lovelace", "responsibility", 134_000_000_000_000_000)
    second = Signing("bob", "Bob Boyle", "approval", 134_000_000_600_000_000)
    both = Signature(first, "drift", second)
    assert both.meaning == (
        "responsibility: Ada Lovelace 2025-08-18T14:13:20Z;"
        " approval: Bob Boyle 2025-08-18T14:14:20Z"
    )
    assert both.second_user == "bob"
