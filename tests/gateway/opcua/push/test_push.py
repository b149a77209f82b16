"""Push management with asyncua's client, which we did not write (Part 12, 7.8 to 7.10)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary, struct_to_binary
from cryptography import x509

from biogate.opcua.push import trust_list_file, watch
from biogate_security import pki_commit
from biogate_security.key_kinds import CURVES, RSA
from biogate_security.own_certificate import pem_of
from biogate_security.trust_content import Group

V, T = ua.Variant, ua.VariantType
ENCRYPT, SIGN = ua.MessageSecurityMode.SignAndEncrypt, ua.MessageSecurityMode.Sign
CONFIGURATION, TRUST_LIST, USERS = "i=12637", "i=12642", "i=14123"
NULL = V(ua.NodeId(), T.NodeId)
REQUEST, UPDATE, APPLY, CANCEL = "i=12737", "i=13737", "i=12740", "i=25708"
REJECTED, CERTIFICATES = "i=12777", "i=32333"
OPEN, OPEN_MASKS, READ, WRITE = "i=12647", "i=12663", "i=12652", "i=12655"
GET_POSITION, SET_POSITION, CLOSE = "i=12657", "i=12660", "i=12650"
CLOSE_UPDATE, ADD, REMOVE = "i=12666", "i=12668", "i=12670"
NONCE = bytes(32)


def u32(value: int) -> ua.Variant:
    return V(value, T.UInt32)


def octets(value: bytes) -> ua.Variant:
    return V(value, T.ByteString)


def boolean(value: bool) -> ua.Variant:
    return V(value, T.Boolean)


def request(*, new_key: bool, nonce: bytes = NONCE, subject: str = "") -> tuple[ua.Variant, ...]:
    return NULL, NULL, V(subject, T.String), boolean(new_key), octets(nonce)


def update(
    certificate: bytes, issuers: list[bytes], key_format: str = "", key: bytes = b""
) -> tuple[ua.Variant, ...]:
    return (
        NULL,
        NULL,
        octets(certificate),
        V(issuers, T.ByteString, is_array=True),
        V(key_format, T.String),
        octets(key),
    )


async def refused(awaitable: Any) -> str:
    """The StatusCode's name."""
    with pytest.raises(ua.UaStatusCodeError) as caught:
        await awaitable
    return type(caught.value).__name__


async def write_list(call: Any, client: Client, content: ua.TrustListDataType, piece: int) -> Any:
    """Open, write in pieces and CloseAndUpdate; what that returns."""
    data = struct_to_binary(content)
    handle = await call(client, TRUST_LIST, OPEN, V(6, T.Byte))
    for start in range(0, len(data), piece):
        await call(client, TRUST_LIST, WRITE, u32(handle), octets(data[start : start + piece]))
    return await call(client, TRUST_LIST, CLOSE_UPDATE, u32(handle))


async def read_list(call: Any, client: Client, masks: int = 15, piece: int = 100) -> Any:
    handle = await call(client, TRUST_LIST, OPEN_MASKS, u32(masks))
    data = b""
    while more := await call(client, TRUST_LIST, READ, u32(handle), V(piece, T.Int32)):
        assert len(more) <= piece
        data += more
    await call(client, TRUST_LIST, CLOSE, u32(handle))
    buffer = Buffer(data)
    content = from_binary(ua.TrustListDataType, buffer)
    assert len(buffer) == 0
    return content


# What is served (7.10.3, 7.8.2.1, 7.8.3)


async def test_the_server_tells_what_it_supports(plant: Any) -> None:
    client = await plant.connect()
    values = {
        "i=12639": ["PEM", "PFX"],
        "i=12640": trust_list_file.MAX_TRUST_LIST_SIZE,
        "i=12641": False,
        "i=12710": ["DA"],
        "i=25706": "urn:test:gateway",
        "i=14161": [ua.NodeId(12560)],
        "i=14157": True,
        "i=14158": True,
        "i=12646": 0,
    }
    for identifier, expected in values.items():
        assert await client.get_node(identifier).read_value() == expected
    size = await client.get_node("i=12643").read_data_value(raise_on_bad_status=False)
    assert size.StatusCode.name == "BadNotSupported"
    assert (await client.get_node("i=12662").read_value()).year >= 2020


