"""What a change of certificates has to satisfy before it may take effect (Part 12, 7.8-7.10)."""

from __future__ import annotations

import stat
from datetime import timedelta
from itertools import count

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from biogate_security import own_certificate, status
from biogate_security.certificate import application_uris, host_names, thumbprint
from biogate_security.own_certificate import ApplicationIdentity, pem_of
from biogate_security.pki import Pki
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.pki_update import PkiUpdate, PkiUpdateError
from biogate_security.signing_request import parse_subject
from biogate_security.trust_content import Group, TrustContent

URI = "urn:example:gateway"
NONCE = bytes(32)
APPLICATION = Group.APPLICATION


@pytest.fixture(autouse=True)
def _keys_made_once(monkeypatch, party):
    numbers = count(30)
    monkeypatch.setattr(own_certificate, "new_key", lambda _bits: party("own", next(numbers)).key)


@pytest.fixture
def pki(tmp_path, clock):
    return Pki(tmp_path / "pki", ApplicationIdentity(URI, ["gate", "::1"]), clock=clock.ticks)


@pytest.fixture
def admin(pki):
    return PkiAdministrator(pki)


@pytest.fixture
def signed(now):
    """The certificate that an authority makes of a request, with what the request asks for."""

    def sign(request_der, authority, *, uri=None, days=365, key=None):
        request = x509.load_der_x509_csr(request_der)
        assert request.is_signature_valid
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority.certificate.subject)
            .public_key(key or request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
        )
        for extension in request.extensions:
            value = extension.value
            if uri and isinstance(value, x509.SubjectAlternativeName):
                value = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
            builder = builder.add_extension(value, critical=extension.critical)
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)

    return sign


def refused(function, *args, **kwargs):
    with pytest.raises(PkiUpdateError) as caught:
        function(*args, **kwargs)
    return status.name(caught.value.status)


# CreateSigningRequest (7.10.10)


def test_a_request_asks_for_what_the_gateway_needs(admin, pki):
    request = x509.load_der_x509_csr(admin.signing_request("", new_key=False))
    assert request.is_signature_valid
    assert request.subject == pki.own.certificate.subject
    assert request.public_key() == pki.private_key.public_key()
    assert application_uris(request) == [URI]
    assert host_names(request) == {"gate", "::1"}
    usage = request.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


def test_a_request_may_name_another_subject(admin):
    der = admin.signing_request("CN=Gate 1/O=Plant/C=DE", new_key=False)
    subject = x509.load_der_x509_csr(der).subject
    assert subject.rfc4514_string() == "C=DE,O=Plant,CN=Gate 1"


def test_a_new_key_waits_in_the_folder_and_is_not_in_use(admin, pki):
    before = pki.private_key
    request = x509.load_der_x509_csr(admin.signing_request("", new_key=True, nonce=NONCE))
    assert request.public_key() != before.public_key()
    assert pki.private_key is before
    place = own_certificate.requested_key_path(pki.folder / "own")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert Pki(pki.folder, pki.identity).certificate_der == pki.certificate_der


def test_a_new_key_asks_for_32_bytes_of_entropy(admin):
    assert refused(admin.signing_request, "", new_key=True, nonce=bytes(31)) == (
        "Bad_InvalidArgument"
    )


@pytest.mark.parametrize(
    "subject", ["gateway", "O=only", "CN=a/X=b", "CN=" + "a" * 65, "CN=a/C=Germany", "CN=" * 999]
)
def test_a_subject_that_cannot_be_is_an_invalid_argument(admin, subject):
    assert refused(admin.signing_request, subject, new_key=False) == "Bad_InvalidArgument"


