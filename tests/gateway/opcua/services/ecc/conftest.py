"""A client of the ECC policies, written from the standard, and a front end that offers them.

It shares nothing with what it tests: services are encoded by asyncua, keys and signatures come
from `cryptography`, HKDF and the EccEncryptedSecret are put together here byte by byte (Part 6,
6.7.2 and 6.8; Part 4, 7.40.2.5; RFC 5869).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import Closed, RequestReceived
from biogate_security.key_kinds import CURVES
from biogate_security.pki import Pki

PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
CLIENT_URI = "urn:test:ecc-client"
SIGN, ENCRYPT = 2, 3


@dataclass(frozen=True)
class Suite:
    """What a policy prescribes: curve, hash, and lengths in bytes (Part 7)."""

    name: str
    curve: ec.EllipticCurve
    hash: Any
    hash_name: str
    field: int
    signing: int
    encrypting: int

    @property
    def uri(self) -> str:
        return PREFIX + self.name


SUITES = {
    "ECC_nistP256": Suite("ECC_nistP256", ec.SECP256R1(), hashes.SHA256(), "sha256", 32, 32, 16),
    "ECC_nistP384": Suite("ECC_nistP384", ec.SECP384R1(), hashes.SHA384(), "sha384", 48, 48, 32),
    "ECC_brainpoolP256r1": Suite(
        "ECC_brainpoolP256r1", ec.BrainpoolP256R1(), hashes.SHA256(), "sha256", 32, 32, 16
    ),
    "ECC_brainpoolP384r1": Suite(
        "ECC_brainpoolP384r1", ec.BrainpoolP384R1(), hashes.SHA384(), "sha384", 48, 48, 32
    ),
}


def hkdf(hash_name: str, secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, 2.2 and 2.3."""
    extracted = hmac.digest(salt, secret, hash_name)
    made = block = b""
    counter = 0
    while len(made) < size:
        counter += 1
        block = hmac.digest(extracted, block + info + bytes((counter,)), hash_name)
        made += block
    return made[:size]


def point(suite: Suite, key: Any) -> bytes:
    """x and y of a public key."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(suite.field, "big") + numbers.y.to_bytes(suite.field, "big")


def shared(suite: Suite, key: Any, other: bytes) -> bytes:
    """The x that two keys share."""
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(other[: suite.field], "big"),
        int.from_bytes(other[suite.field :], "big"),
        suite.curve,
    )
    return key.exchange(ec.ECDH(), numbers.public_key())


def ecdsa(suite: Suite, key: Any, data: bytes) -> bytes:
    """r and s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(suite.hash)))
    return r.to_bytes(suite.field, "big") + s.to_bytes(suite.field, "big")


def check_ecdsa(suite: Suite, key: Any, data: bytes, signature: bytes) -> None:
    """Raises InvalidSignature."""
    assert len(signature) == 2 * suite.field
    r = int.from_bytes(signature[: suite.field], "big")
    s = int.from_bytes(signature[suite.field :], "big")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(suite.hash))


def text(value: str | bytes | None) -> bytes:
    """A String or ByteString on the wire."""
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<i", len(data)) + data


@dataclass(frozen=True)
class Identity:
    """A certificate with its key."""

    der: bytes
    key: Any


