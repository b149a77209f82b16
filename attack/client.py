"""A client that can lie: a socket, a secure channel and sessions, every part of which can be wrong.

What goes wrong on the way is `RefusedError`, with the outcome in words: "ERR BadTimeout" (an error
message of the transport), "fault BadSessionIdInvalid" (a ServiceFault), "closed" (the end of the
stream without a word) or "silence" (nothing within the time limit).
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from typing import Any, Self

from attack import wire
from attack.secure import (
    CLIENT_URI,
    NONE,
    POLICIES,
    SIGN_AND_ENCRYPT,
    Identity,
    Keys,
    Policy,
    filled,
    thumbprint,
)
from attack.wire import f64, i32, node, request, text, u32

HELLO = (0, 65_536, 65_536, 16 << 20, 4096)
"""Protocol version, buffers, largest message, most chunks."""


class RefusedError(Exception):
    """The server did not do what was asked for; `outcome` says what it did."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def frame(kind: bytes, body: bytes, chunk: bytes = b"F", size: int | None = None) -> bytes:
    """A frame; `size` is what it says of itself, if not the truth."""
    return struct.pack("<3scI", kind, chunk, 8 + len(body) if size is None else size) + body


def hello(url: str | bytes = "opc.tcp://127.0.0.1", sizes: tuple[int, ...] = HELLO) -> bytes:
    return frame(b"HEL", struct.pack("<5I", *sizes) + text(url))


class Wire:
    """A socket to the server, with a time limit on everything."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", timeout_s: float = 15.0) -> None:
        try:
            self.socket = socket.create_connection(
                ("127.0.0.1", port), timeout_s, source_address=(source, 0)
            )
        except OSError as error:
            raise RefusedError("closed") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout_s = timeout_s
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send; what the server makes of it shows when its answer is read."""
        try:
            self.socket.sendall(data)
        except TimeoutError as error:
            raise RefusedError("silence") from error
        except OSError:
            pass

    def frame(self, timeout_s: float | None = None) -> bytes:
        """The next frame. Raises RefusedError for an ERR, the end of the stream, or silence."""
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        head = self._exactly(8, deadline)
        (size,) = struct.unpack_from("<I", head, 4)
        whole = head + self._exactly(size - 8, deadline)
        if whole[:3] == b"ERR":
            self.reason = whole[12:].decode(errors="replace").lstrip("\0")
            raise RefusedError(f"ERR {wire.status_name(struct.unpack_from('<I', whole, 8)[0])}")
        return whole

    def _exactly(self, size: int, deadline: float) -> bytes:
        while len(self._received) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise RefusedError("silence")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 20)
            except TimeoutError as error:
                raise RefusedError("silence") from error
            except OSError as error:
                raise RefusedError("closed") from error
            if not data:
                raise RefusedError("closed")
            self._received += data
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def end(self, timeout_s: float | None = None) -> str:
        """How the server ends the connection: reads on until it does."""
        try:
            while True:
                self.frame(timeout_s)
        except RefusedError as refused:
            return refused.outcome

    def hello(
        self, url: str | bytes = "opc.tcp://127.0.0.1", sizes: tuple[int, ...] = HELLO
    ) -> None:
        self.send(hello(url, sizes))
        self.frame()


