"""A connection without security, byte by byte (Part 6, 7.1 and 6.7; Part 4, 5.6.2)."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec import decode_message, encode_message
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.connection import ServerConnection
from biogate.opcua.transport.events import ChannelOpened, Closed
from biogate.opcua.transport.policies import NONE_URI, POLICY_URIS

HELLO = bytes.fromhex(
    "48 45 4c 46 2d 00 00 00"  # HEL F, 45 bytes
    "00 00 00 00 00 00 01 00 00 20 00 00 00 00 00 00 00 00 00 00"
    "0d 00 00 00 6f 70 63 2e 74 63 70 3a 2f 2f 68 3a 31"
)
READ = encode_message(ua.ReadRequest(RequestHeader=ua.RequestHeader(RequestHandle=5)))


# -- Hello: 7.1.2.3 --------------------------------------------------------------------------------


def test_hello_is_acknowledged_with_the_smaller_buffers_of_both_sides(bare):
    client = bare(max_message_size=0x100000, max_chunk_count=0x80)
    ((kind, chunk, body),) = client.send(HELLO)
    assert (kind, chunk) == (b"ACK", b"F")
    assert body.hex(" ", 4) == "00000000 00200000 00000100 00001000 80000000"


def test_bytes_may_come_one_by_one(bare):
    client = bare()
    answers = [client.send(HELLO[i : i + 1]) for i in range(len(HELLO))]
    assert [a for a in answers if a] == answers[-1:]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HELLO[:12] + b"\xff\x1f\0\0" + HELLO[16:], StatusCodes.BadTcpInternalError),
        (HELLO[:16] + b"\xff\x1f\0\0" + HELLO[20:], StatusCodes.BadTcpInternalError),
        (b"GET / HTTP/1.1\r\n", StatusCodes.BadTcpMessageTypeInvalid),
        (b"MSGF" + HELLO[4:], StatusCodes.BadTcpMessageTypeInvalid),
        (b"OPNF" + HELLO[4:], StatusCodes.BadTcpMessageTypeInvalid),
        (b"HELC" + HELLO[4:], StatusCodes.BadTcpMessageTypeInvalid),
        (b"HELF\xff\xff\xff\x7f", StatusCodes.BadTcpMessageTooLarge),
        (b"HELF\x08\0\0\0", StatusCodes.BadTcpMessageTypeInvalid),
        (b"HELF\0\0\0\0", StatusCodes.BadTcpMessageTypeInvalid),
        (HELLO[:28] + b"\xfe\xff\xff\xff" + HELLO[32:], StatusCodes.BadDecodingError),
        (HELLO[:28] + b"\x0c\0\0\0" + HELLO[32:], StatusCodes.BadDecodingError),
        (HELLO + HELLO, StatusCodes.BadTcpMessageTypeInvalid),
    ],
)
def test_a_wrong_hello_ends_the_connection(bare, error, data, status):
    client = bare()
    assert error(client.send(data))[0] == status
    assert client.closed.status == status
    assert client.send(HELLO) == []


def test_an_endpoint_url_of_more_than_4096_bytes_is_refused(bare, error):
    assert bare().hello(url=b"x" * 4096)[0][0] == b"ACK"
    status, _ = error(bare().hello(url=b"x" * 4097))
    assert status == StatusCodes.BadTcpEndpointUrlInvalid


# -- OpenSecureChannel: 6.7.4 ----------------------------------------------------------------------


def test_a_channel_without_security_opens(bare):
    client = bare()
    client.hello()
    response = client.take_token(client.send(client.open_frame()))
    assert response.ResponseHeader.RequestHandle == 7
    assert response.Parameters.SecurityToken.RevisedLifetime == 60_000
    assert response.Parameters.SecurityToken.ChannelId != 0
    (event,) = client.events
    assert event == ChannelOpened(client.server.channel, requested_lifetime_ms=60_000)
    assert event.channel.remote_address == "192.0.2.1:5"
    assert event.channel.endpoint_url == "opc.tcp://h:1"
    assert not event.channel.discovery_only


@pytest.mark.parametrize(
    ("asked_ms", "granted_ms"), [(0, 3_600_000), (1, 10_000), (1 << 31, 3_600_000)]
)
def test_the_lifetime_of_a_token_is_revised(bare, asked_ms, granted_ms):
    client = bare()
    client.hello()
    frame = client.open_frame(client.open_request(lifetime_ms=asked_ms))
    response = client.take_token(client.send(frame))
    assert response.Parameters.SecurityToken.RevisedLifetime == granted_ms


# Part 4, 5.5.4: clients have to find the secured endpoints somehow.
def test_without_an_unsecured_endpoint_such_a_channel_is_for_discovery_only(bare, error):
    secured = frozenset({(POLICY_URIS["Basic256Sha256"], ua.MessageSecurityMode.Sign)})
    client = bare(endpoints=secured).open()
    assert client.server.channel.discovery_only
    client = bare(endpoints=secured, discovery=False)
    client.hello()
    status, _ = error(client.send(client.open_frame()))
    assert status == StatusCodes.BadSecurityPolicyRejected


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"channel_id": 5}, StatusCodes.BadTcpSecureChannelUnknown),
        ({"uri": POLICY_URIS["Basic256Sha256"]}, StatusCodes.BadSecurityChecksFailed),
        ({"uri": "http://example.org/none"}, StatusCodes.BadSecurityPolicyRejected),
        ({"uri": NONE_URI.replace("None", "Basic256")}, StatusCodes.BadSecurityPolicyRejected),
        ({"uri": "x" * 256}, StatusCodes.BadEncodingLimitsExceeded),
        ({"request": ua.GetEndpointsRequest()}, StatusCodes.BadTcpMessageTypeInvalid),
    ],
)
def test_a_wrong_open_request_ends_the_connection(bare, error, changes, status):
    client = bare()
    client.hello()
    assert error(client.send(client.open_frame(**changes)))[0] == status
    assert client.server.channel is None


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"kind": 1}, StatusCodes.BadRequestTypeInvalid),
        ({"kind": 2}, StatusCodes.BadRequestTypeInvalid),
        ({"mode": 0}, StatusCodes.BadSecurityModeRejected),
        ({"mode": 3}, StatusCodes.BadSecurityModeRejected),
        ({"mode": 4}, StatusCodes.BadSecurityModeRejected),
    ],
)
def test_a_channel_opens_only_with_what_is_offered(bare, error, parameters, status):
    client = bare()
    client.hello()
    frame = client.open_frame(client.open_request(**parameters))
    assert error(client.send(frame))[0] == status


def test_an_open_request_is_one_final_chunk(bare, error):
    client = bare()
    client.hello()
    frame = client.open_frame()
    status, _ = error(client.send(frame[:3] + b"C" + frame[4:]))
    assert status == StatusCodes.BadTcpMessageTypeInvalid


def test_messages_before_the_channel_are_refused(bare, error):
    client = bare()
    client.hello()
    status, _ = error(client.send(client.chunk(READ)))
    assert status == StatusCodes.BadTcpMessageTypeInvalid
    assert client.requests == []


# -- messages: 6.7.2 and 6.7.3 ---------------------------------------------------------------------


def test_a_request_comes_out_whole_and_its_response_goes_back(bare):
    client = bare().open()
    client.send(client.chunk(READ, request_id=42))
    (request,) = client.requests
    assert (request.request_id, request.message) == (42, READ)
    response = encode_message(ua.ReadResponse())
    client.server.send_response(42, response)
    ((kind, chunk, body),) = client.answers()
    assert (kind, chunk) == (b"MSG", b"F")
    assert struct.unpack_from("<4I", body) == (client.channel_id, client.token_id, 2, 42)
    assert body[16:] == response


def test_chunks_are_joined_and_an_aborted_message_is_forgotten(bare):
    client = bare().open()
    data = client.chunk(b"lost", b"C", request_id=8)
    data += client.chunk(struct.pack("<II", StatusCodes.BadTimeout, 1) + b"x", b"A", request_id=8)
    data += client.chunk(READ[:10], b"C") + client.chunk(READ[10:20], b"C")
    data += client.chunk(READ[20:])
    assert client.send(data) == []
    assert [request.message for request in client.requests] == [READ]


def test_responses_may_come_in_any_order(bare):
    client = bare().open()
    client.send(client.chunk(READ, request_id=1) + client.chunk(READ, request_id=2))
    for request_id in (2, 1):
        client.server.send_response(request_id, b"x")
    assert [struct.unpack_from("<I", body, 12)[0] for _, _, body in client.answers()] == [2, 1]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"channel_id": 0}, StatusCodes.BadTcpSecureChannelUnknown),
        ({"token_id": 0}, StatusCodes.BadSecureChannelTokenUnknown),
        ({"token_id": 99}, StatusCodes.BadSecureChannelTokenUnknown),
        ({"chunk": b"X"}, StatusCodes.BadTcpMessageTypeInvalid),
        ({"kind": b"XXX"}, StatusCodes.BadTcpMessageTypeInvalid),
        ({"kind": b"HEL"}, StatusCodes.BadTcpMessageTypeInvalid),
        ({"kind": b"CLO", "chunk": b"C"}, StatusCodes.BadTcpMessageTypeInvalid),
        ({"chunk": b"A"}, StatusCodes.BadDecodingError),
    ],
)
def test_a_wrong_chunk_ends_the_connection(bare, error, change, status):
    client = bare().open()
    assert error(client.send(client.chunk(READ, **change)))[0] == status
    assert client.requests == []


@pytest.mark.parametrize("step", [0, 2, 1 << 31])
def test_sequence_numbers_count_up_by_one(bare, error, step):
    client = bare().open()
    client.sequence_number += step - 1
    status, _ = error(client.send(client.chunk(READ)))
    assert status == StatusCodes.BadSequenceNumberInvalid


@pytest.mark.parametrize(
    ("last", "after", "accepted"),
    [
        ((1 << 32) - 1024, 0, True),
        ((1 << 32) - 1, 1023, True),
        ((1 << 32) - 1, 1024, False),
        ((1 << 32) - 1025, 0, False),
    ],
)
def test_sequence_numbers_start_over_near_their_end(bare, last, after, accepted):
    client = bare()
    client.sequence_number = last - 2
    client.open()
    client.send(client.chunk(READ))
    client.sequence_number = after - 1
    client.send(client.chunk(READ))
    assert len(client.requests) == (2 if accepted else 1)


def test_chunks_of_two_messages_are_not_mixed(bare, error):
    client = bare().open()
    data = client.chunk(READ[:10], b"C", request_id=1) + client.chunk(READ[10:], request_id=2)
    assert error(client.send(data))[0] == StatusCodes.BadTcpMessageTypeInvalid


def test_before_a_session_is_active_a_message_has_at_most_64_kib(bare, error):
    chunk = bytes(8192)
    client = bare().open()
    for _ in range(8):
        assert client.send(client.chunk(chunk, b"C")) == []
    assert error(client.send(client.chunk(b"x")))[0] == StatusCodes.BadTcpMessageTooLarge

    client = bare().open()
    client.server.session_active = True
    for _ in range(8):
        assert client.send(client.chunk(chunk, b"C")) == []
    assert client.send(client.chunk(b"x")) == []
    assert len(client.requests[0].message) == 8 * 8192 + 1


@pytest.mark.parametrize(("active", "limit"), [(False, 64), (True, 100)])
def test_a_message_has_a_limited_number_of_chunks(bare, error, active, limit):
    client = bare(max_chunk_count=100).open()
    client.server.session_active = active
    for _ in range(limit):
        assert client.send(client.chunk(b"x", b"C")) == []
    assert error(client.send(client.chunk(b"x", b"C")))[0] == StatusCodes.BadTcpMessageTooLarge


def test_a_chunk_larger_than_the_negotiated_buffer_is_refused_by_its_header(bare, error):
    client = bare().open(send=8192)
    header = b"MSGF" + struct.pack("<I", 8193)
    assert error(client.send(header))[0] == StatusCodes.BadTcpMessageTooLarge


def test_all_connections_share_one_budget_for_large_incomplete_messages(bare, error):
    budget = ByteBudget(limit=10_000)
    clients = [bare(budget=budget, pre_session_message_size=4000).open() for _ in range(4)]
    for client in clients:
        client.server.session_active = True
    first, second, third, modest = clients
    first.send(first.chunk(bytes(12_000), b"C"))
    status, _ = error(second.send(second.chunk(bytes(12_000), b"C")))
    assert status == StatusCodes.BadTcpNotEnoughResources
    # Who asks for no more than anyone may is not the one to suffer.
    assert modest.send(modest.chunk(bytes(2000), b"C")) == []
    assert modest.send(modest.chunk(bytes(2000), b"C")) == []
    modest.send(modest.chunk(b"x"))
    first.send(first.chunk(b"x"))
    assert (len(first.requests), len(modest.requests), budget.used) == (1, 1, 0)
    third.send(third.chunk(bytes(12_000), b"C"))
    assert budget.used == 8000
    third.server.lost()
    assert budget.used == 0


def test_the_client_closes_its_channel_without_an_answer(bare):
    client = bare().open()
    data = client.chunk(READ)
    data += client.chunk(encode_message(ua.CloseSecureChannelRequest()), kind=b"CLO")
    assert client.send(data) == []
    assert len(client.requests) == 1
    assert client.closed.status == StatusCodes.Good
    assert client.server.channel is None
    client.server.send_response(9, b"late")
    assert client.answers() == []


# -- responses: 7.1.2.3 ----------------------------------------------------------------------------


def test_a_response_is_cut_into_chunks_that_the_client_can_take(bare):
    client = bare().open(receive=8192)
    body = bytes(range(256)) * 100
    client.server.send_response(3, body)
    frames = client.answers()
    assert [chunk for _, chunk, _ in frames] == [b"C"] * 3 + [b"F"]
    assert all(len(part) + 8 <= 8192 for _, _, part in frames)
    assert b"".join(part[16:] for _, _, part in frames) == body
    assert [struct.unpack_from("<I", part, 8)[0] for _, _, part in frames] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("limits", "size", "fits"),
    [
        ({"message": 1000}, 1000, True),
        ({"message": 1000}, 1001, False),
        ({"chunks": 2, "receive": 8192}, 2 * (8192 - 24), True),
        ({"chunks": 2, "receive": 8192}, 2 * (8192 - 24) + 1, False),
    ],
)
def test_a_response_over_the_clients_limits_becomes_a_fault(bare, limits, size, fits):
    client = bare().open(**limits)
    header = ua.ResponseHeader(RequestHandle=77)
    body = encode_message(ua.ReadResponse(ResponseHeader=header))
    body += bytes(size - len(body))
    client.server.send_response(3, body)
    sent = b"".join(part[16:] for _, _, part in client.answers())
    if fits:
        assert sent == body
    else:
        fault = decode_message(sent)
        assert isinstance(fault, ua.ServiceFault)
        assert fault.ResponseHeader.RequestHandle == 77
        assert fault.ResponseHeader.ServiceResult.value == StatusCodes.BadResponseTooLarge


# -- renewal: Part 4, 5.6.2 ------------------------------------------------------------------------


def token_of(client):
    """The TokenId that the server's next response is sent under."""
    client.server.send_response(1, b"x")
    ((_, _, body),) = client.answers()
    return struct.unpack_from("<I", body, 4)[0]


