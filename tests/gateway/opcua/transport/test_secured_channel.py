"""Secured channels against asyncua's client side, without sockets (Part 6, 6.7)."""

from __future__ import annotations

import secrets
import struct
from typing import Any

import pytest
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto import security_policies as theirs
from asyncua.ua import ua_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.codec import encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.asymmetric import Chunk, padding, without_padding
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import Closed, RequestReceived
from biogate.opcua.transport.policies import (
    POLICY_URIS,
    RSA_POLICIES,
    CryptographyError,
    decrypt_secret,
    leaf_of,
    sign_data,
    verify_data,
)

CLASSES = {
    "Basic256Sha256": theirs.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": theirs.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": theirs.SecurityPolicyAes256Sha256RsaPss,
}
SIGN, ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt
GENERIC = (StatusCodes.BadSecurityChecksFailed, "security checks failed")


class SecuredClient:
    """asyncua's half of a secured channel, talking to a ServerConnection."""

    def __init__(
        self,
        server: ServerConnection,
        client: Any,
        server_application: Any,
        policy: str = "Basic256Sha256",
        mode: Any = ENCRYPT,
        issuers: Any = (),
    ) -> None:
        self.server = server
        self.policy = CLASSES[policy](
            server_application.certificate,
            client.certificate,
            client.key,
            mode,
            host_cert_chain=list(issuers),
        )
        self.connection = SecureConnection(self.policy, TransportLimits())
        self.mode = mode
        self.events: list[Any] = []
        sizes = struct.pack("<5I", 0, 65536, 65536, 0, 0)
        self.send(b"HELF" + struct.pack("<I", 32) + sizes + struct.pack("<I", 0))

    def open_frame(self, kind: int = 0, nonce: bytes | None = None) -> tuple[Any, bytes]:
        parameters = ua.OpenSecureChannelParameters(
            RequestType=ua.SecurityTokenRequestType(kind),
            SecurityMode=self.mode,
            ClientNonce=secrets.token_bytes(32) if nonce is None else nonce,
            RequestedLifetime=60_000,
        )
        body = encode_message(ua.OpenSecureChannelRequest(Parameters=parameters))
        frame = self.connection.message_to_binary(body, ua.MessageType.SecureOpen, 1)
        return parameters, frame

    def open(self, kind: int = 0, nonce: bytes | None = None) -> None:
        parameters, frame = self.open_frame(kind, nonce)
        (message,) = self.send(frame)
        response = ua_binary.struct_from_binary(ua.OpenSecureChannelResponse, message.body())
        self.connection.set_channel(
            response.Parameters, parameters.RequestType, parameters.ClientNonce
        )

    def send(self, data: bytes) -> list[Any]:
        self.server.feed(data)
        while self.server.waiting:
            event = self.server.advance()
            if event is not None:
                self.events.append(event)
        return self.answers()

    def answers(self) -> list[Any]:
        """The messages that the server has sent, as asyncua reads them."""
        buffer = Buffer(self.server.data_to_send())
        messages = []
        while len(buffer):
            header = ua_binary.header_from_binary(buffer)
            body = buffer.copy(header.body_size)
            buffer.skip(header.body_size)
            message = self.connection.receive_from_header_and_body(header, body)
            if message is not None:
                messages.append(message)
        return messages

    def message(self, body: bytes, request_id: int = 3) -> bytes:
        return self.connection.message_to_binary(body, ua.MessageType.SecureMessage, request_id)

    @property
    def received(self) -> list[bytes]:
        return [e.message for e in self.events if isinstance(e, RequestReceived)]


@pytest.fixture
def secured(make_config: Any, clock: Any, client_application: Any, server_application: Any) -> Any:
    """A client of a new connection; transport configuration by keyword."""

    def make(
        client: Any = client_application, policy: str = "Basic256Sha256", mode: Any = ENCRYPT,
        server: Any = server_application, issuers: Any = (), **changes: Any,
    ) -> SecuredClient:  # fmt: skip
        keys = {"certificate_chain": server.der, "private_key": server.key}
        connection = ServerConnection(make_config(**(keys | changes)), clock)
        return SecuredClient(connection, client, server, policy, mode, issuers)

    return make


def refusal(client: SecuredClient, data: bytes) -> tuple[int, str]:
    (message,) = client.send(data)
    assert isinstance(message, ua.ErrorMessage)
    return message.Error.value, message.Reason


