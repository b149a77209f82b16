"""The state table is complete and unambiguous (Part 4, 5.14.1.2)."""

from __future__ import annotations

from itertools import product

import pytest

from biogate.opcua.subscriptions.states import TABLE, Action, Event, Situation, State, transition

SITUATIONS = [Situation(*flags) for flags in product([True, False], repeat=5)]
ALIVE = (State.NORMAL, State.LATE, State.KEEP_ALIVE)


def rows(state: State, event: Event, situation: Situation) -> list[str]:
    return [
        row.number
        for row in TABLE
        if row.state is state and row.event is event and row.fits(situation)
    ]


@pytest.mark.parametrize("state", ALIVE)
def test_exactly_one_row_fits_each_expiry_of_the_timer(state):
    for situation in SITUATIONS:
        assert len(rows(state, Event.TIMER, situation)) == 1, situation


@pytest.mark.parametrize("state", ALIVE)
def test_at_most_one_row_fits_each_publish_request(state):
    for situation in SITUATIONS:
        assert len(rows(state, Event.PUBLISH, situation)) <= 1, situation


def test_a_late_subscription_answers_every_publish_request():
    for situation in SITUATIONS:
        if situation.queued:
            row = transition(State.LATE, Event.PUBLISH, situation)
            assert row is not None
            assert row.action in (Action.SEND_NOTIFICATIONS, Action.SEND_KEEP_ALIVE)


def test_nothing_is_sent_without_a_publish_request():
    sending = (Action.SEND_NOTIFICATIONS, Action.SEND_KEEP_ALIVE)
    assert all(row.queued for row in TABLE if row.action in sending)


def test_a_closed_subscription_is_moved_by_nothing():
    for event, situation in product(Event, SITUATIONS):
        assert transition(State.CLOSED, event, situation) is None