class Channel(Wire):
    """A connection with a secure channel on it, and any number of sessions."""

    def __init__(
        self,
        port: int,
        server_certificate: Any = None,
        identity: Identity | None = None,
        policy: str | None = "Basic256Sha256",
        mode: int = SIGN_AND_ENCRYPT,
        *,
        source: str = "127.0.0.1",
        timeout_s: float = 15.0,
    ) -> None:
        super().__init__(port, source=source, timeout_s=timeout_s)
        self.speak(server_certificate, identity, policy, mode)

    def speak(
        self, server_certificate: Any, identity: Identity | None, policy: str | None, mode: int
    ) -> None:
        """What the channel is to be; nothing is said yet."""
        self.policy: Policy | None = POLICIES[policy] if policy else None
        self.mode = mode if policy else 1
        self.identity = identity
        self.server = server_certificate
        self.channel_id = self.token_id = 0
        self.sequence = self.request_id = 0
        self.keys: tuple[Keys, Keys] | None = None
        self.sent_certificate: bytes | None = None
        self.lifetime_ms = 0

    # -- opening ---------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Hello and OpenSecureChannel; without success the socket is closed."""
        try:
            self.hello()
            self.open()
        except RefusedError:
            self.close()
            raise
        return self

    def open(self, **wrong: Any) -> None:
        """OpenSecureChannel; `wrong` goes to `open_frame`."""
        nonce = wrong.pop("nonce", None)
        if nonce is None:
            nonce = secrets.token_bytes(32) if self.policy else b""
        self.send(self.open_frame(nonce, **wrong))
        self.take_token(self.frame(), nonce)

    def open_frame(
        self,
        nonce: bytes,
        *,
        kind: int = 0,
        lifetime_ms: int = 3_600_000,
        mode: int | None = None,
        policy_uri: str | None = None,
        channel_id: int | None = None,
        receiver: bytes | None = None,
        body: bytes | None = None,
        signer: Any = None,
    ) -> bytes:
        """An OPN frame; `kind` 1 renews."""
        if body is None:
            mode = self.mode if mode is None else mode
            parameters = u32(0) + u32(kind) + u32(mode) + text(nonce) + u32(lifetime_ms)
            body = request("OpenSecureChannelRequest", parameters)
        number, request_id = self._next()
        plain = u32(number) + u32(request_id) + body
        channel_id = self.channel_id if channel_id is None else channel_id
        policy = self.policy
        if policy is None or self.identity is None:
            uri = NONE if policy_uri is None else policy_uri
            return frame(b"OPN", u32(channel_id) + text(uri) + text(None) * 2 + plain)
        public = self.server.public_key()
        certificate = self.sent_certificate or self.identity.der
        thumb = thumbprint(_der(self.server)) if receiver is None else receiver
        clear = u32(channel_id) + text(policy.uri if policy_uri is None else policy_uri)
        clear += text(certificate) + text(thumb)
        signer = signer or self.identity.key
        signature_size = signer.key_size // 8
        block = policy.plain_block(public)
        plain += filled(len(plain) + signature_size, block, wide=public.key_size > 2048)
        size = (len(plain) + signature_size) // block * (public.key_size // 8)
        start = struct.pack("<3scI", b"OPN", b"F", 8 + len(clear) + size) + clear
        return start + policy.encrypt(public, plain + policy.sign(signer, start + plain))

    def take_token(self, whole: bytes, nonce: bytes) -> None:
        """Make use of an OPN response."""
        response = wire.decoded(self._opened(whole)).Parameters
        token = response.SecurityToken
        self.channel_id, self.token_id = token.ChannelId, token.TokenId
        self.lifetime_ms = token.RevisedLifetime
        if self.policy:
            server_nonce = response.ServerNonce
            self.keys = (
                Keys.derive(self.policy, server_nonce, nonce),
                Keys.derive(self.policy, nonce, server_nonce),
            )

    def _opened(self, whole: bytes) -> bytes:
        """The body of an OPN frame from the server."""
        position = 12
        for _ in range(3):
            (length,) = struct.unpack_from("<i", whole, position)
            position += 4 + max(0, length)
        if self.policy is None or self.identity is None:
            return whole[position + 8 :]
        plain = self.policy.decrypt(self.identity.key, whole[position:])
        public = self.server.public_key()
        size = public.key_size // 8
        self.policy.verify(public, plain[-size:], whole[:position] + plain[:-size])
        return plain[8:-size]  # padding behind the structure is not looked at

    def _next(self) -> tuple[int, int]:
        self.sequence = self.sequence % 0xFFFF_FFFF + 1
        self.request_id += 1
        return self.sequence, self.request_id

    # -- chunks ----------------------------------------------------------------------------------

    def chunk(
        self,
        body: bytes,
        kind: bytes = b"MSG",
        chunk: bytes = b"F",
        *,
        sequence: int | None = None,
        request_id: int | None = None,
        token_id: int | None = None,
        channel_id: int | None = None,
        broken: str = "",
    ) -> bytes:
        """A secured chunk; `broken` "mac" or "padding" spoils it."""
        number, own_id = self._next()
        if sequence is not None:
            number = self.sequence = sequence
        number_and_id = u32(number) + u32(own_id if request_id is None else request_id)
        where = u32(self.channel_id if channel_id is None else channel_id)
        where += u32(self.token_id if token_id is None else token_id)
        if self.keys is None:
            return frame(kind, where + number_and_id + body, chunk)
        keys, plain = self.keys[0], number_and_id + body
        encrypted = self.mode == SIGN_AND_ENCRYPT
        if encrypted:
            fill = filled(len(plain) + 32, 16, wide=False)
            plain += b"\xff" * len(fill) if broken == "padding" else fill
        start = struct.pack("<3scI", kind, chunk, 16 + len(plain) + 32) + where
        mac = keys.mac(start + plain)
        if broken == "mac":
            mac = bytes([mac[0] ^ 1]) + mac[1:]
        return start + (keys.encrypt(plain + mac) if encrypted else plain + mac)

    def opened_chunk(self, whole: bytes) -> tuple[bytes, int, bytes]:
        """Chunk type, RequestId and body of a frame from the server."""
        rest = whole[16:]
        if self.keys:
            if self.mode == SIGN_AND_ENCRYPT:
                rest = self.keys[1].decrypt(rest)
                rest = rest[: -32 - 1 - rest[-33]]
            else:
                rest = rest[:-32]
        return whole[3:4], struct.unpack_from("<I", rest, 4)[0], rest[8:]

    # -- requests --------------------------------------------------------------------------------

    def say(self, body: bytes) -> int:
        """Send a request, in chunks if it is long; its RequestId."""
        size, first = 60_000, self.request_id + 1
        pieces = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
        out = [
            self.chunk(piece, chunk=b"F" if i == len(pieces) - 1 else b"C", request_id=first)
            for i, piece in enumerate(pieces)
        ]
        self.send(b"".join(out))
        return first

    def hear(self, timeout_s: float | None = None) -> tuple[int, Any]:
        """RequestId and decoded response. Raises RefusedError; a fault is a response."""
        parts = []
        while True:
            chunk, request_id, body = self.opened_chunk(self.frame(timeout_s))
            parts.append(body)
            if chunk == b"F":
                return request_id, wire.decoded(b"".join(parts))

    def hear_outcome(self, timeout_s: float | None = None) -> str:
        """The next response by its header alone: "Good", or "fault ..."."""
        first = b""
        while True:
            chunk, _, body = self.opened_chunk(self.frame(timeout_s))
            first = first or body
            if chunk == b"F":
                (status,) = struct.unpack_from("<I", first, 4 + 12)
                return f"fault {wire.status_name(status)}" if status else "Good"

    def ask(self, body: bytes, timeout_s: float | None = None) -> Any:
        """The response to a request. Raises RefusedError, for a fault too."""
        wanted = self.say(body)
        while True:
            request_id, response = self.hear(timeout_s)
            if request_id == wanted:
                break
        status = response.ResponseHeader.ServiceResult.value
        if status:
            raise RefusedError(f"fault {wire.status_name(status)}")
        return response

    # -- sessions --------------------------------------------------------------------------------

    def create_session(self, **wrong: Any) -> Session:
        """CreateSession; `wrong` goes to `create_session_body`."""
        response = self.ask(create_session_body(self, **wrong)).Parameters
        return Session(self, response)

    def login(self, user: str | None = None, password: str = "") -> Session:
        """A session, activated."""
        session = self.create_session()
        session.activate(user, password)
        return session


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(certificate.public_bytes(Encoding.DER))


