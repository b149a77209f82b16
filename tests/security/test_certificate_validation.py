"""Validation by Part 4, 6.1.3: each step has its code, and the first that fails decides."""

from __future__ import annotations

from datetime import timedelta

import asyncua.crypto.cert_gen as peer
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security import certificate_validation, status
from biogate_security.certificate import fingerprint
from biogate_security.certificate_validation import (
    SUPPRESSIBLE,
    Requirements,
    build_chain,
    validate,
)
from biogate_security.trust_list import TrustList

URI = "urn:example:client"


def trust_list(trusted=(), issuers=(), crls=()):
    by_subject: dict = {}
    for owner in (*trusted, *issuers):
        by_subject.setdefault(owner.certificate.subject.public_bytes(), []).append(
            owner.certificate
        )
    by_issuer: dict = {}
    for crl in map(x509.load_der_x509_crl, crls):
        by_issuer.setdefault(crl.issuer.public_bytes(), []).append(crl)
    fingerprints = frozenset(fingerprint(owner.certificate) for owner in trusted)
    return TrustList(fingerprints, by_subject, by_issuer)


@pytest.fixture
def judge(now):
    def judge(der, trust=(), issuers=(), crls=(), *, at=now, uri=None, **wanted):
        result = validate(
            der,
            trust_list(trust, issuers, crls),
            at,
            application_uri=uri,
            requirements=Requirements(**wanted),
        )
        return status.name(result.failure.status if result.failure else status.GOOD)

    return judge


@pytest.fixture
def whole(plant):
    """What a complete, unrevoked plant PKI looks like to `judge`."""
    return {
        "trust": [plant.root],
        "issuers": [plant.issuing],
        "crls": [plant.root.crl(), plant.issuing.crl()],
    }


def test_a_trusted_self_signed_certificate_is_good(judge, party):
    client = party()
    assert judge(client.der, [client], uri=URI) == "Good"


def test_a_certificate_from_a_trusted_authority_is_good(judge, plant, whole):
    assert judge(plant.client.der, **whole, uri=URI) == "Good"


def test_issuers_may_come_with_the_certificate(judge, plant, whole):
    whole["issuers"] = []
    assert judge(plant.client.der, **whole) == "Bad_CertificateChainIncomplete"
    assert judge(plant.client.der + plant.issuing.der, **whole) == "Good"


# Step 1: structure


@pytest.mark.parametrize(
    "der",
    [b"", b"0", b"\x00" * 40, b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\x00\x00", b"\x30\x03abc"],
)
def test_bytes_that_are_no_certificate_are_invalid(judge, der):
    assert judge(der) == "Bad_CertificateInvalid"


def test_a_certificate_cut_short_or_with_something_behind_it_is_invalid(judge, party):
    client = party()
    assert judge(client.der[:-1], [client]) == "Bad_CertificateInvalid"
    assert judge(client.der + b"\x00", [client]) == "Bad_CertificateInvalid"


def test_a_critical_extension_that_we_do_not_understand_is_invalid(judge, party):
    constraint = x509.NameConstraints([x509.DNSName("example.com")], None)
    client = party(extra=((constraint, True),))
    assert judge(client.der, [client]) == "Bad_CertificateInvalid"
    harmless = party(extra=((constraint, False),))
    assert judge(harmless.der, [harmless]) == "Good"


def test_more_than_ten_certificates_are_invalid(judge, party):
    client = party()
    assert judge(client.der * 10, [client]) == "Good"
    assert judge(client.der * 11, [client]) == "Bad_CertificateInvalid"


def test_a_certificate_of_more_bytes_than_any_needs_is_invalid(judge, party):
    filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(17_000))
    client = party(extra=((filler, False),))
    assert judge(client.der, [client]) == "Bad_CertificateInvalid"


# Step 2: chain


def test_a_missing_root_leaves_the_chain_incomplete(judge, plant):
    trust = [plant.issuing, plant.client]
    assert judge(plant.client.der, trust) == "Bad_CertificateChainIncomplete"