async def test_what_this_server_has_not_is_not_there(plant: Any) -> None:
    client = await plant.connect()
    children = await client.get_node(CONFIGURATION).get_children()
    names = {(await child.read_browse_name()).Name for child in children}
    assert {"CertificateGroups", "UpdateCertificate", "GetCertificates"} <= names
    assert names.isdisjoint({"ResetToServerDefaults", "ConfigurationFile", "AuthorizationServices"})
    groups = await client.get_node("i=14053").get_children()
    assert {group.nodeid.Identifier for group in groups} == {14156, 14122}


# The own certificate (7.10.5 to 7.10.9)


async def test_a_new_key_and_certificate_take_over_and_channels_are_made_anew(
    plant: Any, call: Any, authority: Any, sign: Any
) -> None:
    client = await plant.connect()
    before = plant.pki.certificate_der
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=True))
    certificate = sign(csr, authority)
    assert await call(client, CONFIGURATION, UPDATE, *update(certificate, [authority.der])) is True
    types, certificates = await call(client, CONFIGURATION, CERTIFICATES, NULL)
    assert (types, certificates) == ([ua.NodeId(12560)], [before])
    await call(client, CONFIGURATION, APPLY)
    await plant.cut_off(client)
    again = await plant.connect()
    assert again.security_policy.peer_certificate == certificate
    _, certificates = await call(again, CONFIGURATION, CERTIFICATES, NULL)
    assert certificates == [certificate]
    endpoints = await again.get_endpoints()
    assert {endpoint.ServerCertificate for endpoint in endpoints} == {certificate}


async def test_a_request_is_signed_by_the_key_that_it_is_for(plant: Any, call: Any) -> None:
    client = await plant.connect()
    subject = "CN=Gate 7/O=Plant"
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False, subject=subject))
    parsed = x509.load_der_x509_csr(csr)
    assert parsed.is_signature_valid
    assert parsed.public_key() == plant.pki.private_key.public_key()
    assert parsed.subject.rfc4514_string() == "O=Plant,CN=Gate 7"


async def test_a_key_may_come_from_outside(
    plant: Any, call: Any, authority: Any, make_party: Any
) -> None:
    client = await plant.connect()
    outside = make_party("gate", 5, uri="urn:test:gateway", issuer=authority)
    key = pem_of(outside.key)
    arguments = update(outside.der, [authority.der], "PEM", key)
    # Its ExtendedKeyUsage is a client's only.
    assert await refused(call(client, CONFIGURATION, UPDATE, *arguments)) == (
        "BadCertificateUseNotAllowed"
    )


async def test_what_cannot_become_the_own_certificate_says_why(
    plant: Any, call: Any, authority: Any, make_party: Any, sign: Any
) -> None:
    client = await plant.connect()
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False))
    good = sign(csr, authority)
    stranger = make_party("gate", 5, uri="urn:test:gateway", issuer=authority)
    cases = [
        (update(b"junk", []), "BadCertificateInvalid"),
        (update(good, []), "BadCertificateChainIncomplete"),
        (update(stranger.der, [authority.der]), "BadSecurityChecksFailed"),
        (update(good, [authority.der], "DER", b"key"), "BadNotSupported"),
    ]
    for arguments, expected in cases:
        assert await refused(call(client, CONFIGURATION, UPDATE, *arguments)) == expected
    users = V(ua.NodeId(14122), T.NodeId)
    arguments = (users, *update(good, [authority.der])[1:])
    assert await refused(call(client, CONFIGURATION, UPDATE, *arguments)) == "BadInvalidArgument"
    rsa_min = V(ua.NodeId(12559), T.NodeId)
    arguments = (NULL, rsa_min, *update(good, [authority.der])[2:])
    assert await refused(call(client, CONFIGURATION, UPDATE, *arguments)) == "BadInvalidArgument"
    assert await refused(call(client, CONFIGURATION, APPLY)) == "BadNothingToDo"
    short = request(new_key=True, nonce=bytes(31))
    assert await refused(call(client, CONFIGURATION, REQUEST, *short)) == "BadInvalidArgument"


