"""What a transport is configured with: limits, deadlines, endpoints and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from secrets import randbelow
from time import perf_counter
from typing import Any, NamedTuple

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import DecodeLimits
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.events import ChannelOpened, Closed
from biogate.opcua.transport.interfaces import CertificateValidator
from biogate_adapters.filetime import now_ticks
from biogate_security.key_kinds import RSA

Endpoint = tuple[str, ua.MessageSecurityMode]
"""Policy URI and mode that a channel may be opened with."""


class OwnKey(NamedTuple):
    """The server's certificate in DER, followed by its issuers if they are sent, and its key."""

    certificate_chain: bytes
    private_key: Any


MINIMUM_BUFFER_SIZE = 8192
"""The smallest buffer that a peer may announce (Part 6, 7.1.2.3), in bytes."""


_OPEN_LIMITS = DecodeLimits(max_depth=10, max_elements=1000)


def _accept_all(_certificate: bytes) -> int:
    return StatusCodes.Good


def _admit_all(_address: str) -> bool:
    return True


def _watch_nothing(_address: str, _event: ChannelOpened | Closed) -> None:
    return


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """Sizes in bytes, times in seconds, token lifetimes in milliseconds, wall time in ticks.

    `certificate_chain` is the server's own RSA certificate in DER, followed by its issuers if
    they are to be sent; `curve_keys` are those of other kinds, by the kind's name. Channels
    without security open even if no endpoint offers them, for discovery (Part 4, 5.5.4), unless
    `discovery` is False. Until a session is active on it a connection is held to the
    `pre_session` limits. All connections together are served for `slice_s` in each pass of the
    event loop, measured by `work_clock`. A client that has had more than `write_high_water` bytes
    to read, and has not caught up after `reading_timeout_s`, is dropped.
    `listen` False: connections are only opened from this side (Reverse Connect), where the client
    has `reverse_timeout_s` to use one. Others come from a host that `admit_address` lets in, which
    may have `max_unused_per_host` connections without a session.
    `watch` is told of channels that open, are refused and close, with the peer's host and port.
    `budget` is for the bytes of incomplete
    messages that all of them hold, beyond the `pre_session_message_size` that each may.
    """

    endpoints: frozenset[Endpoint]
    certificate_chain: bytes = b""
    private_key: Any = None
    curve_keys: Mapping[str, OwnKey] = field(default_factory=dict)
    validate_certificate: CertificateValidator = _accept_all
    discovery: bool = True

    receive_buffer_size: int = 65_536
    send_buffer_size: int = 65_536
    max_message_size: int = 16 << 20
    max_chunk_count: int = 4096
    pre_session_message_size: int = 65_536
    pre_session_chunk_count: int = 64
    max_endpoint_url_length: int = 4096
    max_sent_chain: int = 5120
    open_limits: DecodeLimits = _OPEN_LIMITS

    min_token_lifetime_ms: int = 10_000
    max_token_lifetime_ms: int = 3_600_000
    wall_clock: Callable[[], int] = now_ticks

    open_timeout_s: float = 10.0
    reverse_timeout_s: float = 120.0
    message_timeout_s: float = 30.0
    reading_timeout_s: float = 30.0

    listen: bool = True
    admit_address: Callable[[str], bool] = _admit_all
    watch: Callable[[str, ChannelOpened | Closed], None] = _watch_nothing
    max_connections: int = 200
    max_unused_per_host: int = 50
    write_high_water: int = 1 << 20
    max_unsent: int = 64 << 20
    max_unsent_together: int = 128 << 20
    stop_timeout_s: float = 0.9
    tick_interval_s: float = 0.25
    slice_s: float = 0.005
    work_clock: Callable[[], float] = perf_counter
    budget: ByteBudget = field(default_factory=lambda: ByteBudget(48 << 20))
    channel_ids: Iterator[int] = field(default_factory=lambda: count(randbelow(1 << 30) + 1))

    def own_key(self, kind: str) -> OwnKey:
        """The own certificate and key of a kind. Raises KeyError."""
        own = OwnKey(self.certificate_chain, self.private_key)
        return own if kind == RSA.name else self.curve_keys[kind]