@pytest.mark.parametrize("policy", CLASSES)
@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_messages_of_every_size_pass_both_ways(secured, policy, mode):
    client = secured(policy=policy, mode=mode, pre_session_message_size=1 << 20)
    client.open()
    for size in (*range(1, 40), 4096, 65_000, 65_536, 300_000):
        body = secrets.token_bytes(size)
        client.send(client.message(body))
        assert client.received[-1] == body
        client.server.send_response(3, body)
        (answer,) = client.answers()
        assert bytes(answer.body()) == body
        assert answer.request_id() == 3


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_chunks_use_the_buffer_and_never_more(secured, mode):
    client = secured(mode=mode, send_buffer_size=8192)
    client.open()
    client.server.send_response(3, bytes(100_000))
    data = client.server.data_to_send()
    sizes = []
    while data:
        (size,) = struct.unpack_from("<I", data, 4)
        sizes.append(size)
        data = data[size:]
    assert max(sizes) <= 8192
    assert min(sizes[:-1]) > 8192 - 32


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_a_renewed_channel_goes_on_with_new_keys(secured, mode):
    client = secured(mode=mode)
    client.open()
    for number in range(3):
        client.open(kind=1)
        client.send(client.message(b"before %d" % number))
        client.connection.revolve_tokens()
        client.send(client.message(b"after %d" % number))
        client.server.send_response(3, b"answer")
        (answer,) = client.answers()
        assert bytes(answer.body()) == b"answer"
    assert client.received[-2:] == [b"before 2", b"after 2"]


@pytest.mark.parametrize("server_bits", [2048, 3072])
@pytest.mark.parametrize("client_bits", [2048, 3072])
def test_keys_of_different_lengths_open_a_channel(
    secured, client_application, server_application, wide_application, client_bits, server_bits
):
    client = secured(
        client=client_application if client_bits == 2048 else wide_application,
        server=server_application if server_bits == 2048 else wide_application,
    )
    client.open()
    client.send(client.message(b"x"))
    assert client.received == [b"x"]


# -- certificates: Part 4, 6.1.3 -------------------------------------------------------------------


def test_the_certificate_is_judged_before_a_channel_opens(secured, client_application):
    seen = []

    def validate(der: bytes) -> int:
        seen.append(der)
        return StatusCodes.BadCertificateUntrusted

    client = secured(validate_certificate=validate)
    assert refusal(client, client.open_frame()[1]) == GENERIC
    assert seen == [client_application.der]
    assert client.server.channel is None
    (event,) = client.events
    assert "BadCertificateUntrusted" in event.detail


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (StatusCodes.BadCertificateTimeInvalid, StatusCodes.BadCertificateTimeInvalid),
        (
            StatusCodes.BadCertificateIssuerTimeInvalid,
            StatusCodes.BadCertificateIssuerTimeInvalid,
        ),
        (StatusCodes.BadCertificateUseNotAllowed, StatusCodes.BadCertificateUseNotAllowed),
        (StatusCodes.BadCertificateRevoked, StatusCodes.BadSecurityChecksFailed),
        (StatusCodes.BadCertificateChainIncomplete, StatusCodes.BadSecurityChecksFailed),
        (StatusCodes.BadCertificateInvalid, StatusCodes.BadSecurityChecksFailed),
    ],
)
def test_a_client_learns_only_what_is_about_itself(secured, verdict, told):
    client = secured(validate_certificate=lambda _: verdict)
    assert refusal(client, client.open_frame()[1]) == (told, "security checks failed")


def test_a_revoked_certificate_renews_no_channel(secured):
    verdicts = [StatusCodes.Good, StatusCodes.BadCertificateRevoked]
    client = secured(validate_certificate=lambda _: verdicts.pop(0))
    client.open()
    assert refusal(client, client.open_frame(kind=1)[1]) == GENERIC


def test_issuers_behind_the_certificate_reach_the_validator(
    secured, client_application, wide_application
):
    seen = []
    client = secured(
        issuers=[wide_application.certificate] * 3,
        validate_certificate=lambda der: seen.append(der) or StatusCodes.Good,
    )
    client.open()
    assert seen == [client_application.der + wide_application.der * 3]
    assert client.server.channel.client_certificate == client_application.der
    assert client.server.channel.client_chain == seen[0]


def test_issuers_that_do_not_fit_into_the_answer_are_left_out(secured, server_application):
    client = secured(certificate_chain=server_application.der * 10)
    _, frame = client.open_frame()
    client.server.feed(frame)
    client.server.advance()
    answer = client.server.data_to_send()
    assert len(answer) <= 8192
    assert answer.count(server_application.der) == 1
    short = secured(certificate_chain=server_application.der * 2)
    short.server.feed(short.open_frame()[1])
    short.server.advance()
    assert short.server.data_to_send().count(server_application.der) == 2