def test_both_tokens_are_good_until_the_client_uses_the_new_one(bare):
    client = bare().open()
    old = client.token_id
    client.renew()
    assert client.token_id != old
    client.send(client.chunk(READ, token_id=old))
    assert token_of(client) == old
    client.send(client.chunk(READ))
    assert token_of(client) == client.token_id
    client.send(client.chunk(READ, token_id=old))
    assert len(client.requests) == 3
    assert client.events[1] == ChannelOpened(client.server.channel, renewed=True)


def test_the_server_uses_the_new_token_when_the_old_ones_lifetime_is_over(bare, clock):
    client = bare().open()
    old = client.token_id
    clock.now_s += 50
    client.renew()
    assert token_of(client) == old
    clock.now_s += 11
    assert token_of(client) == client.token_id


def test_a_token_is_accepted_for_a_quarter_longer_than_its_lifetime(bare, error, clock):
    client = bare().open()
    old = client.token_id
    clock.now_s += 45
    client.renew()
    clock.now_s += 29  # 74 s after a lifetime of 60 s began
    client.send(client.chunk(READ, token_id=old))
    assert len(client.requests) == 1
    clock.now_s += 2
    status, _ = error(client.send(client.chunk(READ, token_id=old)))
    assert status == StatusCodes.BadSecureChannelTokenUnknown


