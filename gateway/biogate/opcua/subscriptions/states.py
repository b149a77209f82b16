"""The state table of a Subscription (Part 4, 5.14.1.2), as data.

Receiving a Publish request always puts it into the session's queue first, so the rows that only
do that (4 and 13) need no entry. Row 9 is split, so that a MaxKeepAliveCount of n means a
keep-alive at the n-th publishing cycle without notifications, for n = 1 too.
"""

from __future__ import annotations

from enum import Enum
from itertools import product
from typing import NamedTuple


class State(Enum):
    """Where a Subscription stands between two events."""

    NORMAL = "normal"
    LATE = "late"
    KEEP_ALIVE = "keep-alive"
    CLOSED = "closed"


class Event(Enum):
    """What moves a Subscription."""

    TIMER = "publishing timer expires"
    PUBLISH = "a Publish request is in the session's queue"


class Action(Enum):
    """What a row does besides moving to its next state."""

    NOTHING = "nothing"
    COUNT_DOWN = "one publishing cycle fewer until the keep-alive"
    SEND_NOTIFICATIONS = "send notifications"
    SEND_KEEP_ALIVE = "send a keep-alive"


class Situation(NamedTuple):
    """The variables that the table looks at.

    `queued`: a Publish request is there; `notify`: publishing is enabled and notifications are
    available; `more`: publishing is enabled and the last message left notifications behind;
    `sent`: a first message has been sent; `due`: the keep-alive counter ends in this cycle.
    """

    queued: bool
    notify: bool
    more: bool
    sent: bool
    due: bool


class Row(NamedTuple):
    """One row: in `state`, at `event`, when the situation has these values (None: any)."""

    number: str
    state: State
    event: Event
    action: Action
    next: State
    queued: bool | None = None
    notify: bool | None = None
    more: bool | None = None
    sent: bool | None = None
    due: bool | None = None

    def fits(self, situation: Situation) -> bool:
        """True when every condition holds."""
        wanted = (self.queued, self.notify, self.more, self.sent, self.due)
        return all(w is None or w == s for w, s in zip(wanted, situation, strict=True))


_N, _L, _K = State.NORMAL, State.LATE, State.KEEP_ALIVE
_T, _P = Event.TIMER, Event.PUBLISH
_SEND, _ALIVE, _DOWN, _NONE = (
    Action.SEND_NOTIFICATIONS,
    Action.SEND_KEEP_ALIVE,
    Action.COUNT_DOWN,
    Action.NOTHING,
)

TABLE: tuple[Row, ...] = (
    Row("5", _N, _P, _SEND, _N, queued=True, more=True),
    Row("6", _N, _T, _SEND, _N, queued=True, notify=True),
    Row("7", _N, _T, _ALIVE, _N, queued=True, notify=False, sent=False),
    Row("8a", _N, _T, _NONE, _L, queued=False, notify=True),
    Row("8b", _N, _T, _NONE, _L, queued=False, notify=False, sent=False),
    Row("9a", _N, _T, _DOWN, _K, notify=False, sent=True, due=False),
    Row("9b", _N, _T, _ALIVE, _K, queued=True, notify=False, sent=True, due=True),
    Row("9c", _N, _T, _NONE, _L, queued=False, notify=False, sent=True, due=True),
    Row("10a", _L, _P, _SEND, _N, queued=True, notify=True),
    Row("10b", _L, _P, _SEND, _N, queued=True, notify=False, more=True),
    Row("11", _L, _P, _ALIVE, _K, queued=True, notify=False, more=False),
    Row("12", _L, _T, _NONE, _L),
    Row("14", _K, _T, _SEND, _N, queued=True, notify=True),
    Row("15", _K, _T, _ALIVE, _K, queued=True, notify=False, due=True),
    Row("16", _K, _T, _DOWN, _K, notify=False, due=False),
    Row("17a", _K, _T, _NONE, _L, queued=False, notify=False, due=True),
    Row("17b", _K, _T, _NONE, _L, queued=False, notify=True),
)


def _row(state: State, event: Event, situation: Situation) -> Row | None:
    for row in TABLE:
        if row.state is state and row.event is event and row.fits(situation):
            return row
    return None


_SITUATIONS = [Situation(*flags) for flags in product((False, True), repeat=5)]
_ROWS = {
    event: {state: {one: _row(state, event, one) for one in _SITUATIONS} for state in State}
    for event in Event
}


def transition(state: State, event: Event, situation: Situation) -> Row | None:
    """The row that applies; None when the event changes nothing."""
    return _ROWS[event][state][situation]