def test_a_key_that_the_policy_bars_is_refused(secured, weak_application):
    client = secured(client=weak_application)
    assert refusal(client, client.open_frame()[1]) == GENERIC


def test_a_key_that_the_policy_bars_is_judged_first_by_who_says_why(secured, weak_application):
    """The validator logs the reason and keeps the certificate; here it is a matter of bytes."""
    client = secured(
        client=weak_application,
        validate_certificate=lambda _: StatusCodes.BadCertificatePolicyCheckFailed,
    )
    assert refusal(client, client.open_frame()[1]) == GENERIC
    (event,) = client.events
    assert event.detail == "client certificate: BadCertificatePolicyCheckFailed"


def test_a_renewal_with_another_certificate_is_refused(secured, make_config, wide_application):
    client = secured()
    client.open()
    other = secured(client=wide_application)
    other.connection.security_token.ChannelId = client.connection.security_token.ChannelId
    _, frame = other.open_frame(kind=1)
    assert refusal(client, frame) == GENERIC


# -- failures look alike ---------------------------------------------------------------------------


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x01
    return bytes(changed)


@pytest.mark.parametrize("what", ["thumbprint", "first cipher block", "last cipher block"])
def test_every_tampered_open_request_gets_the_same_answer(secured, what):
    client = secured()
    _, frame = client.open_frame()
    thumbprint = frame.index(struct.pack("<I", 20)) + 4
    place = {"thumbprint": thumbprint, "first cipher block": thumbprint + 30}.get(what, -5)
    assert refusal(client, flipped(frame, place)) == GENERIC


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x18"),  # a version that there is not
        (b"\x0d\x01\x01\x01\x05", b"\x0d\x01\x01\x7f\x05"),  # a key of a kind that there is not
        (b"\x02\x82\x01\x01\x00", b"\x05\x82\x01\x01\x00"),  # a key that is none
    ],
)
def test_a_certificate_that_the_library_cannot_read_gets_the_same_answer(secured, was, becomes):
    """Before any login: not a traceback in the log for each."""
    client = secured()
    _, frame = client.open_frame()
    assert frame.count(was) == 1
    assert refusal(client, frame.replace(was, becomes)) == GENERIC


def test_an_open_request_that_is_no_whole_number_of_blocks_gets_the_same_answer(secured):
    client = secured()
    _, frame = client.open_frame()
    cut = frame[:-1]
    cut = cut[:4] + struct.pack("<I", len(cut)) + cut[8:]
    assert refusal(client, cut) == GENERIC


@pytest.mark.parametrize(
    "certificate", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x84\x7f\xff\xff\xff", b"\x30\x03abc"]
)
def test_an_unreadable_certificate_gets_the_same_answer(secured, client_application, certificate):
    client = secured()
    _, frame = client.open_frame()
    old = struct.pack("<I", len(client_application.der)) + client_application.der
    frame = frame.replace(old, struct.pack("<I", len(certificate)) + certificate)
    frame = frame[:4] + struct.pack("<I", len(frame)) + frame[8:]
    assert refusal(client, frame) == GENERIC


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
def test_every_tampered_message_gets_the_same_answer(secured, mode):
    for place in (16, 20, 40, -1, -20, -33):
        client = secured(mode=mode)
        client.open()
        frame = client.message(b"some request that is long enough")
        assert refusal(client, flipped(frame, place)) == GENERIC
        assert client.received == []


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
@pytest.mark.parametrize("size", [24, 25, 40, 47, 48])
def test_a_message_too_short_for_its_signature_gets_the_same_answer(secured, mode, size):
    client = secured(mode=mode)
    client.open()
    frame = client.message(b"request")
    short = frame[:4] + struct.pack("<I", size) + frame[8:size]
    assert refusal(client, short) == GENERIC


def test_a_replayed_message_is_refused(secured):
    client = secured()
    client.open()
    frame = client.message(b"once")
    client.send(frame)
    assert refusal(client, frame)[0] == StatusCodes.BadSequenceNumberInvalid
    assert client.received == [b"once"]


def test_a_message_of_another_channel_is_refused(secured):
    first, second = secured(), secured()
    first.open()
    second.open()
    assert refusal(second, first.message(b"x"))[0] == StatusCodes.BadTcpSecureChannelUnknown


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_nonce_has_the_length_that_the_policy_names(secured, nonce):
    client = secured()
    assert refusal(client, client.open_frame(nonce=nonce)[1])[0] == StatusCodes.BadNonceInvalid