def test_a_channel_that_is_not_renewed_ends(bare, error, clock):
    client = bare().open()
    assert client.server.deadline_s == clock.now_s + 75
    clock.now_s += 74
    assert client.server.tick() is None
    clock.now_s += 1
    event = client.server.tick()
    assert event.status == StatusCodes.BadSecureChannelTokenUnknown
    assert error(client.answers())[0] == StatusCodes.BadSecureChannelTokenUnknown


def test_many_renewals_keep_few_tokens(bare):
    client = bare().open()
    first = client.token_id
    for _ in range(20):
        client.renew()
    client.send(client.chunk(READ, token_id=first))  # in use, and so never forgotten
    assert len(client.requests) == 1
    client.send(client.chunk(READ, token_id=first + 5))
    assert client.closed.status == StatusCodes.BadSecureChannelTokenUnknown


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (lambda c: c.open_frame(), StatusCodes.BadTcpSecureChannelUnknown),
        (
            lambda c: c.open_frame(channel_id=c.channel_id),
            StatusCodes.BadRequestTypeInvalid,
        ),
        (
            lambda c: c.open_frame(c.open_request(1), channel_id=c.channel_id + 1),
            StatusCodes.BadTcpSecureChannelUnknown,
        ),
        (
            lambda c: c.open_frame(c.open_request(1, mode=2), channel_id=c.channel_id),
            StatusCodes.BadSecurityModeRejected,
        ),
        (
            lambda c: c.open_frame(
                c.open_request(1), channel_id=c.channel_id, uri=POLICY_URIS["Basic256Sha256"]
            ),
            StatusCodes.BadSecurityPolicyRejected,
        ),
    ],
)
def test_a_renewal_changes_nothing_but_the_token(bare, error, frame, status):
    client = bare().open()
    assert error(client.send(frame(client)))[0] == status


