"""The own application instance certificate (Part 6, 6.2.2) and what becomes of it."""

from __future__ import annotations

import stat
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate_security import own_certificate
from biogate_security.own_certificate import ApplicationIdentity, load_or_create
from biogate_security.pki_update import PkiError

URI = "urn:example:gateway"
HOSTS = ("gateway.example", "127.0.0.1")


@pytest.fixture
def identity():
    return ApplicationIdentity(URI, HOSTS)


@pytest.fixture
def own(tmp_path, identity, now):
    return load_or_create(tmp_path, identity, now)


def test_it_says_who_and_where_the_application_is(own):
    names = own.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert names.get_values_for_type(x509.DNSName) == ["gateway.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert own.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "biogate"


def test_it_may_be_used_as_a_server_and_a_client_and_issues_nothing(own):
    extensions = own.certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    assert usage.key_cert_sign  # Part 6, 6.2.2: self-signed ones are their own issuer
    assert not usage.crl_sign
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_is_signed_with_sha256_by_its_own_2048_bit_key_for_five_years(own, now):
    own.certificate.verify_directly_issued_by(own.certificate)
    assert own.certificate.signature_hash_algorithm.name == "sha256"
    assert own.private_key.key_size == 2048
    assert own.certificate.public_key() == own.private_key.public_key()
    assert own.certificate.not_valid_before_utc < now
    assert own.certificate.not_valid_after_utc == now + timedelta(days=5 * 365)


def test_two_certificates_never_share_a_serial_number(own, identity, now):
    other = own_certificate.self_signed(own.private_key, identity, now)
    assert other.serial_number != own.certificate.serial_number


@pytest.mark.parametrize("bits", [3072, 4096])
def test_larger_keys_are_an_option(tmp_path, now, bits, monkeypatch):
    asked = []
    real = own_certificate.rsa.generate_private_key

    def quick(public_exponent, key_size):
        asked.append(key_size)
        return real(public_exponent, 2048)

    monkeypatch.setattr(own_certificate.rsa, "generate_private_key", quick)
    load_or_create(tmp_path, ApplicationIdentity(URI, HOSTS, key_bits=bits), now)
    assert asked == [bits]


def test_the_key_is_for_its_owner_only(own, tmp_path):
    assert stat.S_IMODE((tmp_path / "private" / "application.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700


def test_a_key_open_to_others_is_closed_with_a_warning(own, tmp_path, identity, now, caplog):
    key_file = tmp_path / "private" / "application.pem"
    key_file.chmod(0o644)
    load_or_create(tmp_path, identity, now)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert "was open to others" in caplog.text


def test_the_key_is_never_shown(own, tmp_path):
    secret = load_pem_private_key((tmp_path / "private" / "application.pem").read_bytes(), None)
    assert str(secret.private_numbers().d) not in repr(own)
    assert "private_key" not in repr(own)


def test_the_next_start_uses_the_same_pair(own, tmp_path, identity, now):
    again = load_or_create(tmp_path, identity, now + timedelta(days=1))
    assert again.certificate == own.certificate
    assert again.private_key.private_numbers() == own.private_key.private_numbers()


def test_a_start_cut_short_after_the_key_goes_on_with_that_key(own, tmp_path, identity, now):
    (tmp_path / "certs" / "application.der").unlink()
    again = load_or_create(tmp_path, identity, now)
    assert again.private_key.private_numbers() == own.private_key.private_numbers()
    assert again.certificate != own.certificate


def test_a_certificate_without_its_key_is_an_error_that_says_what_to_do(
    own, tmp_path, identity, now
):
    (tmp_path / "private" / "application.pem").unlink()
    with pytest.raises(PkiError, match=r"application\.pem is missing.*both are made anew"):
        load_or_create(tmp_path, identity, now)


def test_a_key_of_another_certificate_is_an_error(own, tmp_path, identity, now):
    other = own_certificate.new_key(2048)
    (tmp_path / "private" / "application.pem").write_bytes(own_certificate.pem_of(other))
    with pytest.raises(PkiError, match="is not the key of"):
        load_or_create(tmp_path, identity, now)


@pytest.mark.parametrize("certificate_there", [True, False])
def test_a_key_whose_secret_part_is_spoilt_is_an_error(
    own, tmp_path, identity, now, certificate_there
):
    """Its public part is still the certificate's; only what it signs gives it away."""
    numbers = own.private_key.private_numbers()
    spoilt = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d + 2, numbers.dmp1 + 2, numbers.dmq1, numbers.iqmp,
        numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
    (tmp_path / "private" / "application.pem").write_bytes(own_certificate.pem_of(spoilt))
    if not certificate_there:
        (tmp_path / "certs" / "application.der").unlink()
    with pytest.raises(PkiError, match=r"is not the key of|not a usable PEM key"):
        load_or_create(tmp_path, identity, now)


@pytest.mark.parametrize(
    ("file", "message"),
    [("certs/application.der", "not a readable"), ("private/application.pem", "not a usable PEM")],
)
def test_a_spoilt_file_is_named(own, tmp_path, identity, now, file, message):
    (tmp_path / file).write_bytes(b"spoilt")
    with pytest.raises(PkiError, match=message) as error:
        load_or_create(tmp_path, identity, now)
    assert file.split("/")[1] in str(error.value)


@pytest.mark.parametrize(
    ("uri", "hosts", "bits"),
    [
        ("", HOSTS, 2048),
        ("urn:ü", HOSTS, 2048),
        (URI, (), 2048),
        (URI, ("a b",), 2048),
        (URI, HOSTS, 1024),
    ],
)
def test_an_identity_that_cannot_stand_in_a_certificate_is_refused(uri, hosts, bits):
    with pytest.raises(PkiError):
        ApplicationIdentity(uri, hosts, key_bits=bits)


def test_a_fresh_certificate_has_no_warnings(own, identity, now):
    assert own_certificate.warnings_of(own.certificate, identity, now) == ()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (5 * 365 - 31, ()),
        (5 * 365 - 29, ("it expires on 2031-11-23",)),
        (5 * 365 + 1, ("it expired on 2031-11-23",)),
        (-1, ("it is not valid before 2026-11-24",)),
    ],
)
def test_the_end_is_announced_thirty_days_before(own, identity, now, days, expected):
    moment = now + timedelta(days=days)
    assert own_certificate.warnings_of(own.certificate, identity, moment) == expected


def test_other_host_names_or_another_uri_are_warned_of_and_replace_nothing(own, tmp_path, now):
    changed = ApplicationIdentity("urn:new", (*HOSTS, "::1", "new.example"))
    kept = load_or_create(tmp_path, changed, now)
    assert kept.certificate == own.certificate
    assert own_certificate.warnings_of(kept.certificate, changed, now) == (
        "it is for urn:example:gateway, not for urn:new",
        "it does not name ::1, new.example",
    )
