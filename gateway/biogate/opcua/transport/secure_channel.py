"""An open channel: its tokens and the security of MSG and CLO (Part 6, 6.7; Part 4, 5.6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct

from biogate.opcua.stack import StatusCodes
from biogate.opcua.transport.asymmetric import (
    SEQUENCE_HEADER,
    Peer,
    padding,
    padding_start,
)
from biogate.opcua.transport.framing import (
    CONTINUED,
    FINAL,
    HEADER_SIZE,
    TransportError,
)
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import (
    SIGN_AND_ENCRYPT,
    CryptographyError,
    SecurityPolicy,
    SymmetricKeys,
)
from biogate.opcua.transport.symmetric import AES_BLOCK

_head = Struct("<3scIIIII")
"""Message type, chunk type, size, SecureChannelId, TokenId, SequenceNumber, RequestId."""
_channel_and_token = Struct("<II")
_CLEAR = HEADER_SIZE + _channel_and_token.size
"""So many bytes of a chunk are never encrypted."""
_OVERLAP = 1.25
_MAX_TOKENS = 4


@dataclass(frozen=True, slots=True)
class SecurityToken:
    """Keys for one lifetime of a channel; times are monotonic seconds, keys None without security.

    `receiving` are the client's keys, `sending` the server's. `expires_s` is the end of its
    lifetime; `ends_s`, a quarter later, is when messages under it are no longer accepted.
    """

    token_id: int
    created_s: float
    lifetime_s: float
    receiving: SymmetricKeys | None
    sending: SymmetricKeys | None
    expires_s: float = field(init=False)
    ends_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_s", self.created_s + self.lifetime_s)
        object.__setattr__(self, "ends_s", self.created_s + _OVERLAP * self.lifetime_s)


class SecureChannel:
    """An open channel: takes the security off received chunks and puts it on sent ones.

    Sent chunks are of `chunk_size` bytes at most, so that each carries up to `max_body` bytes of
    its message.
    """

    def __init__(
        self,
        info: ChannelInfo,
        policy: SecurityPolicy | None,
        peer: Peer | None,
        chunk_size: int,
    ) -> None:
        self.info = info
        self.policy = policy
        self.peer = peer
        self.client_nonce = b""
        self._encrypted = info.security_mode == SIGN_AND_ENCRYPT
        self._signature_size = policy.signing_key_length if policy else 0
        self._tokens: dict[int, SecurityToken] = {}
        self._sending: SecurityToken | None = None
        self._first_sequence_number = policy.first_sequence_number if policy else 1
        self._next_sequence_number = self._first_sequence_number
        self.max_body = self._body_size(chunk_size)

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

    def unseal(self, data: bytes, now_s: float) -> tuple[int, int, bytes]:
        """SequenceNumber, RequestId and body of a received MSG or CLO chunk.

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
        keys = token.receiving
        if keys is None:
            plain, start, stop = data, _CLEAR, len(data)
        else:
            plain, start, stop = self._plain(keys, data)
        body = start + SEQUENCE_HEADER.size
        if body > stop:
            raise CryptographyError
        if self._sending is not None and token_id > self._sending.token_id:
            self._sending = token
        return (*SEQUENCE_HEADER.unpack_from(plain, start), plain[body:stop])

    def _plain(self, keys: SymmetricKeys, data: bytes) -> tuple[bytes, int, int]:
        """What was signed, and where the sequence header and what follows it are therein."""
        if self._encrypted:
            plain = keys.decrypt(memoryview(data)[_CLEAR:])
            end = len(plain) - self._signature_size
            if end < 0:
                raise CryptographyError
            keys.verify(plain[end:], data[:_CLEAR], memoryview(plain)[:end])
            return plain, 0, padding_start(plain, end, wide=False)
        end = len(data) - self._signature_size
        if end < _CLEAR:
            raise CryptographyError
        keys.verify(data[end:], memoryview(data)[:end])
        return data, _CLEAR, end

    def next_sequence_number(self) -> int:
        """The number of the next chunk sent; after 2^32 - 1 it starts over as it began."""
        number = self._next_sequence_number
        last = number == 0xFFFF_FFFF
        self._next_sequence_number = self._first_sequence_number if last else number + 1
        return number

    def _body_size(self, chunk_size: int) -> int:
        room = chunk_size - _CLEAR
        if self.policy is None:
            return room - SEQUENCE_HEADER.size
        if self._encrypted:
            room = room // AES_BLOCK * AES_BLOCK - 1  # the PaddingSize byte
        return room - SEQUENCE_HEADER.size - self._signature_size

    def seal(
        self, message_type: bytes, request_id: int, body: bytes, now_s: float
    ) -> Sequence[bytes]:
        """The chunks of a message; what they consist of, to be sent one behind the other."""
        token, size = self._sending, self.max_body
        if token is None or now_s >= token.expires_s:
            self._sending = token = self.newest
        if len(body) <= size:
            return self._sealed(message_type, FINAL, token, request_id, body)
        parts: list[bytes] = []
        for start in range(0, len(body), size):
            last = start + size >= len(body)
            parts += self._sealed(
                message_type,
                FINAL if last else CONTINUED,
                token,
                request_id,
                body[start : start + size],
            )
        return parts

    def _sealed(
        self,
        message_type: bytes,
        chunk_type: bytes,
        token: SecurityToken,
        request_id: int,
        body: bytes,
    ) -> Sequence[bytes]:
        keys, tail, fill = token.sending, 0, b""
        if keys is not None:
            tail = self._signature_size
            if self._encrypted:
                fill = padding(SEQUENCE_HEADER.size + len(body) + tail, AES_BLOCK, wide=False)
        head = _head.pack(
            message_type,
            chunk_type,
            _head.size + len(body) + len(fill) + tail,
            self.info.channel_id,
            token.token_id,
            self.next_sequence_number(),
            request_id,
        )
        if keys is None:
            return head, body
        signature = keys.sign(head, body, fill)
        if self._encrypted:
            return head[:_CLEAR], keys.encrypt(b"".join((head[_CLEAR:], body, fill, signature)))
        return head, body, signature
