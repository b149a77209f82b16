"""Certificates, a clock that tests drive, and a minimal request handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate.opcua.codec import decode_message, encode_message
from biogate.opcua.stack import ua
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.listener import Listener
from biogate.opcua.transport.policies import NONE_URI, POLICIES

MODES = (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt)
NO_SECURITY = (NONE_URI, ua.MessageSecurityMode.None_)
ALL_ENDPOINTS = frozenset({NO_SECURITY} | {(uri, mode) for uri in POLICIES for mode in MODES})


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