def test_issuers_in_a_loop_leave_the_chain_incomplete(judge, party):
    one = party("one", 1, issuer_name="two", signer=None, ca=True)
    two = party("two", 2, issuer=one, ca=True)
    one = party("one", 1, issuer=two, ca=True)
    client = party("client", 3, issuer=two)
    result = judge(client.der + one.der + two.der, [one, two])
    assert result == "Bad_CertificateChainIncomplete"
    chain, gap = build_chain([client.certificate], trust_list([one, two]))
    assert [len(chain), gap] == [3, "the issuers form a loop"]


def test_a_chain_is_followed_over_ten_certificates_at_most(party, plant):
    issuer, authorities = plant.root, [plant.root]
    for depth in range(10):
        issuer = party(f"ca {depth}", 4, issuer=issuer, ca=True)
        authorities.append(issuer)
    client = party("client", 3, issuer=issuer)
    chain, gap = build_chain([client.certificate], trust_list(issuers=authorities))
    assert len(chain) == 10
    assert gap == "longer than 10 certificates"


def test_of_two_authorities_of_one_name_the_signer_is_found(judge, party, plant, whole):
    impostor = party("issuing", 7, issuer=plant.root, ca=True)
    whole["issuers"] = [impostor, plant.issuing]
    assert judge(plant.client.der, **whole) == "Good"


# Step 3: signature


def test_a_forged_signature_is_invalid(judge, party, plant, whole):
    forged = party("client", 3, issuer=plant.issuing, signer=plant.client.key)
    assert judge(forged.der, **whole) == "Bad_CertificateInvalid"


def test_a_self_signed_certificate_whose_signature_is_not_its_own_is_invalid(judge, party, plant):
    forged = party("client", 3, signer=plant.root.key)
    assert judge(forged.der, [forged]) == "Bad_CertificateInvalid"


def test_an_authority_that_only_shares_the_trusted_ones_name_gives_no_trust(
    judge, party, plant, whole
):
    impostor = party("root", 7, ca=True)
    client = party("client", 3, issuer=impostor)
    assert judge(client.der + impostor.der, **whole) == "Bad_CertificateUntrusted"


# Step 4: security policy


def test_short_keys_and_old_hashes_fail_the_policy(judge, party):
    short = party("short", 5, bits=1024)
    assert judge(short.der, [short]) == "Bad_CertificatePolicyCheckFailed"
    assert judge(short.der, [short], min_key_bits=1024) == "Good"
    client = party()
    assert judge(client.der, [client], min_key_bits=3072) == "Bad_CertificatePolicyCheckFailed"
    assert judge(client.der, [client], max_key_bits=1024) == "Bad_CertificatePolicyCheckFailed"
    other_hash = party(algorithm=hashes.SHA384())
    assert judge(other_hash.der, [other_hash]) == "Good"
    only = frozenset({"sha256"})
    assert judge(other_hash.der, [other_hash], hashes=only) == "Bad_CertificatePolicyCheckFailed"


# Step 5: trust


def test_a_stranger_is_untrusted_before_anything_else_is_said_of_it(judge, party, now):
    client = party(end=now - timedelta(days=1), uses=frozenset())
    assert judge(client.der, uri="urn:other") == "Bad_CertificateUntrusted"


def test_the_issuer_store_alone_gives_no_trust(judge, plant, whole):
    whole["issuers"], whole["trust"] = [plant.issuing, plant.root], []
    assert judge(plant.client.der, **whole) == "Bad_CertificateUntrusted"


@pytest.mark.parametrize("trusted", ["root", "issuing", "client"])
def test_any_certificate_of_the_chain_may_be_the_trusted_one(judge, plant, whole, trusted):
    whole["issuers"], whole["trust"] = [plant.issuing, plant.root], [getattr(plant, trusted)]
    assert judge(plant.client.der, **whole) == "Good"


