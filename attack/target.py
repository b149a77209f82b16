"""The server under attack: `biogate run` as a process of its own, watched from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from cryptography import x509

from attack import wire
from attack.client import NAMESPACE_ARRAY, Channel, Session
from attack.secure import (
    SIGN_AND_ENCRYPT,
    Identity,
    key_set,
    make_identity,
    new_key,
    thumbprint,
)
from attack.wire import array, f64, node, read_id, u32

SITE = Path(__file__).with_name("site.yaml")
USERS = ("operator", "engineer", "observer", "admin", "victim", "gone")
PASSWORDS = {name: f"battery-{name}-1" for name in USERS}
NAMESPACES = {"": "urn:battery:attack", "plant": "urn:battery:attack:plant"}
_READY_S = 60.0


ISSUER, SERVER_URI = "https://login.battery.example", "urn:battery:attack:server"
ISSUER_KEY = new_key(2048, 11)
USER = make_identity("certified", uri=None, key=new_key(2048, 12))
"""Whose key signs issued tokens, and the certificate of the user `certified`."""


def _write_site(folder: Path) -> Path:
    """The site file with what is made anew each time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "issuer-keys.json").write_text(key_set(ISSUER_KEY))
    site = folder / "site.yaml"
    site.write_text(SITE.read_text().replace("@THUMBPRINT@", thumbprint(USER.der).hex()))
    return site


class StartError(Exception):
    """The server did not start; the message has what it said."""


@dataclass
class Target:
    """A running server and what an attacker who has an account on it knows."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int = 0
    certificate: Any = None
    identity: Identity = field(default_factory=lambda: make_identity("trusted"))
    namespaces: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, data: Path) -> Self:
        """Start it in the folder `data`, where its state goes. Raises StartError."""
        site = _write_site(data / "site")
        secrets = {f"BIOGATE_PASSWORD_{k.upper()}": v for k, v in PASSWORDS.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "biogate", "run", str(site), "--quiet", "--data", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **secrets},
        )
        target = cls(process, data)
        for folder, identity in (("trusted", target.identity), ("trustedUser", USER)):
            trusted = data / "pki" / folder / "certs"
            trusted.mkdir(parents=True, exist_ok=True)
            (trusted / "attack.der").write_bytes(identity.der)
        try:
            target._wait_until_ready()
            target._look_around()
        except BaseException:
            target.stop()
            raise
        return target

    def _wait_until_ready(self) -> None:
        ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._collect_errors, daemon=True),
            threading.Thread(target=self._read_output, args=(ready,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if not ready.wait(_READY_S) or not self.port:
            raise StartError("\n".join(self.errors[-5:]) or f"no endpoint after {_READY_S:.0f} s")

    def _read_output(self, ready: threading.Event) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if match := re.search(rb"endpoint: opc\.tcp://[^:]+:(\d+)", line):
                self.port = int(match[1])
            if line.startswith(b"Ctrl-C"):
                ready.set()
        ready.set()

    def _collect_errors(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())

    def _look_around(self) -> None:
        der = (self.data / "pki" / "own" / "certs" / "application.der").read_bytes()
        self.certificate = x509.load_der_x509_certificate(der)
        with self.channel() as channel:
            value = read(channel.login(), NAMESPACE_ARRAY)
        self.namespaces = {name: value.index(uri) for name, uri in NAMESPACES.items()}

    # -- the attacker's tools ---------------------------------------------------------------------

    def wire(self, **options: Any) -> Any:
        """A socket, nothing said yet."""
        from attack.client import Wire

        return Wire(self.port, **options)

    def channel(
        self,
        policy: str | None = "Basic256Sha256",
        mode: int = SIGN_AND_ENCRYPT,
        identity: Identity | None = None,
        **options: Any,
    ) -> Channel:
        """An open channel of the trusted client, or of `identity`."""
        return self.unopened(policy, mode, identity, **options).connect()

    def unopened(
        self,
        policy: str | None = "Basic256Sha256",
        mode: int = SIGN_AND_ENCRYPT,
        identity: Identity | None = None,
        **options: Any,
    ) -> Channel:
        """A channel on which nothing has been said."""
        who = identity or self.identity
        return Channel(self.port, self.certificate, who, policy, mode, **options)

    def session(self, user: str | None = None, **options: Any) -> Session:
        """An activated session on a channel of its own.

        `certified` logs in by certificate: to check a password takes its time, and 64 MiB.
        """
        channel = self.channel(**options)
        if user != "certified":
            return channel.login(user, PASSWORDS.get(user or "", ""))
        session = channel.create_session()
        session.activate_as(USER)
        return session

    def node(self, key: str, where: str = "") -> bytes:
        """A NodeId of the site's nodes, or of its plant."""
        return node(key, self.namespaces[where])

    # -- watching ---------------------------------------------------------------------------------

    def resident_mib(self) -> float:
        """Resident memory of the server, processes of its zones included."""
        total = 0
        top = psutil.Process(self.process.pid)
        for each in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                if "biogate.sim" not in " ".join(each.cmdline()):
                    total += each.memory_info().rss
        return total / 2**20

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """End it as a user would; the exit status."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        status = self.process.wait()
        for reader in self._readers:
            reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return status


def read(session: Session, node_id: bytes, attribute: int = 13) -> Any:
    """One value."""
    parameters = f64(0.0) + u32(3) + array([read_id(node_id, attribute)])
    return session.ask("ReadRequest", parameters).Results[0].Value.Value


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait for what another process will do, at most so long."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


__all__ = ["PASSWORDS", "SITE", "StartError", "Target", "read", "until", "wire"]