# Trust lists (7.8.2)


async def test_a_list_is_read_whole_in_parts_and_in_pieces(
    plant: Any, call: Any, authority: Any
) -> None:
    folder = plant.pki.folder
    (folder / "issuer" / "certs" / "ca.der").write_bytes(authority.der)
    (folder / "issuer" / "crl" / "ca.crl").write_bytes(authority.crl())
    client = await plant.connect()
    whole = await read_list(call, client)
    assert whole.SpecifiedLists == 15
    assert whole.TrustedCertificates == [plant.client_party.der]
    assert (whole.IssuerCertificates, whole.IssuerCrls) == ([authority.der], [authority.crl()])
    part = await read_list(call, client, masks=4, piece=4096)
    assert part.SpecifiedLists == 4
    assert (part.TrustedCertificates, part.IssuerCertificates) == ([], [authority.der])


async def test_a_written_list_counts_from_apply_changes_on(
    plant: Any, call: Any, authority: Any, make_party: Any
) -> None:
    client = await plant.connect()
    old = await read_list(call, client)
    colleague = make_party("colleague", 6, uri="urn:test:colleague", issuer=authority)
    content = ua.TrustListDataType(
        SpecifiedLists=3,
        TrustedCertificates=[plant.client_party.der, authority.der],
        TrustedCrls=[authority.crl()],
    )
    assert await write_list(call, client, content, piece=300) is True
    assert await read_list(call, client) == old
    await call(client, CONFIGURATION, APPLY)
    new = await read_list(call, client)
    assert set(new.TrustedCertificates) == set(content.TrustedCertificates)
    assert new.TrustedCrls == content.TrustedCrls
    other = await plant.connect(party=colleague, uri="urn:test:colleague")
    assert await other.get_node("i=2267").read_value() == 255
    assert not plant.lost[client].is_set()


async def test_who_is_no_longer_trusted_is_cut_off_and_stays_out(
    plant: Any, call: Any, authority: Any, make_party: Any
) -> None:
    client = await plant.connect()
    colleague = make_party("colleague", 6, uri="urn:test:colleague", issuer=authority)
    whole = ua.TrustListDataType(
        SpecifiedLists=3,
        TrustedCertificates=[plant.client_party.der, authority.der],
        TrustedCrls=[authority.crl()],
    )
    await write_list(call, client, whole, 4000)
    await call(client, CONFIGURATION, APPLY)
    other = await plant.connect(party=colleague, uri="urn:test:colleague")
    lists = ua.TrustListDataType(SpecifiedLists=2, TrustedCrls=[authority.crl(colleague)])
    await write_list(call, client, lists, 4000)
    await call(client, CONFIGURATION, APPLY)
    await plant.cut_off(other)
    with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
        await plant.connect(party=colleague, uri="urn:test:colleague")
    assert [session.client.ApplicationUri for session in plant.front_end.context.sessions] == [
        "urn:test:administrator"
    ]
    assert not plant.lost[client].is_set()


async def test_a_list_that_is_not_sound_changes_nothing(
    plant: Any, call: Any, authority: Any, make_party: Any
) -> None:
    client = await plant.connect()
    old = await read_list(call, client)
    orphan = make_party("orphan", 6, uri="urn:test:orphan", issuer=authority)
    cases = [
        (ua.TrustListDataType(1, [b"junk"]), "BadCertificateInvalid"),
        (ua.TrustListDataType(1, [orphan.der]), "BadCertificateChainIncomplete"),
        (ua.TrustListDataType(2, [], [authority.crl()]), "BadCertificateInvalid"),
        (ua.TrustListDataType(16), "BadCertificateInvalid"),
    ]
    for content, expected in cases:
        assert await refused(write_list(call, client, content, 4000)) == expected
    handle = await call(client, TRUST_LIST, OPEN, V(6, T.Byte))
    await call(client, TRUST_LIST, WRITE, u32(handle), octets(b"\xff" * 10))
    assert await refused(call(client, TRUST_LIST, CLOSE_UPDATE, u32(handle))) == (
        "BadCertificateInvalid"
    )
    assert await refused(call(client, CONFIGURATION, APPLY)) == "BadNothingToDo"
    assert await read_list(call, client) == old


