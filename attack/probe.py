"""The client that is there all the time, in a process of its own so that no attack slows it down.

It reads the server's clock again and again over an encrypted channel; how long that takes at most
is how long the server's event loop stood still. On request it connects anew, as a fresh client
would. It obeys lines on its standard input and answers with lines of JSON.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from attack.client import CURRENT_TIME, Channel, RefusedError, Session
from attack.secure import Identity
from attack.target import Target, read

_EVERY_S = 0.02


class Probe:
    """The probe, as its parent sees it."""

    def __init__(self, target: Target) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "attack.probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        key = target.identity.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._ask(
            port=target.port,
            server=_pem(target.certificate),
            certificate=_pem(target.identity.certificate),
            key=key.decode(),
        )

    def mark(self) -> None:
        """Begin to measure anew."""
        self._ask(do="mark")

    def report(self) -> dict[str, Any]:
        """Since the mark: `slowest_ms` of all reads, how often the session was `lost` and why; and
        `fresh_ms`, how long a fresh client takes now to be served (None: it is not; `why`)."""
        return self._ask(do="report")

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class _Watch:
    """The probe itself."""

    def __init__(self, settings: dict[str, Any]) -> None:
        key: Any = serialization.load_pem_private_key(settings["key"].encode(), None)
        certificate = x509.load_pem_x509_certificate(settings["certificate"].encode())
        self._identity = Identity(key, certificate)
        self._server = x509.load_pem_x509_certificate(settings["server"].encode())
        self._port: int = settings["port"]
        self._session: Session | None = None
        self.mark()
        self.look()

    def mark(self) -> None:
        self.slowest_ms = 0.0
        self.lost: list[str] = []

    def connect(self) -> Session:
        channel = Channel(self._port, self._server, self._identity, timeout_s=5.0)
        try:
            return channel.connect().login()
        except RefusedError:
            channel.close()
            raise

    def look(self) -> None:
        """One read; a session that is gone is a loss, and made anew."""
        started = time.monotonic()
        try:
            if self._session is None:
                self._session = self.connect()
                return
            read(self._session, CURRENT_TIME)
            self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - started))
        except RefusedError as refused:
            if self._session is not None:
                self._session.channel.close()
                self.lost.append(refused.outcome)
            self._session = None

    def fresh(self) -> dict[str, Any]:
        started = time.monotonic()
        try:
            session = self.connect()
            read(session, CURRENT_TIME)
            took_ms = 1000 * (time.monotonic() - started)
            session.ask("CloseSessionRequest", b"\x01")
            session.channel.close()
        except RefusedError as refused:
            return {"fresh_ms": None, "why": refused.outcome}
        return {"fresh_ms": took_ms, "why": ""}

    def report(self) -> dict[str, Any]:
        return {**self.fresh(), "slowest_ms": self.slowest_ms, "lost": self.lost}


def main() -> None:
    watch = _Watch(json.loads(sys.stdin.readline()))
    print("{}", flush=True)
    while True:
        if not select.select([sys.stdin], [], [], _EVERY_S)[0]:
            watch.look()
            continue
        line = sys.stdin.readline()
        if not line:
            return
        if json.loads(line)["do"] == "mark":
            watch.mark()
            print("{}", flush=True)
        else:
            print(json.dumps(watch.report()), flush=True)


if __name__ == "__main__":
    main()
