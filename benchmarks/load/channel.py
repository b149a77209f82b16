"""One connection with its secure channel: blocking, or fed by a selector."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from benchmarks.load import requests, security
from benchmarks.load.answers import (
    HEADER_SIZE,
    Cursor,
    WrongAnswerError,
    check_response,
)
from benchmarks.load.asyncua_types import status_name
from benchmarks.load.requests import Template

BUFFER = 65_535
MAX_MESSAGE = 64 << 20
_HEADER = struct.Struct("<4sIII")  # type and chunk, size, channel, token
_SEQUENCE = struct.Struct("<II")
_PLAIN = struct.Struct("<4sIIIII")
_SEALED_ROOM = BUFFER - 128
_FRAME = struct.Struct("<4sI")
_OPEN_RESPONSE = 449
_OPEN_PLAIN = Template(requests.open_channel(None))
_CLOSE = Template(requests.close_channel())


class Channel:
    """Sends requests and splits what comes in into answers.

    `server_certificate` given means Basic256Sha256 SignAndEncrypt, else None.
    """

    def __init__(self, port: int, server_certificate: bytes | None = None) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}"
        self.server_certificate = server_certificate
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""
        self._parts: list[bytes] = []
        self._sequence = 0
        self._request = 0
        self._ids = (0, 0)
        self._sending: security.Keys | None = None
        self._receiving: security.Keys | None = None
        self._ready: list[tuple[int, bytes]] = []
        try:
            self._hello()
            self._open()
        except BaseException:
            self.socket.close()
            raise

    def _hello(self) -> None:
        url = self.url.encode()
        body = struct.pack("<IIIIIi", 0, BUFFER, BUFFER, MAX_MESSAGE, 0, len(url)) + url
        self.socket.sendall(_FRAME.pack(b"HELF", 8 + len(body)) + body)
        kind, _ = self._one_chunk()
        if kind != b"ACKF":
            raise WrongAnswerError(f"{kind!r} in answer to a Hello")

    def _open(self) -> None:
        certificate = self.server_certificate
        nonce = security.nonce() if certificate else None
        template = _OPEN_PLAIN if nonce is None else Template(requests.open_channel(nonce))
        body = bytes(template.stamped(1))
        sequence = _SEQUENCE.pack(self._next_sequence(), self._next_request())
        if certificate is None:
            policy = security.POLICY_NONE.encode()
            head = struct.pack("<i", len(policy)) + policy + struct.pack("<ii", -1, -1)
            size = 12 + len(head) + len(sequence) + len(body)
            self.socket.sendall(struct.pack("<4sII", b"OPNF", size, 0) + head + sequence + body)
        else:
            header = struct.pack("<4sII", b"OPNF", 0, 0) + security.asymmetric_header(certificate)
            self.socket.sendall(security.seal_open(header, sequence + body, certificate))
        self._opened(nonce)

    def _opened(self, nonce: bytes | None) -> None:
        kind, chunk = self._one_chunk()
        if kind != b"OPNF":
            raise WrongAnswerError(f"{kind!r} in answer to OpenSecureChannel")
        cursor = Cursor(chunk, 12)
        for _ in range(3):
            cursor.byte_string()
        plain = chunk[cursor.at :]
        if nonce is not None and self.server_certificate is not None:
            plain = security.unseal_open(chunk, cursor.at, self.server_certificate)
        check_response(plain[8:], _OPEN_RESPONSE)
        answer = Cursor(plain, _SEQUENCE.size + HEADER_SIZE)
        _version, channel, token, _created, _lifetime = answer.unpack("IIIqI")
        self._ids = (channel, token)
        server_nonce = answer.byte_string()
        if nonce is not None:
            self._sending = security.Keys(server_nonce, nonce)
            self._receiving = security.Keys(nonce, server_nonce)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def sealed(self, template: Template) -> tuple[int, bytes]:
        """The next request's id, which is its RequestHandle too, and its bytes to be sent."""
        number = self._request = self._request + 1
        body = template.stamped(number)
        if self._sending is None and len(body) + _PLAIN.size <= BUFFER:
            self._sequence += 1
            head = _PLAIN.pack(b"MSGF", len(body) + _PLAIN.size, *self._ids, self._sequence, number)
            return number, head + body
        return number, b"".join(self._chunks(memoryview(bytes(body)), number))

    def _chunks(self, body: memoryview, number: int, message: bytes = b"MSG") -> Iterator[bytes]:
        for start in range(0, len(body), _SEALED_ROOM):
            part = body[start : start + _SEALED_ROOM]
            kind = message + (b"F" if start + _SEALED_ROOM >= len(body) else b"C")
            sequence = _SEQUENCE.pack(self._next_sequence(), number)
            if self._sending is not None:
                yield self._sending.seal(_HEADER.pack(kind, 0, *self._ids), sequence, part)
            else:
                size = _PLAIN.size + len(part)
                yield _HEADER.pack(kind, size, *self._ids) + sequence + part

    def ask(self, template: Template, type_id: int) -> bytes:
        """Send one request and wait for its Good answer. Raises WrongAnswerError."""
        number, data = self.sealed(template)
        self.socket.sendall(data)
        while not self._ready:
            self._ready += self.feed(self._receive())
        answered, body = self._ready.pop(0)
        if answered != number:
            raise WrongAnswerError(f"an answer to request {answered}; expected was {number}")
        check_response(body, type_id, number)
        return body

    def receive(self) -> list[tuple[int, bytes]]:
        """Wait for at least one answer; all that have come, as (request id, body)."""
        answers, self._ready = self._ready, []
        while not answers:
            answers = self.feed(self._receive())
        return answers

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The answers that `data` completes. Raises WrongAnswerError for an ERR or ABORT."""
        if self._pending:
            data = self._pending + data
        answers: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= 8:
            kind, size = _FRAME.unpack_from(data, at)
            if end - at < size:
                break
            answer = self._chunk(kind, data[at : at + size])
            if answer is not None:
                answers.append(answer)
            at += size
        self._pending = data[at:]
        return answers

    def _chunk(self, kind: bytes, chunk: bytes) -> tuple[int, bytes] | None:
        if kind not in (b"MSGF", b"MSGC"):
            raise WrongAnswerError(_complaint(kind, chunk))
        if self._receiving is None:
            number, body = _SEQUENCE.unpack_from(chunk, 16)[1], chunk[24:]
        else:
            plain = self._receiving.unseal(chunk, 16)
            number, body = _SEQUENCE.unpack_from(plain)[1], bytes(plain[8:])
        if kind == b"MSGC":
            self._parts.append(body)
            return None
        if self._parts:
            body = b"".join((*self._parts, body))
            self._parts.clear()
        return number, body

    def _receive(self) -> bytes:
        data = self.socket.recv(1 << 20)
        if not data:
            raise WrongAnswerError("the server closed the connection")
        return data

    def _one_chunk(self) -> tuple[bytes, bytes]:
        while len(self._pending) < 8 or len(self._pending) < _FRAME.unpack_from(self._pending)[1]:
            self._pending += self._receive()
        kind, size = _FRAME.unpack_from(self._pending)
        chunk, self._pending = self._pending[:size], self._pending[size:]
        if kind == b"ERRF":
            raise WrongAnswerError(_complaint(kind, chunk))
        return kind, chunk

    def close(self) -> None:
        """CloseSecureChannel, and the connection's end."""
        body = memoryview(bytes(_CLOSE.stamped(0)))
        try:
            self.socket.sendall(b"".join(self._chunks(body, self._next_request(), b"CLO")))
        finally:
            self.socket.close()


def _complaint(kind: bytes, chunk: bytes) -> str:
    if kind == b"ERRF" and len(chunk) >= 12:
        status = struct.unpack_from("<I", chunk, 8)[0]
        return f"the server ended the connection: {status_name(status)}"
    return f"an unexpected chunk {kind!r}"