# Step 6: validity


def test_a_certificate_is_good_from_its_first_to_its_last_second(judge, party):
    client = party()
    first, last = client.certificate.not_valid_before_utc, client.certificate.not_valid_after_utc
    second = timedelta(seconds=1)
    assert judge(client.der, [client], at=first) == "Good"
    assert judge(client.der, [client], at=last) == "Good"
    assert judge(client.der, [client], at=first - second) == "Bad_CertificateTimeInvalid"
    assert judge(client.der, [client], at=last + second) == "Bad_CertificateTimeInvalid"


def test_an_expired_issuer_has_a_code_of_its_own(judge, party, plant, whole, now):
    issuing = party("issuing", 2, issuer=plant.root, ca=True, end=now - timedelta(days=1))
    whole["issuers"] = [issuing]
    assert judge(plant.client.der, **whole) == "Bad_CertificateIssuerTimeInvalid"


# Step 8: ApplicationUri (step 7, the host name, is for clients)


@pytest.mark.parametrize("uris", [(), ("urn:other",), (URI, "urn:other"), (URI, URI)])
def test_the_application_uri_must_be_the_only_one_of_the_certificate(judge, party, uris):
    client = party(uris=uris)
    assert judge(client.der, [client], uri=URI) == "Bad_CertificateUriInvalid"
    not_one = "Good" if len(uris) == 1 else "Bad_CertificateUriInvalid"
    assert judge(client.der, [client]) == not_one
    assert judge(client.der, [client], purpose="user") == "Good"


# Step 9: usage


@pytest.mark.parametrize(
    "missing",
    ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"],
)
def test_a_missing_key_usage_is_not_allowed(judge, party, missing):
    uses = {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment"}
    client = party(uses=frozenset(uses - {missing}))
    assert judge(client.der, [client]) == "Bad_CertificateUseNotAllowed"


def test_a_server_only_certificate_may_not_be_a_clients(judge, party):
    server = party(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))
    assert judge(server.der, [server]) == "Bad_CertificateUseNotAllowed"
    assert judge(server.der, [server], purpose="server") == "Good"
    for lacking in (party(uses=frozenset()), party(purposes=())):
        assert judge(lacking.der, [lacking]) == "Bad_CertificateUseNotAllowed"


def test_a_users_certificate_needs_to_sign_and_nothing_else(judge, party):
    signs = party(uses=frozenset({"digital_signature"}), purposes=(), uris=())
    assert judge(signs.der, [signs], purpose="user") == "Good"
    encrypts = party(uses=frozenset({"data_encipherment"}), purposes=(), uris=())
    assert judge(encrypts.der, [encrypts], purpose="user") == "Bad_CertificateUseNotAllowed"


