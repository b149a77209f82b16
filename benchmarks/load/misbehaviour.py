"""Clients that misbehave, each in one way, and what a server has to do about it."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

from benchmarks.load import requests
from benchmarks.load.answers import HEADER_SIZE, WrongAnswerError
from benchmarks.load.session import Session, Target
from benchmarks.load.subscribers import Subscriber, Tally, Wish
from benchmarks.load.values import read_results

_READ = 634
_NODES = 100
_ALL = 1000
_TIMEOUT_MS = 2_000.0
_ENDS_WITHIN_S = 20.0
_MANY = 200
_SOON = 30
_MESSAGES = 3
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST
_CHANNEL_AT, _TOKEN_AT, _SEQUENCE_AT = 8, 12, 16


@dataclass(frozen=True)
class Visit:
    """One client's visit: `stop` is set when there is no more time for long ones."""

    target: Target
    chance: random.Random
    stop: Event

    def session(self, *, secure: bool = False) -> Session:
        """A session that times out soon after its client is gone."""
        return self.target.connect(secure=secure, timeout_ms=_TIMEOUT_MS)

    def read(self) -> bytes:
        """A request to Read some variables."""
        return requests.read(self.target.variables(_NODES))

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, at most until the end."""
        self.stop.wait(seconds)


class KeptError(Exception):
    """The server kept a connection that it had to end."""


def _must_end(connection: socket.socket, what: str) -> None:
    """Raises KeptError unless the server ends the connection in time; an ERR may come before."""
    connection.settimeout(_ENDS_WITHIN_S)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        raise KeptError(f"after {what} the connection was still open") from None
    finally:
        connection.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def behave(visit: Visit) -> None:
    """Subscribe, take some messages, read, and leave as one should."""
    subscriber = Subscriber(visit.target, Wish(_NODES))
    subscriber.start()
    tally = Tally()
    while tally.messages < _MESSAGES:
        subscriber.receive(tally)
    subscriber.leave()
    with visit.target.connect() as session:
        read_results(session.ask(visit.read(), _READ), HEADER_SIZE, _NODES)


def half_a_hello(visit: Visit) -> None:
    """Say half of a Hello and nothing more."""
    with socket.create_connection(("127.0.0.1", visit.target.port)) as connection:
        connection.sendall(b"HELF\x38\x00")
        visit.wait(visit.chance.uniform(0, 3))


def half_a_message(visit: Visit) -> None:
    """Send half of a request, wait, and go."""
    session = visit.session()
    _, data = session.channel.sealed(session.template(visit.read()))
    session.channel.socket.sendall(data[: visit.chance.randrange(9, len(data))])
    visit.wait(visit.chance.uniform(0, 3))
    session.channel.socket.close()


def garbage(visit: Visit) -> None:
    """Send noise from the first byte on."""
    connection = socket.create_connection(("127.0.0.1", visit.target.port))
    try:
        connection.sendall(os.urandom(4096))
    except ConnectionError:
        connection.close()
    else:
        _must_end(connection, "garbage")


def garbage_in_a_session(visit: Visit) -> None:
    """Send noise where a chunk should begin."""
    session = visit.session()
    session.channel.socket.sendall(b"\xff" + os.urandom(4095))
    _must_end(session.channel.socket, "garbage in a session")


def _altered(visit: Visit, at: int, what: str) -> None:
    session = visit.session()
    data = bytearray(session.channel.sealed(session.template(visit.read()))[1])
    struct.pack_into("<I", data, at, visit.chance.randrange(1 << 30, 1 << 31))
    session.channel.socket.sendall(data)
    _must_end(session.channel.socket, what)


def anothers_channel(visit: Visit) -> None:
    """Send a chunk with a SecureChannelId that is not the connection's (Part 6, 6.7.2.2)."""
    _altered(visit, _CHANNEL_AT, "a chunk with another SecureChannelId")


def unknown_security_token(visit: Visit) -> None:
    """Send a chunk with a TokenId that was never issued (Part 6, 6.7.2.3)."""
    _altered(visit, _TOKEN_AT, "a chunk with an unknown TokenId")


def wrong_sequence_number(visit: Visit) -> None:
    """Send a chunk whose SequenceNumber does not follow (Part 6, 6.7.2.4)."""
    _altered(visit, _SEQUENCE_AT, "a chunk with a wrong SequenceNumber")


def tampered(visit: Visit) -> None:
    """Change one bit of a signed and encrypted chunk."""
    session = visit.session(secure=True)
    data = bytearray(session.channel.sealed(session.template(visit.read()))[1])
    data[visit.chance.randrange(32, len(data))] ^= 1
    session.channel.socket.sendall(data)
    _must_end(session.channel.socket, "a chunk that was tampered with")


def _must_be_refused(session: Session, request: requests.Template, status: str) -> None:
    try:
        session.channel.ask(request, _READ)
    except WrongAnswerError as error:
        if status not in str(error):
            raise
    else:
        raise KeptError(f"a request was served that had to be answered {status}")


def wrong_session_token(visit: Visit) -> None:
    """Ask with a made-up AuthenticationToken; one's own session goes on."""
    with visit.target.connect() as session:
        made_up = session.token[:-16] + os.urandom(16)
        _must_be_refused(session, requests.Template(visit.read(), made_up), "BadSessionIdInvalid")
        session.ask(visit.read(), _READ)


def expired_session(visit: Visit) -> None:
    """Come back to a session after its timeout."""
    session = visit.session()
    visit.wait(2 * _TIMEOUT_MS / 1000)
    if not visit.stop.is_set():
        _must_be_refused(session, session.template(visit.read()), "BadSessionIdInvalid")
    session.channel.socket.close()


def unread(visit: Visit) -> None:
    """Ask for much and read nothing of it."""
    session = visit.session()
    connection, template = session.channel.socket, session.template(visit.read())
    connection.settimeout(1)
    try:
        for _ in range(_MANY):
            connection.sendall(session.channel.sealed(template)[1])
    except OSError:  # the server takes no more: that is its right
        pass
    visit.wait(visit.chance.uniform(0, 5))
    _reset(connection)


def unread_subscription(visit: Visit) -> None:
    """Subscribe to everything, keep Publish requests waiting, and read nothing."""
    subscriber = Subscriber(visit.target, Wish(_ALL))
    subscriber.start()
    visit.wait(visit.chance.uniform(0, 5))
    subscriber.leave()


def gone(visit: Visit) -> None:
    """Subscribe and vanish, with a reset and without a word."""
    subscriber = Subscriber(
        visit.target, Wish(_NODES, lifetime_count=_SOON), timeout_ms=_TIMEOUT_MS
    )
    subscriber.start()
    visit.wait(visit.chance.uniform(0, 0.5))
    _reset(subscriber.channel.socket)


BEHAVIOURS: Mapping[str, Callable[[Visit], None]] = {
    function.__name__.replace("_", " "): function
    for function in (
        behave, half_a_hello, half_a_message, garbage, garbage_in_a_session, anothers_channel,
        unknown_security_token, wrong_sequence_number, tampered, wrong_session_token,
        expired_session, unread, unread_subscription, gone,
    )
}  # fmt: skip
"""What a visit may be. Each raises KeptError, WrongAnswerError or OSError if the server errs."""