def make_identity(key: Any, name: str = "client", uri: str = CLIENT_URI) -> Identity:
    """A self-signed application instance certificate (Part 6, 6.2.2)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    rsa_uses = isinstance(key, rsa.RSAPrivateKey)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=rsa_uses, key_encipherment=rsa_uses,
        data_encipherment=rsa_uses, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate.public_bytes(Encoding.DER), key)


class Keys:
    """One direction of a channel."""

    def __init__(self, suite: Suite, secret: bytes, label: bytes, nonces: bytes) -> None:
        size = suite.signing + suite.encrypting + 16
        salt = struct.pack("<H", size) + label + nonces
        made = hkdf(suite.hash_name, secret, salt, salt, size)
        self.suite = suite
        self.signing, rest = made[: suite.signing], made[suite.signing :]
        self.encrypting, self.vector = rest[: suite.encrypting], rest[suite.encrypting :]

    def sign(self, data: bytes) -> bytes:
        return hmac.digest(self.signing, data, self.suite.hash_name)

    def cipher(self) -> Cipher[Any]:
        return Cipher(algorithms.AES(self.encrypting), modes.CBC(self.vector))


@dataclass(eq=False)
class Wire:
    """A connection to a front end without a socket; the dispatcher's handle, too."""

    front_end: Any
    clock: Callable[[], float]
    events: list[Any] = field(default_factory=list)
    writable: bool = True
    max_response_size: int = 1 << 20

    def __post_init__(self) -> None:
        config = self.front_end.listener.config
        self.connection = ServerConnection(config, self.clock, "127.0.0.1:50000")

    @property
    def channel(self) -> Any:
        return self.connection.channel

    def send(self, data: bytes) -> bytes:
        """What the server sends at once."""
        self.connection.feed(data)
        while self.connection.waiting:
            event = self.connection.advance()
            if event is not None:
                self.events.append(event)
            if isinstance(event, RequestReceived):
                self.front_end.dispatcher.on_request(
                    self, event.channel, event.request_id, event.message
                )
        return self.connection.data_to_send()

    def respond(self, request_id: int, body: bytes) -> None:
        self.connection.send_response(request_id, body)

    def set_session_active(self, active: bool) -> None:
        self.connection.session_active = active

    def close(self, status: int, reason: str = "") -> None:
        self.connection.close(status, reason)

    @property
    def refusal(self) -> int:
        """The status that the connection ended with."""
        (closed,) = (event for event in self.events if isinstance(event, Closed))
        return closed.status


class RefusedError(Exception):
    """An ERR message; `args` are its status and reason."""


