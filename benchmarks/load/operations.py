"""Requests one after the other, a number of them always under way: what they cost and whether
every answer is right."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.layout import FOLDERS, VARIABLES_PER_FOLDER
from benchmarks.load import requests
from benchmarks.load.answers import HEADER_SIZE, WrongAnswerError, check_response
from benchmarks.load.asyncua_types import decoded, ua
from benchmarks.load.channel import Channel
from benchmarks.load.requests import Template
from benchmarks.load.session import Session, Target
from benchmarks.load.values import STATUS, VALUE, read_results

_READ, _WRITE, _BROWSE = 634, 676, 530
_ONE_DOUBLE = struct.Struct("<iBBdI")
_DOUBLE = 11
_WRITTEN_SETS = 8
_STEP = 1000.0


@dataclass(frozen=True)
class Measured:
    """What a loop did: `operations` in `seconds`, `cpu_s` of the load generator's own time.

    `values` counts values, references or, where there is neither, operations.
    """

    operations: int
    values: int
    seconds: float
    cpu_s: float
    round_trips_ms: Sequence[float]


class Work(Protocol):
    """Requests to send in turn, and the check of each answer."""

    templates: Sequence[Template]
    type_id: int
    values: int

    def check(self, index: int, body: bytes) -> None:
        """Raises WrongAnswerError unless `body` answers template `index`."""
        ...

    def finish(self) -> None:
        """Look at the outcome, where there is one to look at. Raises WrongAnswerError."""
        ...


class ReadOne:
    """Read of one variable, each in turn; variable n holds the number n."""

    type_id, values = _READ, 1

    def __init__(self, session: Session, variables: int) -> None:
        nodes = session.target.variables(variables)
        self.templates: Sequence[Template] = [
            session.template(requests.read([node])) for node in nodes
        ]

    def check(self, index: int, body: bytes) -> None:
        count, mask, kind, value, status = _ONE_DOUBLE.unpack_from(body, HEADER_SIZE)
        if (mask & STATUS and status) or (count, mask & VALUE, kind, value) != (
            1,
            1,
            _DOUBLE,
            index,
        ):
            raise WrongAnswerError(f"Var{index} was read as {body[HEADER_SIZE:].hex(' ')}")

    def finish(self) -> None:
        """Nothing is left behind."""


class ReadMany:
    """Read of all variables at once."""

    type_id = _READ

    def __init__(self, session: Session, variables: int) -> None:
        self.values = variables
        self.templates: Sequence[Template] = [
            session.template(requests.read(session.target.variables(variables)))
        ]

    def check(self, index: int, body: bytes) -> None:
        results = read_results(body, HEADER_SIZE, self.values)
        if not (results.value == results.handle).all():
            raise WrongAnswerError("the values read are not those of the variables asked for")

    def finish(self) -> None:
        """Nothing is left behind."""


class WriteMany:
    """Write of the first variables at once, with other numbers each time.

    The last request puts back what was there before, and a Read looks whether it did.
    """

    type_id = _WRITE

    def __init__(self, session: Session, count: int) -> None:
        self.values = count
        self._session = session
        nodes = session.target.variables(count)
        sets = [[row + n * _STEP for row in range(count)] for n in range(_WRITTEN_SETS)]
        self.templates: Sequence[Template] = [
            session.template(requests.write(nodes, values)) for values in sets
        ]
        self._good = struct.pack("<i", count) + bytes(4 * count)

    def check(self, index: int, body: bytes) -> None:
        if body[HEADER_SIZE:-4] != self._good:
            raise WrongAnswerError("a Write has other results than Good for every node")

    def finish(self) -> None:
        for values, template in enumerate(reversed(self.templates)):
            self.check(0, self._session.channel.ask(template, _WRITE))
            step = (_WRITTEN_SETS - 1 - values) * _STEP
            read = requests.read(self._session.target.variables(self.values))
            results = read_results(self._session.ask(read, _READ), HEADER_SIZE, self.values)
            if not (results.value == results.handle + step).all():
                raise WrongAnswerError("what was written is not what is read")


class BrowseMany:
    """Browse of all folders of the tree; the first answer is decoded, the others are the same."""

    type_id = _BROWSE
    values = FOLDERS * VARIABLES_PER_FOLDER

    def __init__(self, session: Session) -> None:
        nodes = [requests.variable(session.target.namespace, f"Tree.F{n}") for n in range(FOLDERS)]
        self.templates: Sequence[Template] = [session.template(requests.browse(nodes))]
        self._first = b""

    def check(self, index: int, body: bytes) -> None:
        if not self._first:
            self._check_all(body)
            self._first = body[HEADER_SIZE:]
        elif body[HEADER_SIZE:] != self._first:
            raise WrongAnswerError("a Browse of the same folders has other results than the first")

    def _check_all(self, body: bytes) -> None:
        results = decoded(ua.BrowseResponse, body).Results or []
        if len(results) != FOLDERS:
            raise WrongAnswerError(f"{len(results)} results for {FOLDERS} folders")
        for folder, result in enumerate(results):
            names = {reference.NodeId.Identifier for reference in result.References}
            expected = {f"Tree.F{folder}.V{n}" for n in range(VARIABLES_PER_FOLDER)}
            complete = all(
                r.BrowseName.Name and r.DisplayName.Text and r.TypeDefinition.Identifier
                for r in result.References
            )
            if names != expected or result.ContinuationPoint or not complete:
                raise WrongAnswerError(f"a Browse of Tree.F{folder} leaves something out")

    def finish(self) -> None:
        """Nothing is left behind."""


def run(session: Session, work: Work, in_flight: int, seconds: float) -> Measured:
    """Keep `in_flight` requests under way for some seconds. Raises WrongAnswerError.

    A first answer comes before the time starts: what a server prepares once is not measured.
    """
    channel, perf_counter = session.channel, time.perf_counter
    work.check(0, channel.ask(work.templates[0], work.type_id))
    turn = itertools.cycle(range(len(work.templates)))
    sent: dict[int, tuple[int, float]] = {}
    round_trips: list[float] = []
    cpu, started = time.process_time(), perf_counter()
    channel.socket.sendall(b"".join(_next(channel, work, turn, sent) for _ in range(in_flight)))
    end = started + seconds
    while sent:
        answers = channel.receive()
        now = perf_counter()
        for number, body in answers:
            index, sent_at = sent.pop(number)
            check_response(body, work.type_id, number)
            work.check(index, body)
            round_trips.append(now - sent_at)
        if now < end:
            batch = [_next(channel, work, turn, sent) for _ in answers]
            channel.socket.sendall(b"".join(batch))
    elapsed, cpu = perf_counter() - started, time.process_time() - cpu
    work.finish()
    count = len(round_trips)
    return Measured(count, count * work.values, elapsed, cpu, [1e3 * s for s in round_trips])


def _next(
    channel: Channel, work: Work, turn: Iterator[int], sent: dict[int, tuple[int, float]]
) -> bytes:
    index = next(turn)
    number, data = channel.sealed(work.templates[index])
    sent[number] = (index, time.perf_counter())
    return data


def connect_and_close(target: Target, seconds: float) -> Measured:
    """Connect, open a channel and a session, activate and close them, one after the other."""
    target.connect().close()
    cpu, started = time.process_time(), time.perf_counter()
    round_trips: list[float] = []
    while (begun := time.perf_counter()) < started + seconds:
        target.connect().close()
        round_trips.append(1e3 * (time.perf_counter() - begun))
    elapsed = time.perf_counter() - started
    count = len(round_trips)
    return Measured(count, count, elapsed, time.process_time() - cpu, round_trips)
