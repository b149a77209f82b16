"""Processes for the end-to-end tests: the real program, and a client that we did not write."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NODE_CLIENT = Path(__file__).parent / "node_client"
START_TIMEOUT_S = 60.0


@dataclass
class Program:
    """A running `biogate` process whose output lines are collected as they come."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(
        cls, *arguments: str, env: dict[str, str] | None = None, launcher: Sequence[str] = ()
    ) -> Program:
        """`biogate ARGUMENTS`; `launcher` is a command that runs it, such as setpriv."""
        process = await asyncio.create_subprocess_exec(
            *launcher,
            sys.executable,
            "-m",
            "biogate",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        program = cls(process)
        assert process.stdout
        assert process.stderr
        program._readers = [
            asyncio.create_task(program._collect(process.stdout, program.lines)),
            asyncio.create_task(program._collect(process.stderr, program.errors)),
        ]
        return program

    async def _collect(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        async for raw in stream:
            lines.append(raw.decode().rstrip())
            async with self._more:
                self._more.notify_all()
        async with self._more:
            self._more.notify_all()

    async def line(self, pattern: str, *, errors: bool = False) -> re.Match[str]:
        """The first output line that matches `pattern`, waiting for it; fails if the end comes."""
        lines = self.errors if errors else self.lines

        def found() -> re.Match[str] | None:
            return next((m for text in lines if (m := re.search(pattern, text))), None)

        async with asyncio.timeout(START_TIMEOUT_S):
            async with self._more:
                await self._more.wait_for(lambda: found() or all(r.done() for r in self._readers))
        match = found()
        assert match, f"no line {pattern!r} in:\n" + "\n".join(self.lines + self.errors)
        return match

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self, timeout_s: float = 10.0) -> int:
        """Wait until it ends by itself, with all that it said; the exit status."""
        status = await asyncio.wait_for(self.process.wait(), timeout_s)
        await asyncio.gather(*self._readers)
        return status


Start = Callable[..., Awaitable[Program]]


@asynccontextmanager
async def started_programs() -> AsyncIterator[Start]:
    """`Program.start` for programs that are stopped at the end, by their process ids."""
    started: list[Program] = []

    async def start(
        *arguments: str, env: dict[str, str] | None = None, launcher: Sequence[str] = ()
    ) -> Program:
        program = await Program.start(*arguments, env=env, launcher=launcher)
        started.append(program)
        return program

    try:
        yield start
    finally:
        for program in reversed(started):
            await program.stop()


class NodeClient:
    """node-opcua's client in a process of its own (see node_client/client.mjs)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> NodeClient:
        return cls(
            await asyncio.create_subprocess_exec(
                "node",
                "client.mjs",
                cwd=NODE_CLIENT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )

    async def ask(self, op: str, **arguments: Any) -> Any:
        """Do one operation; raises RuntimeError with the client's message when it fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
        while True:
            line = await asyncio.wait_for(self._process.stdout.readline(), 60)
            if not line:
                raise RuntimeError(f"the node client ended during {op}")
            if line.startswith(b"{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["ok"]

    async def close(self) -> None:
        """End the client politely, or else by force."""
        if self._process.returncode is not None:
            return
        try:
            await asyncio.wait_for(self.ask("close"), 5)
        except TimeoutError:
            self._process.kill()
        await self._process.wait()
