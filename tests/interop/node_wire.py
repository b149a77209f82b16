"""`Wire` with node-opcua's client, which runs in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

from e2e.driving import NODE_CLIENT
from interop.wire import Message, Security, ServiceFaultError

_LINE_LIMIT = 1 << 26


class ClientError(Exception):
    """The client could not do it, and the server did not answer with a ServiceFault."""


class NodeProcess:
    """Sends requests to e2e/node_client/wire.mjs and hands out the answers as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> NodeProcess:
        return cls(
            await asyncio.create_subprocess_exec(
                "node",
                "wire.mjs",
                cwd=NODE_CLIENT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_LIMIT,
            )
        )

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            if line.startswith(b'{"id"'):
                answer = json.loads(line)
                future = self._waiting.pop(answer["id"])
                if not future.done():
                    future.set_result(answer)
        for future in self._waiting.values():
            future.set_exception(ClientError("the node client ended"))
        self._waiting.clear()

    async def do(self, op: str, **arguments: Any) -> Any:
        """Raises ServiceFaultError or ClientError."""
        assert self._process.stdin
        if self._reader.done():
            raise ClientError("the node client has ended")
        number = next(self._numbers)
        self._waiting[number] = future = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "op": op, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        answer = await asyncio.wait_for(future, 15)
        if answer.get("fault") is not None:
            raise ServiceFaultError(answer["fault"])
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["ok"]

    async def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 10)
        await self._reader


class NodeWire:
    """One session of node-opcua's client."""

    def __init__(self, process: NodeProcess, session: str) -> None:
        self._process = process
        self._session = session

    @classmethod
    async def connect(
        cls,
        process: NodeProcess,
        url: str,
        security: Security,
        pki: Path,
        user: tuple[str, str] | None = None,
    ) -> NodeWire:
        """Raises ServiceFaultError when the server refuses."""
        login = {} if user is None else {"user": user[0], "password": user[1]}
        session = await process.do(
            "connect",
            url=url,
            policy=security.policy,
            mode=security.mode,
            pki=str(pki),
            **login,
        )
        return cls(process, session)

    async def ask(self, service: str, **fields: Any) -> Message:
        answer: Message = await self._process.do(
            "request", session=self._session, service=service, fields=fields
        )
        return answer

    async def change_user(self, user: str | None, password: str | None) -> int:
        try:
            status: int = await self._process.do(
                "changeUser", session=self._session, user=user, password=password
            )
        except ServiceFaultError as fault:
            return fault.status
        return status

    async def show_certificate(self, certificate: Path, key: Path) -> int:
        try:
            status: int = await self._process.do(
                "changeUser", session=self._session, **_shown(certificate, key)
            )
        except ServiceFaultError as fault:
            return fault.status
        return status

    async def close(self, *, keep_subscriptions: bool = False) -> None:
        await self._process.do(
            "disconnect", session=self._session, keepSubscriptions=keep_subscriptions
        )


def _shown(certificate: Path, key: Path) -> dict[str, str]:
    """A certificate and its key, as the client's process takes them."""
    return {"certificate": certificate.read_bytes().hex(), "privateKey": key.read_text()}
