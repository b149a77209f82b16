"""The load generator as a process: a JSON command a line on stdin, a JSON answer a line on stdout.

    {"do": "operations", "work": "read-1", "seconds": 3}
    {"do": "subscribe", "clients": 20, "sampling_interval_ms": 100}
    {"do": "measure", "seconds": 8}

An answer is {"result": ...}, or {"wrong": why} when the server's answers cannot be trusted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.layout import NAMESPACE
from benchmarks.load import operations
from benchmarks.load.answers import WrongAnswerError
from benchmarks.load.session import Session, Target, discover
from benchmarks.load.subscribers import Subscribers, Wish

_ONE_BY_ONE = 100
_WRITTEN = 100
# Work by name: how it is made, how many requests are under way, and whether it is encrypted.
_WORK: Mapping[str, tuple[Callable[[Session, int], operations.Work], int, bool]] = {
    "read-1": (lambda s, n: operations.ReadOne(s, min(n, _ONE_BY_ONE)), 8, False),
    "read-1000": (operations.ReadMany, 2, False),
    "read-1000-encrypted": (operations.ReadMany, 2, True),
    "write-100": (lambda s, _: operations.WriteMany(s, _WRITTEN), 2, False),
    "browse-100": (lambda s, _: operations.BrowseMany(s), 2, False),
}


class Worker:
    """Does what commands say, against one server with `variables` variables."""

    def __init__(self, port: int, variables: int) -> None:
        self._target: Target = discover(port, NAMESPACE)
        self._variables = variables
        self._subscribers: Subscribers | None = None

    def operations(self, work: str, seconds: float) -> dict[str, Any]:
        """Run requests one after the other."""
        if work == "connect":
            return _operations(operations.connect_and_close(self._target, seconds))
        make, in_flight, secure = _WORK[work]
        with self._target.connect(secure=secure) as session:
            made = make(session, self._variables)
            return _operations(operations.run(session, made, in_flight, seconds))

    def subscribe(self, clients: int, sampling_interval_ms: float, queue_size: int = 10) -> int:
        """Have this many subscribers, who stay until the process ends."""
        if self._subscribers is None:
            wish = Wish(
                self._variables, sampling_interval_ms=sampling_interval_ms, queue_size=queue_size
            )
            self._subscribers = Subscribers(self._target, wish)
        self._subscribers.become(clients)
        return clients

    def measure(self, seconds: float) -> dict[str, Any]:
        """Count what the subscribers get in the next seconds."""
        self.begin()
        self._there().serve(seconds)
        return self.so_far()

    def begin(self) -> None:
        """Count from now on what the subscribers get."""
        self._there().begin()

    def _there(self) -> Subscribers:
        if self._subscribers is None:
            raise ValueError("there are no subscribers: `subscribe` comes first")
        return self._subscribers

    def so_far(self) -> dict[str, Any]:
        """What they got since `begin`."""
        got = self._there().so_far()
        return {
            "clients": got.clients,
            "values": got.delivered,
            "changes": got.changes,
            "without_value": got.without_value,
            "overflows": got.overflows,
            "messages": got.messages,
            "seconds": got.seconds,
            "cpu_s": got.cpu_s,
            **_percentiles(got.latencies_ms),
        }

    def wait(self) -> None:
        """Serve the subscribers until the next command comes."""
        if self._subscribers is not None:
            self._subscribers.serve_until(sys.stdin)


def _operations(measured: operations.Measured) -> dict[str, Any]:
    return {
        "values": measured.values,
        "operations": measured.operations,
        "seconds": measured.seconds,
        "cpu_s": measured.cpu_s,
        **_percentiles(measured.round_trips_ms),
    }


def _percentiles(times_ms: Sequence[float] | np.ndarray) -> dict[str, float | None]:
    if not len(times_ms):
        return {"p50_ms": None, "p99_ms": None}
    p50, p99 = np.percentile(times_ms, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def main() -> None:
    """Serve commands until stdin ends: arguments are the server's port and its variables."""
    worker = Worker(*map(int, sys.argv[1:]))
    print(json.dumps({"result": "ready"}), flush=True)
    while True:
        worker.wait()
        line = sys.stdin.readline()
        if not line:
            return
        command = json.loads(line)
        try:
            answer = {"result": getattr(worker, command.pop("do"))(**command)}
        except (WrongAnswerError, OSError) as error:
            answer = {"wrong": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
