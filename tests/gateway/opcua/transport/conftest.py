"""Certificates, a clock that tests drive, clients made by hand, and a minimal request handler."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate.event_loop import new_event_loop
from biogate.opcua.codec import decode_message, encode_message
from biogate.opcua.stack import ua
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import Closed, RequestReceived
from biogate.opcua.transport.listener import Listener
from biogate.opcua.transport.policies import NONE_URI, RSA_POLICIES

MODES = (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt)
NO_SECURITY = (NONE_URI, ua.MessageSecurityMode.None_)
ALL_ENDPOINTS = frozenset({NO_SECURITY} | {(uri, mode) for uri in RSA_POLICIES for mode in MODES})


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Sockets are tested on both loops that our programs may run on."""
    factories = {"asyncio": asyncio.new_event_loop}
    if find_spec("uvloop") is not None:
        factories["uvloop"] = new_event_loop
    return factories


class Clock:
    """Monotonic seconds that only a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class Application:
    """A self-signed application instance certificate and its key."""

    name: str
    der: bytes
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def uri(self) -> str:
        return f"urn:test:{self.name}"

    def write(self, folder: Any) -> tuple[str, str]:
        """The paths of certificate and key as files, for asyncua's client."""
        certificate, key = folder / f"{self.name}.der", folder / f"{self.name}.pem"
        certificate.write_bytes(self.der)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(certificate), str(key)


def make_application(name: str, bits: int = 2048) -> Application:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), True
    ) | dict.fromkeys(
        ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=10))
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.UniformResourceIdentifier(f"urn:test:{name}"),
                    x509.DNSName("localhost"),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Application(name, certificate.public_bytes(serialization.Encoding.DER), key, certificate)


@pytest.fixture(scope="session")
def server_application() -> Application:
    return make_application("server")


@pytest.fixture(scope="session")
def client_application() -> Application:
    return make_application("client")


@pytest.fixture(scope="session")
def wide_application() -> Application:
    """One with a key of over 2048 bits, so that paddings take their second size byte."""
    return make_application("wide", 3072)


@pytest.fixture(scope="session")
def weak_application() -> Application:
    return make_application("weak", 1024)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_config(server_application: Application) -> Callable[..., TransportConfig]:
    """A TransportConfig with all endpoints, changed by keyword."""

    def make(**changes: Any) -> TransportConfig:
        settings: dict[str, Any] = {
            "endpoints": ALL_ENDPOINTS,
            "certificate_chain": server_application.der,
            "private_key": server_application.key,
        } | changes
        return TransportConfig(**settings)

    return make


