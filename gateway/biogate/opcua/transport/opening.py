"""The steps of OpenSecureChannel, in the order in which they are taken (Part 6, 6.7.4 and 6.7.6).

The certificate is judged before anything is decrypted, and everything is judged before a channel
exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from biogate.opcua.codec import DecodeError, DecodeLimits, decode_message, encode_message
from biogate.opcua.stack import StatusCodes, status_name, ua
from biogate.opcua.transport.asymmetric import (
    SEQUENCE_HEADER,
    AsymmetricHeader,
    Chunk,
    Peer,
    seal_open,
    unseal_open,
)
from biogate.opcua.transport.config import TransportConfig
from biogate.opcua.transport.events import RefusedOpening
from biogate.opcua.transport.framing import TransportError
from biogate.opcua.transport.policies import (
    NONE_URI,
    POLICIES,
    CryptographyError,
    EccPolicy,
    SecurityPolicy,
    leaf_of,
    load_certificate,
    thumbprint_of,
)
from biogate.opcua.transport.secure_channel import SecureChannel, SecurityToken
from biogate_security.key_kinds import RSA
from biogate_security.status import wire_status


def select_policy(config: TransportConfig, uri: str) -> SecurityPolicy | None:
    """The policy of that URI, None for the one without security.

    Raises TransportError with Bad_SecurityPolicyRejected unless it is offered.
    """
    offered = {policy for policy, _ in config.endpoints}
    if uri == NONE_URI and (config.discovery or uri in offered):
        return None
    if uri not in offered or uri not in POLICIES:
        raise TransportError(
            StatusCodes.BadSecurityPolicyRejected,
            "security policy not offered",
            f"policy {uri[:80]!r}",
        )
    return POLICIES[uri]


def identify_peer(
    config: TransportConfig, policy: SecurityPolicy | None, header: AsymmetricHeader
) -> Peer | None:
    """The client by its certificate, once the validator has accepted it; None under policy None.

    Raises TransportError with what the client may know, CryptographyError for anything else.
    """
    if policy is None:
        return None
    own = config.own_key(policy.kind).certificate_chain
    if header.receiver_thumbprint != thumbprint_of(leaf_of(own)):
        raise CryptographyError
    leaf = leaf_of(header.sender_certificate)
    certificate = load_certificate(leaf)
    status = config.validate_certificate(header.sender_certificate)
    if status != StatusCodes.Good:
        raise TransportError(
            wire_status(status),
            "security checks failed",
            f"client certificate: {status_name(status)}",
            certificate_status=status,
        )
    return Peer(leaf, certificate, policy.public_key(certificate))


def refused_opening(frame: bytes, certificate_status: int) -> RefusedOpening:
    """What can be told of an OPN that was refused."""
    try:
        header = AsymmetricHeader.read(frame)
        leaf = leaf_of(header.sender_certificate) if header.sender_certificate else b""
    except (TransportError, DecodeError, CryptographyError):
        return RefusedOpening(certificate_status=certificate_status)
    return RefusedOpening(header.policy_uri, leaf, certificate_status)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """An OpenSecureChannelRequest with the numbers of its chunk."""

    chunk: Chunk
    request: ua.OpenSecureChannelRequest


def read_request(
    config: TransportConfig,
    policy: SecurityPolicy | None,
    peer: Peer | None,
    header: AsymmetricHeader,
    data: bytes,
) -> OpenRequest:
    """Raises TransportError, DecodeError or CryptographyError."""
    private_key = None if policy is None else config.own_key(policy.kind).private_key
    chunk = unseal_open(policy, private_key, peer, data, header.size)
    request = _decoded(chunk.body, config.open_limits, unsealed=isinstance(policy, EccPolicy))
    if not isinstance(request, ua.OpenSecureChannelRequest):
        raise TransportError(
            StatusCodes.BadTcpMessageTypeInvalid,
            "OPN without OpenSecureChannelRequest",
            f"OPN with a {type(request).__name__}",
        )
    return OpenRequest(chunk, request)


def _decoded(body: bytes, limits: DecodeLimits, *, unsealed: bool) -> Any:
    """The structure of an OPN. Raises DecodeError.

    What is not encrypted has no padding (Part 6, 6.7.2.1), but there are clients that sign a
    PaddingSize of 0 all the same.
    """
    try:
        return decode_message(body, limits)
    except DecodeError:
        if not (unsealed and body.endswith(b"\0")):
            raise
    return decode_message(body[:-1], limits)


def check_mode(
    config: TransportConfig, policy: SecurityPolicy | None, mode: ua.MessageSecurityMode
) -> bool:
    """Whether an endpoint offers the mode; without security a channel may do for discovery only.

    Raises TransportError with Bad_SecurityModeRejected.
    """
    offered = (NONE_URI if policy is None else policy.uri, mode) in config.endpoints
    if not offered and not (policy is None and mode == ua.MessageSecurityMode.None_):
        raise TransportError(
            StatusCodes.BadSecurityModeRejected, "security mode not offered", f"mode {mode!r}"
        )
    return offered


def issue_token(
    config: TransportConfig, channel: SecureChannel, opened: OpenRequest, now_s: float
) -> bytes:
    """Adds a token to the channel; the OPN chunk that answers the request with it.

    Raises TransportError with Bad_NonceInvalid.
    """
    parameters = opened.request.Parameters
    client_nonce: bytes = parameters.ClientNonce or b""
    server_nonce = b""
    receiving = sending = None
    if channel.policy is not None:
        length = channel.policy.nonce_length
        if len(client_nonce) != length or client_nonce == channel.client_nonce:
            raise TransportError(StatusCodes.BadNonceInvalid, "client nonce invalid")
        try:
            server_nonce, receiving, sending = channel.policy.agree(client_nonce)
        except CryptographyError:
            raise TransportError(StatusCodes.BadNonceInvalid, "client nonce invalid") from None
    asked_ms = parameters.RequestedLifetime or config.max_token_lifetime_ms
    lifetime_ms = max(config.min_token_lifetime_ms, min(asked_ms, config.max_token_lifetime_ms))
    channel.client_nonce = client_nonce
    token = SecurityToken(channel.next_token_id, now_s, lifetime_ms / 1000, receiving, sending)
    channel.add_token(token)
    response = _response(config, channel, opened, token, server_nonce)
    return _sealed(config, channel, opened.chunk.request_id, encode_message(response))


def _response(
    config: TransportConfig,
    channel: SecureChannel,
    opened: OpenRequest,
    token: SecurityToken,
    server_nonce: bytes,
) -> ua.OpenSecureChannelResponse:
    now = cast(Any, config.wall_clock())
    return ua.OpenSecureChannelResponse(
        ResponseHeader=ua.ResponseHeader(
            Timestamp=now, RequestHandle=opened.request.RequestHeader.RequestHandle
        ),
        Parameters=ua.OpenSecureChannelResult(
            SecurityToken=ua.ChannelSecurityToken(
                ChannelId=cast(Any, channel.info.channel_id),
                TokenId=cast(Any, token.token_id),
                CreatedAt=now,
                RevisedLifetime=cast(Any, round(token.lifetime_s * 1000)),
            ),
            ServerNonce=cast(Any, server_nonce),
        ),
    )


def _sealed(config: TransportConfig, channel: SecureChannel, request_id: int, body: bytes) -> bytes:
    # The answer has to fit into one chunk; issuers that do not fit are left to the client's store.
    plain = SEQUENCE_HEADER.pack(channel.next_sequence_number(), request_id) + body
    chain, key = config.own_key(RSA.name if channel.policy is None else channel.policy.kind)
    own = chain if len(chain) <= config.max_sent_chain else leaf_of(chain)
    return seal_open(channel.policy, key, channel.peer, own, channel.info.channel_id, plain)