class EccClient:
    """One connection; `server_key` is the public key of the server's certificate."""

    def __init__(
        self, wire: Wire, suite: Suite, identity: Identity, server_der: bytes, mode: int = ENCRYPT
    ) -> None:
        self.wire, self.suite, self.identity, self.mode = wire, suite, identity, mode
        self.server_der = server_der
        self.server_key = x509.load_der_x509_certificate(server_der).public_key()
        self.channel_id = self.token_id = 0
        self.next_number = self.expected_number = 0
        self.request_id = 0
        self.sending: Keys | None = None
        self.receiving: Keys | None = None
        self.authentication_token = ua.NodeId()
        self.nonce = b""
        self.receiver_key = b""
        sizes = struct.pack("<5I", 0, 65536, 65536, 0, 0)
        self.wire.send(b"HELF" + struct.pack("<I", 32) + sizes + struct.pack("<I", 0))

    # -- OpenSecureChannel ----------------------------------------------------------------------

    def number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

    def open_body(self, nonce: bytes, kind: int = 0) -> bytes:
        parameters = ua.OpenSecureChannelParameters(
            RequestType=ua.SecurityTokenRequestType(kind),
            SecurityMode=ua.MessageSecurityMode(self.mode),
            ClientNonce=nonce,
            RequestedLifetime=60_000,
        )
        return struct_to_binary(ua.OpenSecureChannelRequest(Parameters=parameters))

    def open_frame(
        self,
        nonce: bytes,
        kind: int = 0,
        *,
        uri: str | None = None,
        thumbprint: bytes | None = None,
        after: bytes = b"",
        signer: Any = None,
    ) -> bytes:
        """An OPN chunk: headers, sequence header, body, signature; nothing is encrypted."""
        known = x509.load_der_x509_certificate(self.server_der).fingerprint(hashes.SHA1())
        header = struct.pack("<I", self.channel_id) + text(uri or self.suite.uri)
        header += text(self.identity.der) + text(known if thumbprint is None else thumbprint)
        body = struct.pack("<II", self.number(), 1) + self.open_body(nonce, kind) + after
        size = 8 + len(header) + len(body) + 2 * self.suite.field
        signed = b"OPNF" + struct.pack("<I", size) + header + body
        return signed + ecdsa(self.suite, signer or self.identity.key, signed)

    def open(self, kind: int = 0, after: bytes = b"") -> Any:
        """Open or renew; the OpenSecureChannelResult."""
        own = ec.generate_private_key(self.suite.curve)
        nonce = point(self.suite, own)
        return self.take_open(own, self.wire.send(self.open_frame(nonce, kind, after=after)))

    def take_open(self, own: Any, answer: bytes) -> Any:
        """Verify the response and make the keys of the new token."""
        raise_refused(answer)
        assert answer[:4] == b"OPNF"
        signed, signature = answer[: -2 * self.suite.field], answer[-2 * self.suite.field :]
        check_ecdsa(self.suite, self.server_key, signed, signature)
        rest = Buffer(signed[12:])
        assert rest.read(struct.unpack("<i", rest.read(4))[0]).decode() == self.suite.uri
        assert rest.read(struct.unpack("<i", rest.read(4))[0]) == self.server_der
        own_print = x509.load_der_x509_certificate(self.identity.der).fingerprint(hashes.SHA1())
        assert rest.read(struct.unpack("<i", rest.read(4))[0]) == own_print
        self.take_number(rest)
        nodeid_from_binary(rest.copy())
        result = struct_from_binary(ua.OpenSecureChannelResponse, rest).Parameters
        assert len(rest) == 0
        theirs, mine = result.ServerNonce, point(self.suite, own)
        secret = shared(self.suite, own, theirs)
        self.sending = Keys(self.suite, secret, b"opcua-client", mine + theirs)
        self.receiving = Keys(self.suite, secret, b"opcua-server", theirs + mine)
        self.channel_id = result.SecurityToken.ChannelId
        self.token_id = result.SecurityToken.TokenId
        return result

    def take_number(self, data: Buffer) -> int:
        number, request_id = struct.unpack("<II", data.read(8))
        assert number == self.expected_number
        self.expected_number = (number + 1) % (1 << 32)
        return int(request_id)

    # -- messages -------------------------------------------------------------------------------

    def message(self, body: bytes, keys: Keys | None = None, token_id: int | None = None) -> bytes:
        """A MSG chunk."""
        keys = keys or self.sending
        assert keys is not None
        self.request_id += 1
        plain = struct.pack("<II", self.number(), self.request_id) + body
        fill = -(len(plain) + 1 + self.suite.signing) % 16 if self.mode == ENCRYPT else -1
        plain += bytes((fill,)) * (fill + 1) if fill >= 0 else b""
        size = 16 + len(plain) + self.suite.signing
        token = self.token_id if token_id is None else token_id
        head = b"MSGF" + struct.pack("<III", size, self.channel_id, token)
        whole = plain + keys.sign(head + plain)
        if self.mode == ENCRYPT:
            whole = keys.cipher().encryptor().update(whole)
        return head + whole

    def read_message(self, answer: bytes) -> Any:
        """The response in a MSG chunk."""
        raise_refused(answer)
        assert answer[:4] == b"MSGF"
        keys = self.receiving
        assert keys is not None
        head, plain = answer[:16], answer[16:]
        if self.mode == ENCRYPT:
            plain = keys.cipher().decryptor().update(plain)
        plain, signature = plain[: -self.suite.signing], plain[-self.suite.signing :]
        assert hmac.compare_digest(signature, keys.sign(head + plain))
        if self.mode == ENCRYPT:
            assert plain[-plain[-1] - 1 :] == bytes((plain[-1],)) * (plain[-1] + 1)
            plain = plain[: -plain[-1] - 1]
        data = Buffer(plain)
        assert self.take_number(data) == self.request_id
        kind = nodeid_from_binary(data.copy())
        structure = next(
            known
            for type_id, known in ua.extension_objects_by_typeid.items()
            if type_id == kind and known.__name__.endswith(("Response", "Fault"))
        )
        return struct_from_binary(structure, data)

    async def ask(self, request: Any, additional: Any = None) -> Any:
        """Send a request and wait for its response."""
        request.RequestHeader = ua.RequestHeader(
            AuthenticationToken=self.authentication_token, RequestHandle=9
        )
        if additional is not None:
            request.RequestHeader.AdditionalHeader = additional
        return await self.ask_bytes(struct_to_binary(request))

    async def ask_bytes(self, body: bytes) -> Any:
        answer = self.wire.send(self.message(body))
        async with asyncio.timeout(5):
            while not answer:
                await asyncio.sleep(0)
                answer = self.wire.connection.data_to_send()
        return self.read_message(answer)

    # -- sessions -------------------------------------------------------------------------------

    async def create_session(self, key_policy: str | None = "own", **changes: Any) -> Any:
        """CreateSession; keeps the nonce and the key that came, after checking its signature."""
        nonce = secrets.token_bytes(32)
        request = ua.CreateSessionRequest()
        request.Parameters = ua.CreateSessionParameters(
            ClientDescription=ua.ApplicationDescription(ApplicationUri=CLIENT_URI),
            ClientCertificate=self.identity.der,
            ClientNonce=nonce,
            SessionName="ecc",
            RequestedSessionTimeout=60_000.0,
        )
        response = await self.ask(
            request, asking(self.suite.uri if key_policy == "own" else key_policy)
        )
        if response.ResponseHeader.ServiceResult.is_good():
            result = response.Parameters
            assert result.ServerCertificate == self.server_der
            signed = self.identity.der + nonce
            assert result.ServerSignature.Algorithm is None
            check_ecdsa(self.suite, self.server_key, signed, result.ServerSignature.Signature)
            self.authentication_token, self.nonce = result.AuthenticationToken, result.ServerNonce
            self.take_key(response.ResponseHeader)
        return response

    def take_key(self, header: Any) -> Any:
        """The ECDHKey of a response, if there is one: a key's signature is checked."""
        answer = ecdh_key(header)
        if isinstance(answer, ua.EphemeralKeyType):
            assert len(answer.PublicKey) == 2 * self.suite.field
            check_ecdsa(self.suite, self.server_key, answer.PublicKey, answer.Signature)
            self.receiver_key = answer.PublicKey
        return answer

    def signature(self, key: Any = None, suite: Suite | None = None) -> Any:
        """Over the server's certificate and nonce."""
        signed = self.server_der + self.nonce
        made = ecdsa(suite or self.suite, key or self.identity.key, signed)
        return ua.SignatureData(Algorithm=None, Signature=made)

    async def activate(
        self, token: Any, key_policy: str | None = None, user_signature: Any = None
    ) -> Any:
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = token
        request.Parameters.ClientSignature = self.signature()
        if user_signature is not None:
            request.Parameters.UserTokenSignature = user_signature
        response = await self.ask(request, asking(key_policy))
        if not response.ResponseHeader.ServiceResult.is_bad():
            self.nonce = response.Parameters.ServerNonce
            self.take_key(response.ResponseHeader)
        return response

    def password(self, secret: bytes, user: str = "operator", **changes: Any) -> Any:
        return ua.UserNameIdentityToken(
            PolicyId=f"username_{self.suite.name.lower()}",
            UserName=user,
            Password=self.envelope(secret, **changes),
            EncryptionAlgorithm=None,
        )

    def envelope(self, secret: bytes, **changes: Any) -> bytes:
        """An EccEncryptedSecret."""
        return make_envelope(
            self.suite, secret, self.nonce, self.receiver_key, self.identity.key, **changes
        )


