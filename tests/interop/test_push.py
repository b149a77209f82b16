"""Push management of certificates and trust lists (Part 12, 7.8 to 7.10), with two clients."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary, struct_to_binary
from cryptography import x509
from interop.asking import S, call, clause, read
from interop.conftest import SECURITIES
from pki_parties import made

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECURED = [each for each in SECURITIES if each.mode == "SignAndEncrypt"]
SIGNED = next(each for each in SECURITIES if each.mode == "Sign")
CONFIGURATION, TRUST_LIST = "ns=0;i=12637", "ns=0;i=12642"
REQUEST, APPLY, CANCEL, REJECTED, CERTIFICATES = (
    f"ns=0;i={number}" for number in (12737, 12740, 25708, 12777, 32333)
)
OPEN, OPEN_MASKS, READ, WRITE, CLOSE, CLOSE_UPDATE, ADD, REMOVE = (
    f"ns=0;i={number}" for number in (12647, 12663, 12652, 12655, 12650, 12666, 12668, 12670)
)
NULL = ["NodeId", ""]


def octets(value):
    return ["ByteString", value.hex()]


async def good(wire, owner, method, *arguments):
    """The outputs of a call that succeeds."""
    result = await call(wire, owner, method, *arguments)
    assert result["StatusCode"] == S.Good, ua.StatusCode(result["StatusCode"]).name
    return [value for _, value, *_ in result["OutputArguments"]]


async def status(wire, owner, method, *arguments):
    return (await call(wire, owner, method, *arguments))["StatusCode"]


async def trust_list(wire, masks=15):
    """The decoded list, read in pieces."""
    (handle,) = await good(wire, TRUST_LIST, OPEN_MASKS, ["UInt32", masks])
    data = b""
    while True:
        (piece,) = await good(wire, TRUST_LIST, READ, ["UInt32", handle], ["Int32", 500])
        if not piece:
            break
        data += bytes.fromhex(piece)
    await good(wire, TRUST_LIST, CLOSE, ["UInt32", handle])
    return from_binary(ua.TrustListDataType, Buffer(data))


@clause("Part 12, 7.10.10")
@pytest.mark.parametrize("security", SECURED, ids=lambda each: each.name)
async def test_a_signing_request_is_for_the_servers_key(open_wire, server, security):
    wire = await open_wire(security, server.account("admin"))
    request = (NULL, NULL, ["String", "CN=fixture/O=Test"], ["Boolean", False], octets(bytes(32)))
    (csr,) = await good(wire, CONFIGURATION, REQUEST, *request)
    parsed = x509.load_der_x509_csr(bytes.fromhex(csr))
    assert parsed.is_signature_valid
    assert parsed.subject.rfc4514_string() == "O=Test,CN=fixture"
    types, (certificate,) = await good(wire, CONFIGURATION, CERTIFICATES, NULL)
    own = x509.load_der_x509_certificate(bytes.fromhex(certificate))
    assert types == ["ns=0;i=12560"]
    assert own.public_key() == parsed.public_key()


@clause("Part 12, 7.8.2.6", "Part 12, 7.8.2.7")
async def test_a_certificate_is_trusted_and_no_longer(open_wire, server):
    wire = await open_wire(SECURED[0], server.account("admin"))
    guest = made("guest", 2, uri="urn:test:guest")
    await good(wire, TRUST_LIST, ADD, octets(guest.der), ["Boolean", True])
    assert guest.der in (await trust_list(wire, 1)).TrustedCertificates
    thumbprint = ["String", guest.thumbprint]
    await good(wire, TRUST_LIST, REMOVE, thumbprint, ["Boolean", True])
    assert guest.der not in (await trust_list(wire, 1)).TrustedCertificates
    again = await status(wire, TRUST_LIST, REMOVE, thumbprint, ["Boolean", True])
    assert again == S.BadInvalidArgument


@clause("Part 12, 7.8.2.5", "Part 12, 7.10.9")
async def test_a_trust_list_is_written_and_takes_effect_together(open_wire, server):
    wire = await open_wire(SECURED[0], server.account("admin"))
    authority = made("authority", 3)
    before = await trust_list(wire)
    content = ua.TrustListDataType(12, [], [], [authority.der], [authority.crl()])
    data = struct_to_binary(content)
    (handle,) = await good(wire, TRUST_LIST, OPEN, ["Byte", 6])
    for start in range(0, len(data), 400):
        piece = octets(data[start : start + 400])
        await good(wire, TRUST_LIST, WRITE, ["UInt32", handle], piece)
    assert await good(wire, TRUST_LIST, CLOSE_UPDATE, ["UInt32", handle]) == [True]
    assert await trust_list(wire) == before
    await good(wire, CONFIGURATION, APPLY)
    after = await trust_list(wire)
    assert (after.IssuerCertificates, after.IssuerCrls) == ([authority.der], [authority.crl()])
    assert after.TrustedCertificates == before.TrustedCertificates


@clause("Part 12, 7.10.2")
async def test_another_session_waits_for_a_transaction_to_end(open_wire, server):
    wire = await open_wire(SECURED[0], server.account("admin"))
    other = await open_wire(SECURED[0], server.account("admin"))
    (handle,) = await good(wire, TRUST_LIST, OPEN, ["Byte", 6])
    assert await status(other, TRUST_LIST, OPEN, ["Byte", 6]) == S.BadTransactionPending
    assert await status(wire, CONFIGURATION, APPLY) == S.BadInvalidState
    await good(wire, TRUST_LIST, CLOSE, ["UInt32", handle])
    assert await status(wire, CONFIGURATION, CANCEL) == S.BadNothingToDo


@clause("Part 12, 7.2")
@pytest.mark.parametrize(
    ("security", "account", "expected"),
    [
        (SECURED[0], "operator", S.BadUserAccessDenied),
        (SECURED[0], "engineer", S.BadUserAccessDenied),
        (SIGNED, "admin", S.BadSecurityModeInsufficient),
    ],
)
async def test_only_administrators_push_over_encrypted_channels(
    open_wire, server, security, account, expected
):
    wire = await open_wire(security, server.account(account))
    assert await status(wire, CONFIGURATION, REJECTED) == expected
    assert await status(wire, CONFIGURATION, APPLY) == expected
    assert await status(wire, TRUST_LIST, OPEN, ["Byte", 1]) == expected


@clause("Part 12, 7.10.3")
async def test_the_server_says_what_can_be_pushed(open_wire, server):
    wire = await open_wire(SECURED[0], server.account("admin"))
    for identifier, expected in ((12639, ["PEM", "PFX"]), (12640, 1 << 20), (12641, False)):
        answer = await read(wire, f"ns=0;i={identifier}")
        assert answer["Value"][1] == expected