async def test_certificates_come_and_go_one_by_one(
    plant: Any, call: Any, authority: Any, make_party: Any
) -> None:
    client = await plant.connect()
    guest = make_party("guest", 6, uri="urn:test:guest")
    with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
        await plant.connect(party=guest, uri="urn:test:guest")
    assert await call(client, CONFIGURATION, REJECTED) == [guest.der]
    await call(client, TRUST_LIST, ADD, octets(guest.der), boolean(True))
    assert await call(client, CONFIGURATION, REJECTED) == []
    other = await plant.connect(party=guest, uri="urn:test:guest")
    await call(client, TRUST_LIST, REMOVE, V(guest.thumbprint, T.String), boolean(True))
    await plant.cut_off(other)
    again = call(client, TRUST_LIST, REMOVE, V(guest.thumbprint, T.String), boolean(True))
    assert await refused(again) == "BadInvalidArgument"
    for der, trusted in ((guest.der, False), (authority.der, True), (b"junk", True)):
        adding = call(client, TRUST_LIST, ADD, octets(der), boolean(trusted))
        assert await refused(adding) == "BadCertificateInvalid"


async def test_methods_go_by_their_declarations_ids_too(plant: Any, call: Any) -> None:
    """Part 4, 5.12.2.2: the MethodId may be that of the Object's type."""
    client = await plant.connect()
    handle = u32(await call(client, TRUST_LIST, "i=11580", V(1, T.Byte)))
    assert len(await call(client, TRUST_LIST, "i=11585", handle, V(9999, T.Int32))) > 700
    await call(client, TRUST_LIST, "i=11583", handle)


async def test_the_users_list_is_another_one(plant: Any, call: Any, make_party: Any) -> None:
    client = await plant.connect()
    user = make_party("olga", 6, uri="urn:test:olga")
    await call(client, USERS, "i=14151", octets(user.der), boolean(True))
    held = list((plant.pki.folder / "trustedUser" / "certs").iterdir())
    assert [path.read_bytes() for path in held] == [user.der]
    assert (await read_list(call, client)).TrustedCertificates == [plant.client_party.der]


# Handles (Part 20, 4.2)


async def test_a_file_is_read_and_written_at_its_position(plant: Any, call: Any) -> None:
    client = await plant.connect()
    handle = u32(await call(client, TRUST_LIST, OPEN, V(1, T.Byte)))
    await call(client, TRUST_LIST, SET_POSITION, handle, V(4, T.UInt64))
    assert await call(client, TRUST_LIST, GET_POSITION, handle) == 4
    assert await call(client, TRUST_LIST, READ, handle, V(4, T.Int32)) == b"\x01\x00\x00\x00"
    await call(client, TRUST_LIST, SET_POSITION, handle, V(1 << 40, T.UInt64))
    assert await call(client, TRUST_LIST, READ, handle, V(4, T.Int32)) in (b"", None)
    writing = call(client, TRUST_LIST, WRITE, handle, octets(b"x"))
    assert await refused(writing) == "BadInvalidState"
    assert await refused(call(client, TRUST_LIST, CLOSE_UPDATE, handle)) == "BadInvalidState"
    assert await client.get_node("i=12646").read_value() == 1
    await call(client, TRUST_LIST, CLOSE, handle)
    assert await client.get_node("i=12646").read_value() == 0
    assert await refused(call(client, TRUST_LIST, CLOSE, handle)) == "BadInvalidArgument"


@pytest.mark.parametrize("mode", [0, 2, 3, 4, 7, 8, 255])
async def test_there_are_two_modes(plant: Any, call: Any, mode: int) -> None:
    client = await plant.connect()
    assert await refused(call(client, TRUST_LIST, OPEN, V(mode, T.Byte))) == "BadNotSupported"