def asking(uri: str | None) -> Any:
    """The AdditionalHeader that asks for a key."""
    if uri is None:
        return None
    value = ua.Variant(uri, ua.VariantType.String)
    pair = ua.KeyValuePair(Key=ua.QualifiedName("ECDHPolicyUri"), Value=value)
    return ua.AdditionalParametersType(Parameters=[pair])


def ecdh_key(header: Any) -> Any:
    """What a response says of the key: EphemeralKeyType, StatusCode, or None."""
    additional = header.AdditionalHeader
    if not isinstance(additional, ua.AdditionalParametersType):
        return None
    (pair,) = additional.Parameters
    assert pair.Key == ua.QualifiedName("ECDHKey", 0)
    return pair.Value.Value


def make_envelope(
    suite: Suite,
    secret: bytes,
    nonce: bytes,
    receiver: bytes,
    signer: Any,
    *,
    type_id: bytes = b"\x01\x00" + struct.pack("<H", 17546),
    uri: str | None = None,
    certificate: bytes | None = None,
    padding: int | None = None,
    sender: bytes | None = None,
    key_data_size: int | None = None,
) -> bytes:
    """An EccEncryptedSecret as Part 4, 7.40.2.3 and 7.40.2.5 lay it out, or almost."""
    own = ec.generate_private_key(suite.curve)
    mine = point(suite, own)
    salt = struct.pack("<H", suite.encrypting + 16) + b"opcua-secret" + mine + receiver
    made = hkdf(suite.hash_name, shared(suite, own, receiver), salt, salt, suite.encrypting + 16)
    payload = text(nonce) + text(secret)
    size = -(len(payload) + 2) % 16
    if size + len(secret) < 16:
        size += 16
    payload += bytes(((size if padding is None else padding) & 0xFF,)) * size
    payload += struct.pack("<H", size)
    cipher = Cipher(algorithms.AES(made[:-16]), modes.CBC(made[-16:]))
    key_data = text(sender or mine) + text(receiver)
    body = text(uri or suite.uri) + text(certificate) + struct.pack("<q", 1)
    body += struct.pack("<H", len(key_data) if key_data_size is None else key_data_size)
    body += key_data + cipher.encryptor().update(payload)
    head = type_id + b"\x01" + struct.pack("<I", len(body) + 2 * suite.field)
    return head + body + ecdsa(suite, signer, head + body)