# -- deadlines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("said_hello", [False, True])
def test_a_channel_has_to_be_opened_in_time(bare, error, clock, said_hello):
    client = bare(open_timeout_s=10)
    if said_hello:
        client.hello()
    clock.now_s += 9.9
    assert client.server.tick() is None
    clock.now_s += 0.1
    event = client.server.tick()
    assert isinstance(event, Closed)
    assert error(client.answers()) == (StatusCodes.BadTimeout, "channel not opened in time")


@pytest.mark.parametrize("whole_chunk", [False, True])
def test_a_message_has_to_be_completed_in_time(bare, error, clock, whole_chunk):
    client = bare(message_timeout_s=30).open()
    client.send(client.chunk(b"x", b"C") if whole_chunk else b"MSGF")
    clock.now_s += 29.9
    if whole_chunk:
        client.send(client.chunk(b"x", b"C"))  # one more chunk buys no time
    assert client.server.tick() is None
    clock.now_s += 0.1
    event = client.server.tick()
    assert event.status == StatusCodes.BadTimeout


def test_every_complete_message_starts_a_new_deadline(bare, clock):
    client = bare(message_timeout_s=30).open()
    for _ in range(3):
        client.send(client.chunk(READ[:5], b"C"))
        clock.now_s += 20
        client.send(client.chunk(READ[5:]) + b"M")
        assert client.server.tick() is None
        client.send(client.chunk(READ)[1:])
    assert len(client.requests) == 6