def create_session_body(
    channel: Channel,
    *,
    uri: str = CLIENT_URI,
    name: str | bytes = "attack",
    product: str | bytes = "urn:battery",
    nonce: bytes | None = None,
    certificate: bytes | None = None,
    timeout_ms: float = 60_000.0,
    **fields: Any,
) -> bytes:
    """A CreateSessionRequest (Part 4, 5.7.2)."""
    client = (
        text(uri) + text(product) + b"\x02" + text("attack") + u32(1) + text(None) * 2 + i32(-1)
    )
    own = channel.identity.der if channel.policy and channel.identity else None
    nonce = secrets.token_bytes(32) if nonce is None else nonce
    parameters = client + text(None) + text("opc.tcp://127.0.0.1") + text(name) + text(nonce)
    parameters += text(own if certificate is None else certificate) + f64(timeout_ms) + u32(0)
    return request("CreateSessionRequest", parameters, **fields)


class Session:
    """A session by its secrets; its channel can be exchanged for another one."""

    def __init__(self, channel: Channel, created: Any) -> None:
        self.channel = channel
        self.id = created.SessionId
        self.secret = wire.ua_binary.nodeid_to_binary(created.AuthenticationToken)
        self.nonce: bytes = created.ServerNonce
        self.endpoints = created.ServerEndpoints
        self.certificate: bytes = created.ServerCertificate

    def body(self, message: str, parameters: bytes, **fields: Any) -> bytes:
        """A request of this session."""
        return request(message, parameters, self.secret, **fields)

    def ask(self, message: str, parameters: bytes, **fields: Any) -> Any:
        return self.channel.ask(self.body(message, parameters, **fields))

    def ask_as(self, structure: Any) -> Any:
        """Ask for a request of asyncua's making."""
        token = wire.ua_binary.nodeid_from_binary(wire.Buffer(self.secret))
        structure.RequestHeader.AuthenticationToken = token
        return self.channel.ask(wire.encoded(structure))

    # -- ActivateSession (Part 4, 5.7.3) ---------------------------------------------------------

    def activate(self, user: str | None = None, password: str = "", **wrong: Any) -> None:
        """Log in; `wrong` goes to `activate_body`."""
        token = self.anonymous() if user is None else self.user_token(user, password)
        self.activate_with(token, **wrong)

    def activate_with(self, token: bytes, **wrong: Any) -> None:
        """Log in with an encoded identity token."""
        response = self.channel.ask(self.activate_body(token, **wrong))
        self.nonce = response.Parameters.ServerNonce

    def activate_as(self, user: Identity) -> None:
        """Log in with a user's certificate."""
        policy = self.policy_of(2)
        token = wire.extension(327, text(policy.PolicyId) + text(user.der))
        self.activate_with(token, user_signature=self.signature(user.key))

    def activate_body(
        self, token: bytes, *, signature: bytes | None = None, **fields: Any
    ) -> bytes:
        if signature is None:
            signature = self.signature()
        user_signature = fields.pop("user_signature", text(None) * 2)
        parameters = signature + i32(-1) + i32(-1) + token + user_signature
        return self.body("ActivateSessionRequest", parameters, **fields)

    def signature(self, signer: Any = None, nonce: bytes | None = None) -> bytes:
        """SignatureData over the server's certificate and last nonce."""
        policy, identity = self.channel.policy, self.channel.identity
        if policy is None or identity is None:
            return text(None) * 2
        signed = self.certificate + (self.nonce if nonce is None else nonce)
        return text(policy.signature_uri) + text(policy.sign(signer or identity.key, signed))

    def policy_of(self, token_type: int) -> Any:
        """The UserTokenPolicy of this channel's endpoint."""
        uri = self.channel.policy.uri if self.channel.policy else NONE
        for endpoint in self.endpoints:
            if (endpoint.SecurityPolicyUri, endpoint.SecurityMode) == (uri, self.channel.mode):
                for policy in endpoint.UserIdentityTokens:
                    if policy.TokenType == token_type:
                        return policy
        return None

    def anonymous(self) -> bytes:
        policy = self.policy_of(0)
        return wire.extension(321, text(policy.PolicyId if policy else "anonymous"))

    def user_token(
        self,
        user: str | bytes | None,
        password: str | bytes,
        *,
        policy_id: str | None = None,
        algorithm: str | None = None,
        secret: bytes | None = None,
        nonce: bytes | None = None,
    ) -> bytes:
        """A UserNameIdentityToken, its password encrypted with the server's nonce."""
        policy, security = self.user_policy()
        if secret is None:
            secret = self.encrypted(password, self.nonce if nonce is None else nonce)
        body = text(policy.PolicyId if policy_id is None else policy_id) + text(user) + text(secret)
        return wire.extension(
            324, body + text(security.encryption_uri if algorithm is None else algorithm)
        )

    def user_policy(self) -> tuple[Any, Policy]:
        """The policy for user names, and the security policy that it names."""
        policy = self.policy_of(1)
        uri = policy.SecurityPolicyUri or (self.channel.policy.uri if self.channel.policy else "")
        return policy, POLICIES[uri.rpartition("#")[2]]

    def encrypted(self, password: str | bytes, nonce: bytes) -> bytes:
        """The legacy format of a secret (Part 4, 7.40.2.2)."""
        raw = (password.encode() if isinstance(password, str) else password) + nonce
        return self.user_policy()[1].encrypt(self.channel.server.public_key(), u32(len(raw)) + raw)


NAMESPACE_ARRAY = node(2255)
CURRENT_TIME = node(2258)