class BareClient:
    """A client without security whose frames are put together by hand (Part 6, 7.1.2 and 6.7.2)."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self.events: list[Any] = []
        self.sent = b""
        self.channel_id = 0
        self.token_id = 0
        self.sequence_number = 50

    def send(self, data: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """What the server answers, as frames: message type, chunk type, body."""
        self.server.feed(data)
        while self.server.waiting:
            event = self.server.advance()
            if event is not None:
                self.events.append(event)
        return self.answers()

    def answers(self) -> list[tuple[bytes, bytes, bytes]]:
        data = self.server.data_to_send()
        frames = []
        while data:
            kind, chunk, size = struct.unpack_from("<3scI", data)
            frames.append((kind, chunk, data[8:size]))
            data = data[size:]
        return frames

    @staticmethod
    def frame(kind: bytes, body: bytes, chunk: bytes = b"F") -> bytes:
        return kind + chunk + struct.pack("<I", 8 + len(body)) + body

    def hello(
        self,
        receive: int = 65536,
        send: int = 65536,
        message: int = 0,
        chunks: int = 0,
        url: bytes = b"opc.tcp://h:1",
    ) -> list[tuple[bytes, bytes, bytes]]:
        sizes = struct.pack("<5I", 0, receive, send, message, chunks)
        return self.send(self.frame(b"HEL", sizes + struct.pack("<I", len(url)) + url))

    def sequence(self, request_id: int) -> bytes:
        self.sequence_number += 1
        return struct.pack("<II", self.sequence_number, request_id)

    def open_frame(self, request: Any = None, *, channel_id: int = 0, uri: str = NONE_URI) -> bytes:
        header = struct.pack("<II", channel_id, len(uri)) + uri.encode() + b"\xff" * 8
        body = encode_message(request or self.open_request())
        return self.frame(b"OPN", header + self.sequence(1) + body)

    @staticmethod
    def open_request(kind: int = 0, mode: int = 1, lifetime_ms: int = 60_000) -> Any:
        return ua.OpenSecureChannelRequest(
            RequestHeader=ua.RequestHeader(RequestHandle=7),
            Parameters=ua.OpenSecureChannelParameters(
                RequestType=kind, SecurityMode=mode, RequestedLifetime=lifetime_ms
            ),
        )

    def open(self, **hello: int) -> BareClient:
        """Hello and OpenSecureChannel."""
        self.hello(**hello)
        self.take_token(self.send(self.open_frame()))
        return self

    def renew(self, **parameters: Any) -> None:
        request = self.open_request(1, **parameters)
        self.take_token(self.send(self.open_frame(request, channel_id=self.channel_id)))

    def take_token(self, answers: list[tuple[bytes, bytes, bytes]]) -> Any:
        ((kind, _, body),) = answers
        assert kind == b"OPN", error_of(answers)
        (size,) = struct.unpack_from("<I", body, 4)
        response = decode_message(body[8 + size + 8 + 8 :])
        token = response.Parameters.SecurityToken
        self.channel_id, self.token_id = token.ChannelId, token.TokenId
        return response

    def chunk(
        self,
        body: bytes,
        chunk: bytes = b"F",
        *,
        request_id: int = 9,
        kind: bytes = b"MSG",
        channel_id: int | None = None,
        token_id: int | None = None,
    ) -> bytes:
        head = struct.pack(
            "<II",
            self.channel_id if channel_id is None else channel_id,
            self.token_id if token_id is None else token_id,
        )
        return self.frame(kind, head + self.sequence(request_id) + body, chunk)

    @property
    def requests(self) -> list[RequestReceived]:
        return [event for event in self.events if isinstance(event, RequestReceived)]

    @property
    def closed(self) -> Closed:
        (event,) = (event for event in self.events if isinstance(event, Closed))
        return event


def error_of(answers: list[tuple[bytes, bytes, bytes]]) -> tuple[int, str]:
    """Status and reason of the ERR message that ends `answers`."""
    kind, _, body = answers[-1]
    assert kind == b"ERR"
    status, length = struct.unpack_from("<II", body)
    assert len(body) == 8 + length
    return status, body[8:].decode()


@pytest.fixture
def bare(make_config: Any, clock: Clock) -> Callable[..., BareClient]:
    """A client without security on a new connection, configured by keyword."""
    return lambda **changes: BareClient(
        ServerConnection(make_config(**changes), clock, "192.0.2.1:5")
    )


@pytest.fixture
def error() -> Callable[[Any], tuple[int, str]]:
    return error_of


@dataclass
class Recorder:
    """A RequestHandler that answers GetEndpoints and FindServers, and records everything."""

    server: Application
    url: str = ""
    requests: list[Any] = field(default_factory=list)
    channels: list[Any] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)

    def on_request(self, handle: Any, channel: Any, request_id: int, message: bytes) -> None:
        request = decode_message(message)
        self.requests.append(request)
        self.channels.append(channel)
        response = self.answer(request)
        if response is not None:
            response.ResponseHeader.RequestHandle = request.RequestHeader.RequestHandle
            handle.respond(request_id, encode_message(response))

    def on_closed(self, handle: Any) -> None:
        self.closed.append(handle)

    def answer(self, request: Any) -> Any:
        if isinstance(request, ua.GetEndpointsRequest):
            return ua.GetEndpointsResponse(Endpoints=[self._endpoint(*e) for e in ALL_ENDPOINTS])
        if isinstance(request, ua.FindServersRequest):
            description = ua.ApplicationDescription(ApplicationUri=self.server.uri)
            return ua.FindServersResponse(Servers=[description])
        return None

    def _endpoint(self, uri: str, mode: Any) -> Any:
        return ua.EndpointDescription(
            EndpointUrl=self.url,
            Server=ua.ApplicationDescription(ApplicationUri=self.server.uri),
            ServerCertificate=self.server.der,
            SecurityMode=mode,
            SecurityPolicyUri=uri,
            TransportProfileUri="http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary",
        )


@pytest.fixture
def recorder(server_application: Application) -> Recorder:
    return Recorder(server_application)


@pytest.fixture
async def listen(recorder: Recorder, make_config: Any) -> AsyncIterator[Any]:
    """Starts a Listener on a free port of loopback with the recorder; stops it at the end."""
    listeners = []

    async def start(handler: Any = recorder, **changes: Any) -> Listener:
        listener = Listener("127.0.0.1", 0, make_config(**changes), handler)
        await listener.start()
        handler.url = f"opc.tcp://127.0.0.1:{listener.port}"
        listeners.append(listener)
        return listener

    yield start
    for listener in listeners:
        await listener.stop()
