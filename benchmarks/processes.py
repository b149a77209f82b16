"""The processes of a measurement: a server, and the load generator that drives it."""

from __future__ import annotations

import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Self

import psutil

_NODE_OPCUA = Path(__file__).parent / "peers" / "node_opcua"
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 10.0
_ENDED_S = 0.5


class MeasuringError(Exception):
    """A server did not start, or answered wrongly: the message says which, and what came."""


@dataclass(frozen=True)
class Kind:
    """A server that can be measured: its command, its version, and why it is not there (or "")."""

    name: str
    command: Sequence[str]
    version: Callable[[], str]
    missing: Callable[[], str] = lambda: ""


def _node_version() -> str:
    package = _NODE_OPCUA / "node_modules" / "node-opcua" / "package.json"
    return str(json.loads(package.read_text())["version"])


def _node_missing() -> str:
    if shutil.which("node") is None:
        return "there is no `node` on PATH"
    if not (_NODE_OPCUA / "node_modules" / "node-opcua").is_dir():
        return f"it is not installed: npm ci --ignore-scripts --prefix {_NODE_OPCUA}"
    return ""


OURS = "biogate"
KINDS = (
    Kind(OURS, (sys.executable, "-m", "benchmarks.serve"), lambda: version("biogate")),
    Kind(
        "asyncua",
        (sys.executable, "-m", "benchmarks.peers.asyncua_server"),
        lambda: version("asyncua"),
    ),
    Kind("node-opcua", ("node", str(_NODE_OPCUA / "server.mjs")), _node_version, _node_missing),
)


def given(text: str) -> Kind:
    """A further server by `NAME=COMMAND`. Raises ValueError for anything else.

    The command is given the options of `benchmarks.serve` and says READY like it.
    """
    name, _, command = text.partition("=")
    words = shlex.split(command)
    if not name or not words:
        raise ValueError(f"{text!r} is not NAME=COMMAND, such as open62541=./bench_server")
    missing = "" if shutil.which(words[0]) else f"there is no program {words[0]!r}"
    return Kind(name, words, lambda: "as given", lambda: missing)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Child:
    """A subprocess whose lines are waited for with a time limit."""

    def __init__(self, command: Sequence[str], *, stdin: int | None) -> None:
        self._command = command
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by stop()
        self.process = subprocess.Popen(
            command,
            bufsize=0,  # a buffer would hide from the selector what is left to read
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        )
        self._output: IO[bytes] = _pipe(self.process.stdout)

    def line(self, timeout_s: float) -> bytes:
        """The next line of output. Raises MeasuringError, with what it said on stderr."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            line = self._output.readline() if selector.select(timeout_s) else b""
        if not line:
            raise MeasuringError(self._silence(timeout_s))
        return line

    def _silence(self, timeout_s: float) -> str:
        """Why nothing came: with the last line of stderr, which says most."""
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        program = " ".join(Path(word).name for word in self._command)
        try:
            return f"`{program}` ended with {self.process.wait(_ENDED_S)}: {said}"
        except subprocess.TimeoutExpired:
            return f"`{program}` said nothing for {timeout_s:.0f} s {said}".rstrip()

    def stop(self) -> None:
        """SIGTERM, and what it takes if that does not help."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._output.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("a pipe was asked for")
    return stream


class Server(_Child):
    """A running server. Raises MeasuringError when it does not say READY.

    Its variables do not change before `go`: 20 clients are connected sooner to a server that has
    nothing else to do.
    """

    def __init__(self, kind: Kind, *, sim_hz: float, tree: bool, variables: int = 1000) -> None:
        self.port = free_port()
        options = ["--port", str(self.port), "--vars", str(variables), "--sim-hz", str(sim_hz)]
        options += ["--hold"] + (["--tree"] if tree else [])
        super().__init__([*kind.command, *options], stdin=None)
        deadline = time.monotonic() + _START_TIMEOUT_S
        try:
            while self.line(deadline - time.monotonic()).strip() != b"READY":
                pass
        except BaseException:
            self.stop()
            raise
        self._psutil = psutil.Process(self.process.pid)

    def go(self) -> None:
        """Let the variables change from now on."""
        self.process.send_signal(signal.SIGUSR2)

    def cpu_s(self) -> float:
        """User and system time so far, of all threads and of processes that it has started."""
        every = [self._psutil, *self._psutil.children(recursive=True)]
        times = [each.cpu_times() for each in every]
        return float(sum(each.user + each.system for each in times))

    def resident_mib(self) -> float:
        """Resident memory now."""
        return float(self._psutil.memory_info().rss) / 2**20


class Load(_Child):
    """The load generator, connected to a server."""

    def __init__(self, server: Server, variables: int = 1000) -> None:
        command = [sys.executable, "-m", "benchmarks.load.worker", str(server.port), str(variables)]
        super().__init__(command, stdin=subprocess.PIPE)
        try:
            self._answer(_START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise

    def ask(self, command: str, timeout_s: float = 120.0, **arguments: Any) -> Any:
        """Do a command and wait. Raises MeasuringError for a wrong answer of the server."""
        line = json.dumps({"do": command, **arguments}).encode() + b"\n"
        stream = _pipe(self.process.stdin)
        stream.write(line)
        stream.flush()
        return self._answer(timeout_s)

    def _answer(self, timeout_s: float) -> Any:
        answer = json.loads(self.line(timeout_s))
        if "wrong" in answer:
            raise MeasuringError(answer["wrong"])
        return answer["result"]