@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    bodies=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 1500), max_size=12),
)
def test_wherever_the_network_cuts_the_stream_the_same_requests_come_out(bare, bodies, cuts):
    client = bare().open()
    stream = b"".join(
        client.chunk(body[: n % 3], b"C", request_id=n) + client.chunk(body[n % 3 :], request_id=n)
        for n, body in enumerate(bodies)
    )
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for start, stop in itertools.pairwise(ends):
        client.send(stream[start:stop])
    assert [(r.request_id, r.message) for r in client.requests] == list(enumerate(bodies))
    assert client.server.deadline_s == client.server._secure.newest.ends_s  # nothing is awaited


# -- garbage ---------------------------------------------------------------------------------------

VALID = [b"HELF", b"OPNF", b"MSGF", b"MSGC", b"MSGA", b"CLOF", b"ERRF", b"ACKF"]


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    opened=st.booleans(),
    data=st.lists(
        st.binary(max_size=60)
        | st.tuples(st.sampled_from(VALID), st.binary(min_size=12, max_size=80)).map(
            lambda pair: pair[0] + struct.pack("<I", 8 + len(pair[1])) + pair[1]
        ),
        max_size=4,
    ),
)
def test_whatever_comes_in_the_connection_lives_or_ends_with_one_error(bare, opened, data):
    client = bare()
    if opened:
        client.open()
    frames = []
    for part in data:
        frames += client.send(part)
    endings = [event for event in client.events if isinstance(event, Closed)]
    assert len(endings) <= 1
    assert isinstance(client.server, ServerConnection)
    errors = [kind for kind, _, _ in frames].count(b"ERR")
    assert errors == sum(event.status != StatusCodes.Good for event in endings)