def test_a_subject_is_written_with_slashes_or_commas_and_quotes():
    name = parse_subject('/CN=Gate 1/O="Plant/One, Ltd", OU=Cell,DC=gate')
    assert [(a.oid, a.value) for a in name] == [
        (NameOID.COMMON_NAME, "Gate 1"),
        (NameOID.ORGANIZATION_NAME, "Plant/One, Ltd"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Cell"),
        (NameOID.DOMAIN_COMPONENT, "gate"),
    ]


@given(st.text(alphabet='CNO=/," ab', max_size=40))
def test_any_subject_is_read_or_refused(text):
    try:
        assert parse_subject(text).get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        pass


# UpdateCertificate (7.10.5)


def test_the_certificate_of_a_request_with_a_new_key_takes_over_with_it(admin, pki, plant, signed):
    der = signed(admin.signing_request("", new_key=True, nonce=NONCE), plant.issuing)
    update = admin.check_certificate(der, [plant.issuing.der, plant.root.der])
    before = pki.certificate_der
    assert pki.certificate_der == before
    admin.commit(PkiUpdate(update))
    changes = admin.poll()
    assert pki.certificate_der == der
    assert pki.private_key.public_key() == x509.load_der_x509_certificate(der).public_key()
    assert [change.group for change in changes] == [None, APPLICATION]
    assert not own_certificate.requested_key_path(pki.folder / "own").exists()
    assert set(admin.trust_list(APPLICATION).issuers) == {plant.issuing.der, plant.root.der}
    again = Pki(pki.folder, pki.identity)
    assert again.certificate_der == der


def test_a_certificate_of_the_present_key_keeps_it(admin, pki, plant, signed):
    der = signed(admin.signing_request("", new_key=False), plant.root)
    update = admin.check_certificate(der, [plant.root.der])
    assert update.key_pem is None
    admin.commit(PkiUpdate(update))
    admin.poll()
    assert pki.certificate_der == der


def test_a_certificate_of_a_key_that_is_not_here_is_refused(admin, plant, signed, party):
    request = admin.signing_request("", new_key=False)
    der = signed(request, plant.root, key=party("x", 9).key.public_key())
    assert refused(admin.check_certificate, der, [plant.root.der]) == "Bad_SecurityChecksFailed"


def test_a_certificate_for_another_application_is_refused(admin, plant, signed):
    der = signed(admin.signing_request("", new_key=False), plant.root, uri="urn:other")
    assert refused(admin.check_certificate, der, [plant.root.der]) == "Bad_CertificateUriInvalid"


def test_a_certificate_whose_issuers_are_not_all_there_is_refused(admin, plant, signed):
    der = signed(admin.signing_request("", new_key=False), plant.issuing)
    assert refused(admin.check_certificate, der, [plant.issuing.der]) == (
        "Bad_CertificateChainIncomplete"
    )


def test_a_certificate_that_every_client_would_refuse_is_refused(admin, plant, signed):
    der = signed(admin.signing_request("", new_key=False), plant.root, days=-1)
    assert refused(admin.check_certificate, der, [plant.root.der]) == "Bad_CertificateTimeInvalid"


@pytest.mark.parametrize("key_format", ["PEM", "PFX"])
def test_a_key_may_come_with_its_certificate(admin, pki, party, plant, signed, key_format):
    key = party("x", 9).key
    der = signed(admin.signing_request("", new_key=False), plant.root, key=key.public_key())
    certificate = x509.load_der_x509_certificate(der)
    content = {
        "PEM": pem_of(key),
        "PFX": pkcs12.serialize_key_and_certificates(
            b"gate", key, certificate, None, NoEncryption()
        ),
    }[key_format]
    admin.commit(PkiUpdate(admin.check_certificate(der, [plant.root.der], key_format, content)))
    admin.poll()
    assert pki.private_key.private_numbers() == key.private_numbers()


def test_a_key_that_cannot_be_used_is_not_supported(admin, plant, signed, party):
    key = party("x", 9).key
    der = signed(admin.signing_request("", new_key=False), plant.root, key=key.public_key())
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for key_format, content in (("PEM", b"junk"), ("DER", pem_of(key)), ("PEM", locked)):
        assert refused(admin.check_certificate, der, [plant.root.der], key_format, content) == (
            "Bad_NotSupported"
        )
    small = pem_of(party("x", 10, bits=1024).key)
    assert refused(admin.check_certificate, der, [], "PEM", small) == "Bad_NotSupported"


def test_bytes_that_are_no_certificate_are_invalid(admin, plant):
    assert refused(admin.check_certificate, b"junk") == "Bad_CertificateInvalid"
    own = admin._pki.certificate_der
    assert refused(admin.check_certificate, own, [b"junk"]) == "Bad_CertificateInvalid"


# CloseAndUpdate (7.8.2.5)


def test_a_sound_list_is_accepted_and_takes_effect_with_its_revocations(admin, pki, plant, clock):
    content = TrustContent(
        (plant.root.der,), (plant.root.crl(),), (plant.issuing.der,), (plant.issuing.crl(),)
    )
    admin.check_trust_list(APPLICATION, content)
    assert pki.validate(plant.client.der) != 0
    admin.commit(PkiUpdate(lists={APPLICATION: content}))
    assert pki.validate(plant.client.der) == 0
    revoked = plant.issuing.crl(plant.client)
    content = TrustContent((plant.root.der,), (plant.root.crl(),), (plant.issuing.der,), (revoked,))
    admin.check_trust_list(APPLICATION, content)
    admin.commit(PkiUpdate(lists={APPLICATION: content}))
    assert status.name(pki.validate(plant.client.der)) == "Bad_CertificateRevoked"


def test_a_list_that_is_not_sound_is_refused(admin, plant, party):
    forged = party("client", 3, issuer=plant.root, signer=party("x", 9).key)
    cases = {
        TrustContent((b"junk",)): "Bad_CertificateInvalid",
        TrustContent((), (b"junk",)): "Bad_CertificateInvalid",
        TrustContent((plant.client.der,)): "Bad_CertificateChainIncomplete",
        TrustContent((forged.der,), (), (plant.root.der,)): "Bad_CertificateInvalid",
        TrustContent((plant.root.der,), (plant.issuing.crl(),)): "Bad_CertificateInvalid",
        TrustContent((plant.root.der,), (plant.root.crl(key=9),)): "Bad_CertificateInvalid",
    }
    for content, expected in cases.items():
        assert refused(admin.check_trust_list, APPLICATION, content) == expected


def test_what_is_suppressible_refuses_no_list(admin, party, now):
    expired = party("old", 5, end=now - timedelta(days=1), uses=frozenset())
    admin.check_trust_list(APPLICATION, TrustContent((expired.der,)))


# AddCertificate (7.8.2.6) and RemoveCertificate (7.8.2.7)


def test_a_certificate_is_added_and_no_longer_rejected(admin, pki, party):
    client = party()
    assert pki.validate(client.der) != 0
    assert list(admin.rejected_certificates()) == [client.der]
    content = admin.check_trusted(APPLICATION, client.der)
    assert content.trusted == (client.der,)
    admin.commit(PkiUpdate(lists={APPLICATION: content}))
    assert admin.rejected_certificates() == []
    assert pki.validate(client.der) == 0
    assert admin.check_trusted(APPLICATION, client.der) == content


def test_what_cannot_be_added_says_why(admin, plant, party):
    assert refused(admin.check_trusted, APPLICATION, b"junk") == "Bad_CertificateInvalid"
    assert refused(admin.check_trusted, APPLICATION, plant.root.der) == "Bad_CertificateInvalid"
    assert refused(admin.check_trusted, APPLICATION, plant.client.der) == (
        "Bad_CertificateChainIncomplete"
    )
    nobody = party(uris=())
    assert refused(admin.check_trusted, APPLICATION, nobody.der) == "Bad_CertificateUriInvalid"
    assert admin.check_trusted(Group.USER, nobody.der).trusted == (nobody.der,)


def test_an_authority_goes_with_its_lists_but_not_while_it_is_needed(admin, plant):
    whole = TrustContent(
        (plant.root.der,), (plant.root.crl(),), (plant.issuing.der,), (plant.issuing.crl(),)
    )
    admin.commit(PkiUpdate(lists={APPLICATION: whole}))
    root, issuing = thumbprint(plant.root.certificate), thumbprint(plant.issuing.certificate)
    assert refused(admin.without, APPLICATION, root, trusted=True) == (
        "Bad_CertificateChainIncomplete"
    )
    less = admin.without(APPLICATION, issuing.lower(), trusted=False)
    assert less == TrustContent(whole.trusted, whole.trusted_crls)
    admin.commit(PkiUpdate(lists={APPLICATION: less}))
    assert admin.without(APPLICATION, root, trusted=True) == TrustContent()


def test_removing_what_is_not_there_is_an_invalid_argument(admin, plant):
    thumb = thumbprint(plant.root.certificate)
    assert refused(admin.without, APPLICATION, thumb, trusted=True) == "Bad_InvalidArgument"
    admin.commit(PkiUpdate(lists={APPLICATION: TrustContent((plant.root.der,))}))
    assert refused(admin.without, APPLICATION, thumb, trusted=False) == "Bad_InvalidArgument"


def test_the_last_update_is_when_a_file_came(admin, pki, party):
    before = admin.last_update(APPLICATION)
    admin.commit(PkiUpdate(lists={APPLICATION: TrustContent((party().der,))}))
    assert admin.last_update(APPLICATION) > before