def raise_refused(answer: bytes) -> None:
    if answer[:3] == b"ERR":
        status, length = struct.unpack_from("<II", answer, 8)
        raise RefusedError(status, answer[16 : 16 + length].decode())


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The server's certificates, one for each kind of key; it trusts every self-signed one."""
    return Pki.open(
        tmp_path_factory.mktemp("ecc-server-pki"),
        "urn:test:biogate",
        ["127.0.0.1"],
        curves=tuple(CURVES.values()),
        auto_trust=True,
    )


@pytest.fixture(scope="session")
def identities() -> dict[str, Identity]:
    """The client's certificates by policy, and an "RSA" one."""
    made = {
        name: make_identity(ec.generate_private_key(suite.curve), name)
        for name, suite in SUITES.items()
    }
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {**made, "RSA": make_identity(key, "rsa")}


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> Suite:
    """Each policy."""
    return SUITES[request.param]


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    return make_bench(
        security=("None", "Basic256Sha256", *SUITES), user_certificates=True, issued_tokens="{}"
    )


class Lab:
    """Makes clients of `bench`, and has the tools that tests take things apart with."""

    suites = SUITES
    refused = RefusedError
    make_envelope = staticmethod(make_envelope)
    make_identity = staticmethod(make_identity)
    hkdf = staticmethod(hkdf)
    point = staticmethod(point)
    text = staticmethod(text)
    ecdh_key = staticmethod(ecdh_key)
    asking = staticmethod(asking)
    ecdsa = staticmethod(ecdsa)

    def __init__(self, bench: Any, pki: Pki, identities: dict[str, Identity]) -> None:
        self.bench, self.pki, self.identities = bench, pki, identities

    def client(
        self, suite: Suite, mode: int = ENCRYPT, identity: Identity | None = None
    ) -> EccClient:
        """A client that has said Hello."""
        wire = Wire(self.bench.front_end, self.bench.clock)
        own = self.pki.certificate_of(suite.name.removeprefix("ECC_"))
        return EccClient(wire, suite, identity or self.identities[suite.name], own, mode)


@pytest.fixture
def lab(bench: Any, pki: Pki, identities: dict[str, Identity]) -> Lab:
    return Lab(bench, pki, identities)


@pytest.fixture
def p256() -> Suite:
    return SUITES["ECC_nistP256"]