def test_a_trusted_client_may_not_issue_certificates(judge, party, plant):
    uses = {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment"}
    client = party("client", 3, uses=frozenset(uses | {"key_cert_sign", "crl_sign"}))
    child = party("child", 6, issuer=client)
    crls = [client.crl()]
    assert judge(client.der, [client], crls=crls) == "Good"
    assert judge(child.der, [client], crls=crls) == "Bad_CertificateIssuerUseNotAllowed"


def test_an_authority_needs_its_key_usage_and_room_below_it(judge, party, plant, whole):
    weak = party("issuing", 2, issuer=plant.root, ca=True, uses=frozenset({"crl_sign"}))
    whole["issuers"] = [weak]
    assert judge(plant.client.der, **whole) == "Bad_CertificateIssuerUseNotAllowed"
    root = party("root", 1, ca=True, path_length=0)
    whole["issuers"], whole["trust"] = [plant.issuing], [root]
    assert judge(plant.client.der, **whole) == "Bad_CertificateIssuerUseNotAllowed"


# Steps 10 and 11: revocation


def test_an_authority_without_a_revocation_list_leaves_it_unknown(judge, plant, whole):
    whole["crls"] = [plant.root.crl()]
    assert judge(plant.client.der, **whole) == "Bad_CertificateRevocationUnknown"
    whole["crls"] = [plant.issuing.crl()]
    assert judge(plant.client.der, **whole) == "Bad_CertificateIssuerRevocationUnknown"


def test_a_list_out_of_date_or_signed_by_another_says_nothing(judge, plant, whole, now):
    for useless in (
        plant.issuing.crl(days=-0.5),
        plant.issuing.crl(start=now + timedelta(days=3)),
        plant.issuing.crl(key=9),
    ):
        whole["crls"] = [plant.root.crl(), useless]
        assert judge(plant.client.der, **whole) == "Bad_CertificateRevocationUnknown"


def test_a_list_for_a_part_of_the_certificates_only_says_nothing(judge, plant, whole):
    part = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    whole["crls"] = [plant.root.crl(), plant.issuing.crl(scope=part)]
    assert judge(plant.client.der, **whole) == "Bad_CertificateRevocationUnknown"


def test_a_list_of_an_authority_without_that_right_says_nothing(judge, party, plant, whole):
    whole["issuers"] = [
        party("issuing", 2, issuer=plant.root, ca=True, uses=frozenset({"key_cert_sign"}))
    ]
    assert judge(plant.client.der, **whole) == "Bad_CertificateRevocationUnknown"


def test_a_revoked_certificate_is_refused(judge, plant, whole):
    whole["crls"] = [plant.root.crl(), plant.issuing.crl(plant.client)]
    assert judge(plant.client.der, **whole) == "Bad_CertificateRevoked"


def test_a_revoked_authority_takes_its_certificates_with_it(judge, plant, whole):
    whole["crls"] = [plant.root.crl(plant.issuing), plant.issuing.crl()]
    assert judge(plant.client.der, **whole) == "Bad_CertificateIssuerRevoked"


def test_another_authoritys_list_with_the_same_serial_number_does_not_count(
    judge, party, plant, whole
):
    other = party("other", 8, ca=True)
    whole["crls"] += [other.crl(plant.client)]
    whole["issuers"] += [other]
    assert judge(plant.client.der, **whole) == "Good"


def test_a_serial_number_on_an_old_list_stays_revoked_even_if_unknown_is_suppressed(
    judge, plant, whole
):
    whole["crls"] = [plant.root.crl(), plant.issuing.crl(plant.client, days=-0.5)]
    unknown = frozenset({status.BAD_CERTIFICATE_REVOCATION_UNKNOWN})
    assert judge(plant.client.der, **whole, suppress=unknown) == "Bad_CertificateRevoked"


# Suppressing


def test_a_suppressed_finding_is_reported_and_the_walk_goes_on(party, now):
    client = party(end=now - timedelta(days=1), uses=frozenset())
    expired = frozenset({status.BAD_CERTIFICATE_TIME_INVALID})
    result = validate(
        client.der, trust_list([client]), now, requirements=Requirements(suppress=expired)
    )
    assert [finding.status for finding in result.suppressed] == [*expired]
    assert result.failure.status == status.BAD_CERTIFICATE_USE_NOT_ALLOWED


def test_what_part_4_calls_critical_cannot_be_suppressed():
    for code in set(status.NAMES) - SUPPRESSIBLE:
        with pytest.raises(ValueError, match="may not be suppressed"):
            Requirements(suppress=frozenset({code}))


# For any bytes


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_change_of_a_trusted_certificate_is_accepted(data):
    der, owner = _client()
    place = data.draw(st.integers(0, len(der) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(der)
    changed[place] ^= flip
    moment = owner.certificate.not_valid_before_utc
    result = validate(bytes(changed), trust_list([owner]), moment)
    assert result.failure is not None


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x18"),  # version 25
        (b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03"),  # a name of bits
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x7f"),  # key
    ],
)
def test_a_certificate_that_the_library_cannot_read_is_invalid(was, becomes):
    der, owner = _client()
    assert was in der
    moment = owner.certificate.not_valid_before_utc
    result = validate(der.replace(was, becomes), trust_list([owner]), moment)
    assert result.failure.status == status.BAD_CERTIFICATE_INVALID


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_get_a_verdict(noise):
    _, owner = _client()
    moment = owner.certificate.not_valid_before_utc
    assert validate(noise, trust_list([owner]), moment).failure is not None
    assert validate(b"\x30" + noise, trust_list([owner]), moment).failure is not None


_CLIENT: list = []


@pytest.fixture(autouse=True)
def _keep_a_client(party):
    if not _CLIENT:
        _CLIENT.append(party())


def _client():
    return _CLIENT[0].der, _CLIENT[0]


# A peer's own code as oracle


def test_a_certificate_made_by_asyncua_is_good(judge, party, now):
    key = peer.generate_private_key()
    certificate = peer.generate_self_signed_app_certificate(
        key,
        "peer",
        {"organizationName": "Example"},
        [x509.UniformResourceIdentifier(URI), x509.DNSName("localhost")],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    moment = certificate.not_valid_before_utc
    owner = type(party())(certificate, key)
    assert judge(certificate.public_bytes(Encoding.DER), [owner], at=moment, uri=URI) == "Good"


# -- what a stranger's certificate may cost ------------------------------------------------------


def _tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag, *([0x80 | len(length)] if size > 127 else []), *length]) + content


def _integer(number):
    return _tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _rsa_certificate(modulus, exponent):
    """By hand: the library makes no such keys, and reads them all the same."""
    sha256_with_rsa = _tlv(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
    rsa_encryption = _tlv(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    name = _tlv(0x30, _tlv(0x31, _tlv(0x30, bytes.fromhex("0603550403"), _tlv(0x0C, b"slow"))))
    key = _tlv(3, b"\0", _tlv(0x30, _integer(modulus), _integer(exponent)))
    signed = _tlv(
        0x30,
        *(_tlv(0xA0, _integer(2)), _integer(1), sha256_with_rsa, name),
        _tlv(0x30, _tlv(0x17, b"250101000000Z"), _tlv(0x17, b"350101000000Z")),
        *(name, _tlv(0x30, rsa_encryption, key)),
    )
    return _tlv(0x30, signed, sha256_with_rsa, _tlv(3, bytes(257)))


@pytest.mark.parametrize(
    ("modulus_bits", "exponent", "readable"),
    [(2048, 65537, True), (3072, (1 << 3000) + 1, False), (16384, 65537, False)],
)
def test_a_key_that_takes_long_to_use_makes_a_certificate_unreadable(
    modulus_bits, exponent, readable, now
):
    """Its signature is tried before it is known that nobody trusts it (6.1.3, steps 2 to 5)."""
    der = _rsa_certificate((1 << modulus_bits) - 3, exponent)
    assert (validate(der, TrustList(), now).leaf is not None) is readable


@pytest.mark.parametrize(("curve", "readable"), [("P256", True), ("P512", False)])
def test_so_does_one_of_a_curve_that_no_security_policy_has(curve, readable, now):
    key = ec.generate_private_key(getattr(ec, f"Brainpool{curve}R1")())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "slow")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert (validate(der, TrustList(), now).leaf is not None) is readable


def test_a_revocation_list_is_verified_once_however_many_are_judged_by_it(
    whole, plant, now, monkeypatch
):
    """A list of a megabyte takes some ten milliseconds, for anybody who shows a certificate."""
    verified = []
    real = certificate_validation.is_signed_by
    monkeypatch.setattr(
        certificate_validation,
        "is_signed_by",
        lambda crl, key: verified.append(crl) or real(crl, key),
    )
    trust = trust_list(*whole.values())
    for _ in range(3):
        assert validate(plant.client.der, trust, now).failure is None
    assert len(verified) == len({id(crl) for crl in verified}) > 0