async def test_handles_are_few_bounded_and_their_sessions_own(plant: Any, call: Any) -> None:
    client, other = await plant.connect(), await plant.connect("other")
    handle = u32(await call(client, TRUST_LIST, OPEN, V(1, T.Byte)))
    reading = call(other, TRUST_LIST, READ, handle, V(10, T.Int32))
    assert await refused(reading) == "BadInvalidArgument"
    for _ in range(trust_list_file.MAX_HANDLES - 1):
        await call(client, TRUST_LIST, OPEN_MASKS, u32(15))
    opening = call(other, TRUST_LIST, OPEN, V(1, T.Byte))
    assert await refused(opening) == "BadResourceUnavailable"
    await client.close_session()
    await call(other, TRUST_LIST, OPEN, V(1, T.Byte))
    assert await other.get_node("i=12646").read_value() == 1


async def test_more_than_the_greatest_list_is_not_kept(
    plant: Any, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_list_file, "MAX_TRUST_LIST_SIZE", 1000)
    client = await plant.connect()
    handle = u32(await call(client, TRUST_LIST, OPEN, V(6, T.Byte)))
    await call(client, TRUST_LIST, WRITE, handle, octets(bytes(1000)))
    writing = call(client, TRUST_LIST, WRITE, handle, octets(b"x"))
    assert await refused(writing) == "BadRequestTooLarge"


# Who may (7.2)


@pytest.mark.parametrize(
    ("user", "mode", "expected"),
    [
        ("operator", ENCRYPT, "BadUserAccessDenied"),
        ("admin", SIGN, "BadSecurityModeInsufficient"),
    ],
)
async def test_only_administrators_over_encrypted_channels_get_in(
    plant: Any, call: Any, user: str, mode: ua.MessageSecurityMode, expected: str
) -> None:
    client = await plant.connect(user, mode)
    calls = [
        (CONFIGURATION, REQUEST, request(new_key=True)),
        (CONFIGURATION, UPDATE, update(plant.pki.certificate_der, [])),
        (CONFIGURATION, APPLY, ()),
        (CONFIGURATION, CANCEL, ()),
        (CONFIGURATION, REJECTED, ()),
        (CONFIGURATION, CERTIFICATES, (NULL,)),
        (TRUST_LIST, OPEN, (V(1, T.Byte),)),
        (TRUST_LIST, OPEN_MASKS, (u32(15),)),
        (TRUST_LIST, ADD, (octets(b"x"), boolean(True))),
        (TRUST_LIST, REMOVE, (V("AB", T.String), boolean(True))),
        # The Methods' declarations in their types have no RolePermissions of their own.
        (CONFIGURATION, "i=12731", request(new_key=True)),
        (TRUST_LIST, "i=11580", (V(1, T.Byte),)),
    ]
    for owner, method, arguments in calls:
        assert await refused(call(client, owner, method, *arguments)) == expected
    assert not (plant.pki.folder / "own" / "private" / "requested.pem").exists()


# Transactions (7.10.2)


async def test_one_session_at_a_time_changes_anything(
    plant: Any, call: Any, authority: Any, sign: Any, make_party: Any
) -> None:
    client, other = await plant.connect(), await plant.connect("other")
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False))
    arguments = update(sign(csr, authority), [authority.der])
    await call(client, CONFIGURATION, UPDATE, *arguments)
    guest = make_party("guest", 6, uri="urn:test:guest")
    waiting = [
        (other, CONFIGURATION, UPDATE, arguments),
        (other, TRUST_LIST, OPEN, (V(6, T.Byte),)),
        (other, TRUST_LIST, ADD, (octets(guest.der), boolean(True))),
        (client, TRUST_LIST, ADD, (octets(guest.der), boolean(True))),
    ]
    for who, owner, method, given in waiting:
        assert await refused(call(who, owner, method, *given)) == "BadTransactionPending"
    for method in (APPLY, CANCEL):
        assert await refused(call(other, CONFIGURATION, method)) == "BadSessionIdInvalid"
    await call(other, TRUST_LIST, OPEN, V(1, T.Byte))
    await call(client, CONFIGURATION, CANCEL)
    assert await refused(call(client, CONFIGURATION, APPLY)) == "BadNothingToDo"
    assert await call(other, CONFIGURATION, UPDATE, *arguments) is True


