"""An open channel: its tokens and the security of MSG and CLO (Part 6, 6.7; Part 4, 5.6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from biogate.opcua.stack import StatusCodes
from biogate.opcua.transport.asymmetric import (
    SEQUENCE_HEADER,
    Chunk,
    Peer,
    padding,
    without_padding,
)
from biogate.opcua.transport.framing import (
    CONTINUED,
    FINAL,
    HEADER_SIZE,
    TransportError,
    frame_header,
)
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import (
    SIGN_AND_ENCRYPT,
    CryptographyError,
    SecurityPolicy,
    SymmetricKeys,
)

_channel_and_token = Struct("<II")
_SYMMETRIC_HEADER_SIZE = HEADER_SIZE + _channel_and_token.size
_OVERLAP = 1.25
_MAX_TOKENS = 4


@dataclass(frozen=True, slots=True)
class SecurityToken:
    """Keys for one lifetime of a channel; times are monotonic seconds, keys None without security.

    `receiving` are the client's keys, `sending` the server's.
    """

    token_id: int
    created_s: float
    lifetime_s: float
    receiving: SymmetricKeys | None
    sending: SymmetricKeys | None

    @property
    def ends_s(self) -> float:
        """When messages under it are no longer accepted: a quarter past its lifetime."""
        return self.created_s + _OVERLAP * self.lifetime_s


class SecureChannel:
    """An open channel: takes the security off received chunks and puts it on sent ones."""

    def __init__(self, info: ChannelInfo, policy: SecurityPolicy | None, peer: Peer | None) -> None:
        self.info = info
        self.policy = policy
        self.peer = peer
        self.client_nonce = b""
        self._encrypted = info.security_mode == SIGN_AND_ENCRYPT
        self._tokens: dict[int, SecurityToken] = {}
        self._sending: SecurityToken | None = None
        self._last_sequence_number = 0

    @property
    def newest(self) -> SecurityToken:
        """The token issued last."""
        return next(reversed(self._tokens.values()))

    @property
    def next_token_id(self) -> int:
        """The TokenId to issue next."""
        return next(reversed(self._tokens), 0) + 1

    def add_token(self, token: SecurityToken) -> None:
        """Accept `token` from now on; the first one is sent with at once.

        A later one is sent with as soon as the client uses it, or the one before ends its
        lifetime.
        """
        self._tokens[token.token_id] = token
        if self._sending is None:
            self._sending = token
        for old in [t for t in self._tokens if t != self._sending.token_id][: -_MAX_TOKENS + 1]:
            del self._tokens[old]

    def unseal(self, data: bytes, now_s: float) -> Chunk:
        """A received MSG or CLO chunk.

        Raises TransportError for an unknown channel or token, CryptographyError otherwise.
        """
        channel_id, token_id = _channel_and_token.unpack_from(data, HEADER_SIZE)
        if channel_id != self.info.channel_id:
            raise TransportError(
                StatusCodes.BadTcpSecureChannelUnknown,
                "unknown secure channel",
                f"channel {channel_id} on the connection of channel {self.info.channel_id}",
            )
        token = self._tokens.get(token_id)
        if token is None or now_s > token.ends_s:
            raise TransportError(
                StatusCodes.BadSecureChannelTokenUnknown,
                "unknown security token",
                f"token {token_id} is {'unknown' if token is None else 'over its lifetime'}",
            )
        chunk = Chunk.of(self._plain(token.receiving, data))
        if self._sending is not None and token_id > self._sending.token_id:
            self._sending = token
        return chunk

    def _plain(self, keys: SymmetricKeys | None, data: bytes) -> bytes:
        if keys is None:
            return data[_SYMMETRIC_HEADER_SIZE:]
        if self._encrypted:
            head = data[:_SYMMETRIC_HEADER_SIZE]
            data = head + keys.decrypt(memoryview(data)[_SYMMETRIC_HEADER_SIZE:])
        end = len(data) - keys.signature_size
        if end < _SYMMETRIC_HEADER_SIZE:
            raise CryptographyError
        keys.verify(memoryview(data)[:end], data[end:])
        plain = data[_SYMMETRIC_HEADER_SIZE:end]
        return without_padding(plain, wide=False) if self._encrypted else plain

    def next_sequence_number(self) -> int:
        """The number of the next chunk sent; it starts over at 1 after 2^32 - 1."""
        self._last_sequence_number = self._last_sequence_number % 0xFFFF_FFFF + 1
        return self._last_sequence_number

    def body_size(self, chunk_size: int) -> int:
        """How many bytes of a message fit into a chunk of `chunk_size` bytes."""
        room = chunk_size - _SYMMETRIC_HEADER_SIZE
        keys = self.newest.sending
        if keys is None:
            return room - SEQUENCE_HEADER.size
        if self._encrypted:
            room = room // keys.block_size * keys.block_size - 1  # the PaddingSize byte
        return room - SEQUENCE_HEADER.size - keys.signature_size

    def seal(
        self, message_type: bytes, request_id: int, body: bytes, chunk_size: int, now_s: float
    ) -> Iterator[bytes]:
        """The chunks of a message, none larger than `chunk_size`."""
        token = self._token_to_send(now_s)
        size = self.body_size(chunk_size)
        for start in range(0, len(body) or 1, size):
            part = body[start : start + size]
            last = start + size >= len(body)
            plain = SEQUENCE_HEADER.pack(self.next_sequence_number(), request_id) + part
            yield self._sealed(message_type, FINAL if last else CONTINUED, token, plain)

    def _token_to_send(self, now_s: float) -> SecurityToken:
        token = self._sending or self.newest
        if now_s >= token.created_s + token.lifetime_s:
            self._sending = token = self.newest
        return token

    def _sealed(
        self, message_type: bytes, chunk_type: bytes, token: SecurityToken, plain: bytes
    ) -> bytes:
        keys = token.sending
        tail = 0
        if keys is not None:
            tail = keys.signature_size
            if self._encrypted:
                plain += padding(len(plain) + tail, keys.block_size, wide=False)
        size = _SYMMETRIC_HEADER_SIZE + len(plain) + tail
        head = frame_header(message_type, chunk_type, size)
        head += _channel_and_token.pack(self.info.channel_id, token.token_id)
        if keys is None:
            return head + plain
        signature = keys.sign(head + plain)
        if self._encrypted:
            return head + keys.encrypt(plain + signature)
        return head + plain + signature