def test_a_nonce_is_used_once(secured):
    client = secured()
    nonce = secrets.token_bytes(32)
    client.open(nonce=nonce)
    frame = client.open_frame(kind=1, nonce=nonce)[1]
    assert refusal(client, frame)[0] == StatusCodes.BadNonceInvalid


def test_a_mode_that_no_endpoint_has_is_refused(secured):
    only = frozenset({(POLICY_URIS["Basic256Sha256"], ENCRYPT)})
    client = secured(mode=SIGN, endpoints=only)
    refused = refusal(client, client.open_frame()[1])
    assert refused[0] == StatusCodes.BadSecurityModeRejected


def test_closing_a_secured_channel_is_verified_too(secured):
    client = secured()
    client.open()
    body = encode_message(ua.CloseSecureChannelRequest())
    frame = client.connection.message_to_binary(body, ua.MessageType.SecureClose, 4)
    client.send(frame)
    assert isinstance(client.events[-1], Closed)
    assert client.events[-1].status == StatusCodes.Good


# -- parts -----------------------------------------------------------------------------------------


@given(st.integers(0, 3000), st.sampled_from([(16, False), (214, False), (342, True)]))
def test_padding_fills_the_block_and_comes_off_again(size, block_and_wide):
    block, wide = block_and_wide
    data = secrets.token_bytes(size)
    padded = data + padding(size, block, wide=wide)
    assert len(padded) % block == 0
    assert len(padded) - size <= block + 1
    assert without_padding(padded, wide=wide) == data


@settings(suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=40), st.booleans())
def test_wrong_padding_is_refused_or_taken_off_never_an_index_error(data, wide):
    try:
        assert data.startswith(without_padding(data, wide=wide))
    except CryptographyError:
        return


def test_a_chunk_without_sequence_header_is_refused():
    with pytest.raises(CryptographyError):
        Chunk.of(bytes(7))


def test_a_certificate_is_cut_from_its_issuers(client_application, server_application):
    chain = client_application.der + server_application.der
    assert leaf_of(chain) == client_application.der


@pytest.mark.parametrize("policy", RSA_POLICIES.values(), ids=lambda policy: policy.name)
def test_secrets_and_signatures_are_asyncuas(policy, client_application, wide_application):
    for application in (client_application, wide_application):
        secret = secrets.token_bytes(300)
        public = application.certificate.public_key()
        size = public.key_size // 8 - policy.padding_overhead
        sealed = b"".join(
            theirs.encrypt_asymmetric(public, secret[i : i + size], policy.uri)[0]
            for i in range(0, len(secret), size)
        )
        assert decrypt_secret(policy.uri, application.key, sealed) == secret
        with pytest.raises(CryptographyError):
            decrypt_secret(policy.uri, application.key, flipped(sealed, -3))
        signature, algorithm = theirs.sign_asymmetric(application.key, b"data", policy.uri)
        assert algorithm == policy.signature_uri
        verify_data(policy.uri, application.der, b"data", ua.SignatureData(algorithm, signature))


@pytest.mark.parametrize("policy", RSA_POLICIES.values(), ids=lambda policy: policy.name)
def test_a_signature_is_over_its_data_by_its_key_with_its_algorithm(
    policy, client_application, server_application
):
    der = client_application.der
    signature = sign_data(policy.uri, client_application.key, b"data")
    verify_data(policy.uri, der, b"data", signature)
    wrong = ua.SignatureData("http://www.w3.org/2000/09/xmldsig#rsa-sha1", signature.Signature)
    for uri, certificate, data, given_signature in (
        (policy.uri, der, b"other", signature),
        (policy.uri, server_application.der, b"data", signature),
        (policy.uri, der, b"data", wrong),
        (policy.uri, der, b"data", ua.SignatureData(signature.Algorithm, None)),
        (POLICY_URIS["None"], der, b"data", signature),
    ):
        with pytest.raises(CryptographyError):
            verify_data(uri, certificate, data, given_signature)


def test_a_secret_under_no_policy_is_refused(client_application):
    with pytest.raises(CryptographyError):
        decrypt_secret(POLICY_URIS["None"], client_application.key, b"x" * 256)


def test_endpoints_are_ordered_by_strength():
    levels = [p.security_level(mode) for mode in (SIGN, ENCRYPT) for p in RSA_POLICIES.values()]
    assert levels == sorted(levels)