async def test_a_session_that_ends_takes_its_transaction_with_it(
    plant: Any, call: Any, authority: Any, sign: Any
) -> None:
    client, other = await plant.connect(), await plant.connect("other")
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False))
    await call(client, CONFIGURATION, UPDATE, *update(sign(csr, authority), [authority.der]))
    await client.close_session()
    handle = u32(await call(other, TRUST_LIST, OPEN, V(6, T.Byte)))
    assert await refused(call(other, CONFIGURATION, APPLY)) == "BadInvalidState"
    await call(other, TRUST_LIST, CLOSE, handle)
    assert await refused(call(other, CONFIGURATION, APPLY)) == "BadNothingToDo"


async def test_the_last_transaction_can_be_looked_up(
    plant: Any, call: Any, authority: Any, sign: Any
) -> None:
    client = await plant.connect()
    result = client.get_node("i=32339")
    before = await result.read_data_value(raise_on_bad_status=False)
    assert before.StatusCode.name == "BadOutOfService"
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False))
    await call(client, CONFIGURATION, UPDATE, *update(sign(csr, authority), [authority.der]))
    await call(client, CONFIGURATION, CANCEL)
    assert (await result.read_value()).name == "BadRequestCancelledByClient"
    assert await client.get_node("i=32340").read_value() == []
    assert await client.get_node("i=32341").read_value() == [ua.NodeId(14156)]
    assert len(await client.get_node("i=32342").read_value()) == 1


# Records, and changes by another hand


async def test_what_changes_is_recorded_before_and_after(
    plant: Any, call: Any, make_party: Any
) -> None:
    client = await plant.connect()
    guest = make_party("guest", 6, uri="urn:test:guest")
    await call(client, TRUST_LIST, ADD, octets(guest.der), boolean(True))
    outcome = await plant.audit.until("trust-list-update-outcome")
    (before,) = [one for one in plant.audit.records if one.event == "trust-list-update"]
    assert before.user == "admin"
    assert "SecurityAdmin" in before.roles
    assert before.new == outcome.new == f"trusted certificate guest [{guest.thumbprint}]"
    assert (before.attribute, before.node_id) == ("AddCertificate", "i=12642")
    assert outcome.outcome == 0
    assert not plant.audit.of("trust-list-changed")


async def test_a_change_that_a_shutdown_overtakes_is_finished_and_recorded_as_it_was(
    plant: Any, call: Any, make_party: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, queue = await plant.connect(), plant.front_end.context.queue
    guest = make_party("guest", 6, uri="urn:test:guest")
    begun, opened = threading.Event(), threading.Event()
    real = pki_commit.commit

    def commit(root: Any, update: Any) -> None:
        begun.set()
        opened.wait(10)
        real(root, update)

    monkeypatch.setattr(pki_commit, "commit", commit)
    adding = asyncio.create_task(
        call(client, TRUST_LIST, ADD, octets(guest.der), boolean(True)), name="adding"
    )
    await asyncio.to_thread(begun.wait, 10)
    stopping = asyncio.create_task(queue.stop(0.0))
    for _ in range(20):
        await asyncio.sleep(0)
    assert any(task.cancelling() for task in queue._tasks)
    opened.set()
    await stopping
    outcome = await plant.audit.until("trust-list-update-outcome")
    assert outcome.outcome == 0
    assert guest.der in plant.pki.trust_lists[Group.APPLICATION].content().trusted
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)


async def test_without_its_record_nothing_changes(
    plant: Any, call: Any, authority: Any, sign: Any, make_party: Any
) -> None:
    client = await plant.connect()
    guest = make_party("guest", 6, uri="urn:test:guest")
    plant.audit.down = "trust-list-update"
    adding = call(client, TRUST_LIST, ADD, octets(guest.der), boolean(True))
    assert await refused(adding) == "BadResourceUnavailable"
    assert (await read_list(call, client)).TrustedCertificates == [plant.client_party.der]
    plant.audit.down = "certificate-update"
    csr = await call(client, CONFIGURATION, REQUEST, *request(new_key=False))
    await call(client, CONFIGURATION, UPDATE, *update(sign(csr, authority), [authority.der]))
    before = plant.pki.certificate_der
    assert await refused(call(client, CONFIGURATION, APPLY)) == "BadResourceUnavailable"
    assert plant.pki.certificate_der == before
    plant.audit.down = "certificate-request"
    asking = call(client, CONFIGURATION, REQUEST, *request(new_key=True))
    assert await refused(asking) == "BadResourceUnavailable"
    assert not (plant.pki.folder / "own" / "private" / "requested.pem").exists()


async def test_a_refused_change_is_recorded_with_its_reason(plant: Any, call: Any) -> None:
    client = await plant.connect()
    await refused(call(client, CONFIGURATION, UPDATE, *update(b"junk", [])))
    record = await plant.audit.until("pki-call-refused")
    assert record.outcome == ua.StatusCodes.BadCertificateInvalid
    assert record.attribute == "UpdateCertificate"
    assert record.user == "admin"


async def test_a_file_taken_out_by_hand_cuts_its_owner_off_and_is_recorded(
    plant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_S", 0.1)
    client = await plant.connect()
    (plant.pki.folder / "trusted" / "certs" / "administrator.der").unlink()
    await plant.cut_off(client)
    record = await plant.audit.until("trust-list-changed")
    assert record.user is None
    assert plant.client_party.thumbprint in record.old
    assert not list(plant.front_end.context.sessions)


async def test_a_certificate_renewed_by_another_process_is_offered_at_once(
    plant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_S", 0.1)
    client = await plant.connect()
    before = plant.pki.certificate_der
    other = type(plant.pki).open(plant.pki.folder, "urn:test:gateway", ["127.0.0.1"])
    other.renew()
    await plant.cut_off(client)
    await plant.audit.until("certificate-changed")
    again = await plant.connect()
    assert again.security_policy.peer_certificate == other.certificate_der != before


@pytest.mark.parametrize("curves", [(CURVES["nistP256"],)])
async def test_another_certificate_of_a_curve_leaves_the_channels_of_rsa_keys_alone(
    plant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_S", 0.1)
    client = await plant.connect()
    shown = {e.SecurityPolicyUri: e.ServerCertificate for e in await client.get_endpoints()}
    other = type(plant.pki).open(
        plant.pki.folder, "urn:test:gateway", ["127.0.0.1"], curves=[CURVES["nistP256"]]
    )
    other.renew(kinds=[CURVES["nistP256"]])
    await plant.audit.until("certificate-changed")
    await plant.front_end._push.watch._sweep()
    after = {e.SecurityPolicyUri: e.ServerCertificate for e in await client.get_endpoints()}
    assert not plant.lost[client].is_set()
    assert [uri.partition("#")[2] for uri in after if after[uri] != shown[uri]] == ["ECC_nistP256"]
    other.renew(kinds=[RSA])
    await plant.cut_off(client)


@pytest.mark.parametrize("suppressed", [("expired",)])
async def test_what_is_accepted_in_spite_of_a_fault_is_recorded(
    plant: Any, make_party: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part 4, 6.1.3: a suppressed error is audited all the same."""
    monkeypatch.setattr(watch, "POLL_S", 0.1)
    old = make_party("old", 6, uri="urn:test:old", days=-1)
    (plant.pki.folder / "trusted" / "certs" / "old.der").write_bytes(old.der)
    await plant.connect(party=old, uri="urn:test:old")
    record = await plant.audit.until("certificate-accepted")
    assert "CertificateTimeInvalid" in record.reason
    assert record.certificate_sha256


class Heard:
    """Keeps the events of a subscription."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


async def test_changes_are_told_as_audit_events(plant: Any, call: Any, make_party: Any) -> None:
    """Part 12, 7.8.2.13 and 7.10.19."""
    client, heard = await plant.connect(), Heard()
    subscription = await client.create_subscription(50, heard)
    await subscription.subscribe_events(evtypes=[ua.NodeId(12561)])
    guest = make_party("guest", 6, uri="urn:test:guest")
    await call(client, TRUST_LIST, ADD, octets(guest.der), boolean(True))
    async with asyncio.timeout(10):
        event = await heard.events.get()
    assert event.EventType == ua.NodeId(12561)
    assert event.TrustListId == ua.NodeId(12642)
    assert event.MethodId == ua.NodeId(12668)
    assert event.ClientUserId == "admin"
    assert event.Status is True
