"""Own certificates and peers' with keys of elliptic curves (Part 4, 6.1.3; Part 6, 6.2.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from biogate_security import own_certificate, pki_commit, status
from biogate_security.certificate import read_certificate, thumbprint
from biogate_security.key_kinds import CURVES, RSA, curves_of, kind_of
from biogate_security.own_certificate import ApplicationIdentity, pem_of
from biogate_security.pki import Pki
from biogate_security.pki_admin import PkiAdministrator
from biogate_security.pki_doctor import Examination, examine
from biogate_security.pki_inventory import Place, inventory
from biogate_security.pki_update import PkiError, PkiUpdate, PkiUpdateError
from biogate_security.trust_check import check_content
from biogate_security.trust_content import TrustContent
from biogate_security.x509_users import UserCertificates

IDENTITY = ApplicationIdentity("urn:example:gateway", ["gate"])
P256, P384 = CURVES["nistP256"], CURVES["nistP384"]
CLIENT_USES = ("digital_signature",)
CA_USES = ("key_cert_sign", "crl_sign")


@pytest.fixture(autouse=True)
def _one_rsa_key(monkeypatch, party):
    monkeypatch.setattr(own_certificate, "new_key", lambda _bits: party("own", 30).key)


@pytest.fixture
def make(tmp_path, clock):
    def make(*curves, name="pki"):
        return Pki(tmp_path / name, IDENTITY, curves=curves, clock=clock.ticks)

    return make


@pytest.fixture
def peer(now):
    """A certificate with a key of a curve, its key, and its authority's list."""

    def peer(
        curve=P256.curve, *, issuer=None, ca=False, uses=CLIENT_USES, name="client", revoked=None
    ):
        key = ec.generate_private_key(curve)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        flags = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
        ) | dict.fromkeys(CA_USES if ca else uses, True)  # fmt: skip
        names = [x509.UniformResourceIdentifier("urn:example:client")]
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=100))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.KeyUsage(**flags), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        )
        return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key

    return peer


@pytest.fixture
def crl(now):
    def crl(authority, *revoked):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority[0].subject)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=7))
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        return builder.sign(authority[1], hashes.SHA256()).public_bytes(Encoding.DER)

    return crl


def der_of(certificate):
    return certificate.public_bytes(Encoding.DER)


def trust(pki, certificate, *lists):
    (pki.folder / "trusted" / "certs" / "peer.der").write_bytes(der_of(certificate))
    for number, data in enumerate(lists):
        (pki.folder / "trusted" / "crl" / f"{number}.crl").write_bytes(data)


def own_files(pki):
    return {
        path.name
        for place in ("certs", "private")
        for path in (pki.folder / "own" / place).iterdir()
    }


# -- the own certificates -----------------------------------------------------------------------


def test_certificates_are_made_for_the_curves_that_are_asked_for_and_no_others(make):
    assert own_files(make()) == {"application.der", "application.pem"}
    pki = make(P256, P384)
    stems = ("application", "application_nistP256", "application_nistP384")
    assert own_files(pki) == {f"{stem}.{end}" for stem in stems for end in ("der", "pem")}
    for kind in (P256, P384):
        key = read_certificate(pki.certificate_of(kind.name)).public_key()
        assert kind_of(key) is kind
        assert key == pki.private_key_of(kind.name).public_key()


def test_the_next_start_finds_them(make):
    first = make(P256)
    again = make(P256)
    assert again.certificate_of("nistP256") == first.certificate_of("nistP256")
    assert again.certificate_der == first.certificate_der


@pytest.mark.parametrize("kind", CURVES.values(), ids=lambda kind: kind.name)
def test_a_certificate_of_a_curve_says_that_its_key_signs_and_nothing_else(make, kind):
    certificate = make(kind).pair(kind).certificate
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not any((usage.key_encipherment, usage.data_encipherment, usage.key_agreement))
    assert certificate.signature_hash_algorithm.name == kind.hash.name
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in purposes


def test_policies_ask_for_curves_by_their_names():
    names = ("None", "Basic256Sha256", "ECC_nistP384", "ECC_nistP256", "ECC_brainpoolP256r1")
    assert [kind.name for kind in curves_of(names)] == ["nistP256", "nistP384", "brainpoolP256r1"]
    assert curves_of(("Basic256Sha256",)) == ()


@pytest.mark.parametrize(
    "other", [ec.SECP384R1(), ec.SECP256K1(), ec.BrainpoolP256R1()], ids=lambda curve: curve.name
)
def test_a_key_of_another_curve_is_an_error_that_names_the_file(make, other):
    pki = make(P256)
    path = own_certificate.key_path(pki.folder / "own", P256)
    path.write_bytes(pem_of(ec.generate_private_key(other)))
    with pytest.raises(
        PkiError, match=r"application_nistP256\.pem: not a key of the curve nistP256"
    ):
        make(P256)


def test_an_rsa_key_in_the_place_of_a_curves_is_an_error_and_so_is_the_reverse(make):
    pki = make(P256)
    folder = pki.folder / "own"
    rsa_file, ec_file = (own_certificate.key_path(folder, kind) for kind in (RSA, P256))
    rsa_pem, ec_pem = rsa_file.read_bytes(), ec_file.read_bytes()
    ec_file.write_bytes(rsa_pem)
    with pytest.raises(PkiError, match="not a key of the curve"):
        make(P256)
    ec_file.write_bytes(ec_pem)
    rsa_file.write_bytes(ec_pem)
    with pytest.raises(PkiError, match="not an RSA key"):
        make(P256)


def test_a_certificate_without_its_key_is_an_error(make):
    pki = make(P256)
    own_certificate.key_path(pki.folder / "own", P256).unlink()
    with pytest.raises(PkiError, match=r"application_nistP256\.pem is missing"):
        make(P256)


def test_renewing_renews_all_and_keeps_the_old_ones(make):
    pki = make(P256)
    before = {kind: pki.pair(kind).certificate for kind in pki.kinds}
    pki.renew()
    for kind, old in before.items():
        assert pki.pair(kind).certificate != old
        assert f"{kind.file_stem} [{thumbprint(old)}].der" in own_files(pki)
    assert pki.private_key_of("nistP256").public_key() != before[P256].public_key()
    assert make(P256).certificate_of("nistP256") == pki.certificate_of("nistP256")


def test_one_of_them_is_renewed_alone_with_its_key(make):
    pki = make(P256)
    rsa_before, key = pki.certificate_der, pki.private_key_of("nistP256").public_key()
    before = pki.certificate_of("nistP256")
    pki.renew(new_key=False, kinds=[P256])
    assert pki.certificate_der == rsa_before
    assert pki.certificate_of("nistP256") != before
    assert pki.private_key_of("nistP256").public_key() == key


def test_one_that_runs_takes_notice_of_a_renewal(make):
    running, other = make(P256), make(P256)
    assert running.poll() == []
    other.renew(kinds=[P256])
    (change,) = running.poll()
    assert change.group is None
    assert thumbprint(other.pair(P256).certificate) in change.new
    assert running.certificate_of("nistP256") == other.certificate_of("nistP256")


def test_a_renewal_that_was_cut_short_is_completed(make, monkeypatch):
    pki = make(P256)
    before, carry_out = pki.certificate_of("nistP256"), pki_commit._carry_out
    monkeypatch.setattr(
        pki_commit,
        "_carry_out",
        lambda root: carry_out(root) if not pki_commit.is_under_way(root) else 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        pki.renew(kinds=[P256])
    monkeypatch.undo()
    after = make(P256)
    assert after.certificate_of("nistP256") != before
    assert not pki_commit.is_under_way(pki.folder)


def test_warnings_say_which_certificate_they_are_about(make, clock):
    pki = make(P256)
    clock.advance(4.99 * 365 * 86_400)
    assert [warning.partition(" ")[0] for warning in pki.warnings] == ["it", "nistP256:"]


# -- an authority's certificate -----------------------------------------------------------------


@pytest.fixture
def signed(now):
    """The certificate that an authority makes of a request, by what it asks for."""

    def sign(request_der, authority):
        request = x509.load_der_x509_csr(request_der)
        assert request.is_signature_valid
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority[0].subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=100))
        )
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return der_of(builder.sign(authority[1], hashes.SHA256()))

    return sign


def test_an_authoritys_certificate_of_a_curve_takes_the_place_of_the_own(make, peer, signed):
    pki, authority = make(P256), peer(ca=True, name="authority")
    admin = PkiAdministrator(pki)
    der = signed(admin.signing_request("", new_key=False, kind=P256), authority)
    update = admin.check_certificate(der, [der_of(authority[0])], kind=P256)
    (change,) = [each for each in admin.describe(PkiUpdate(update)) if each.group is None]
    assert thumbprint(pki.pair(P256).certificate) in change.old
    rsa_before = pki.certificate_der
    admin.commit(PkiUpdate(update))
    pki.poll()
    assert pki.certificate_of("nistP256") == der
    assert pki.certificate_der == rsa_before


def test_a_certificate_of_a_curve_does_not_take_the_place_of_the_rsa_one(make, peer, signed):
    pki, authority = make(P256), peer(ca=True, name="authority")
    admin = PkiAdministrator(pki)
    der = signed(admin.signing_request("", new_key=False, kind=P256), authority)
    with pytest.raises(PkiUpdateError) as refused:
        admin.check_certificate(der, [der_of(authority[0])])
    assert refused.value.status == status.BAD_SECURITY_CHECKS_FAILED


def test_no_new_key_of_a_curve_waits_for_its_certificate(make):
    with pytest.raises(PkiUpdateError) as refused:
        PkiAdministrator(make(P256)).signing_request("", new_key=True, nonce=bytes(32), kind=P256)
    assert refused.value.status == status.BAD_NOT_SUPPORTED


# -- peers' certificates ------------------------------------------------------------------------


def test_a_key_of_a_curve_is_accepted_where_its_policy_is_offered_and_nowhere_else(make, peer):
    certificate, _ = peer()
    for curves, expected in (
        ((), status.BAD_CERTIFICATE_POLICY_CHECK_FAILED),
        ((P384,), status.BAD_CERTIFICATE_POLICY_CHECK_FAILED),
        ((P256,), status.GOOD),
        ((P384, P256), status.GOOD),
    ):
        pki = make(*curves, name="-".join(kind.name for kind in curves) or "none")
        trust(pki, certificate)
        assert pki.validate(der_of(certificate)) == expected


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1()], ids=lambda c: c.name)
def test_a_key_of_a_curve_that_no_policy_has_is_refused(make, peer, curve):
    certificate, _ = peer(curve)
    pki = make(*CURVES.values())
    trust(pki, certificate)
    verdict = pki.inspect(der_of(certificate))
    assert verdict.status == status.BAD_CERTIFICATE_POLICY_CHECK_FAILED
    assert curve.name in verdict.reason


def test_an_untrusted_one_is_refused_and_kept_like_any_other(make, peer):
    pki = make(P256)
    assert pki.validate(der_of(peer()[0])) == status.BAD_CERTIFICATE_UNTRUSTED
    assert len(pki.rejected()) == 1


@pytest.mark.parametrize(
    "uses", [(), ("key_agreement",), ("key_encipherment", "data_encipherment")]
)
def test_its_key_has_to_be_for_signing(make, peer, uses):
    certificate, _ = peer(uses=uses)
    pki = make(P256)
    trust(pki, certificate)
    assert pki.validate(der_of(certificate)) == status.BAD_CERTIFICATE_USE_NOT_ALLOWED


def test_an_authority_may_have_a_key_of_a_curve_and_its_list_counts(make, peer, crl):
    authority = peer(ca=True, name="authority")
    client, gone = peer(issuer=authority), peer(issuer=authority, name="gone")
    pki = make(P256)
    trust(pki, authority[0])
    assert pki.validate(der_of(client[0])) == status.BAD_CERTIFICATE_REVOCATION_UNKNOWN
    trust(pki, authority[0], crl(authority, gone[0]))
    assert pki.validate(der_of(client[0])) == status.GOOD
    assert pki.validate(der_of(gone[0])) == status.BAD_CERTIFICATE_REVOKED


def test_a_list_that_another_key_signed_does_not_count(make, peer, crl):
    authority, other = peer(ca=True, name="authority"), peer(ca=True, name="authority")
    client = peer(issuer=authority)
    pki = make(P256)
    trust(pki, authority[0], crl((authority[0], other[1])))
    assert pki.validate(der_of(client[0])) == status.BAD_CERTIFICATE_REVOCATION_UNKNOWN


def test_an_authority_of_a_curve_that_is_not_accepted_takes_its_clients_with_it(make, peer, crl):
    authority = peer(ec.SECP384R1(), ca=True, name="authority")
    client = peer(issuer=authority)
    pki = make(P256)
    trust(pki, authority[0], crl(authority))
    assert pki.validate(der_of(client[0])) == status.BAD_CERTIFICATE_POLICY_CHECK_FAILED


def test_users_may_have_keys_of_the_curves_that_are_offered(tmp_path, clock, peer):
    certificate, _ = peer()
    for curves, expected in (
        ((), status.BAD_CERTIFICATE_POLICY_CHECK_FAILED),
        ((P256,), status.GOOD),
    ):
        users = UserCertificates(tmp_path / "pki", curves=curves, clock=clock.ticks)
        place = tmp_path / "pki" / "trustedUser" / "certs" / "user.der"
        place.write_bytes(der_of(certificate))
        assert users.judge(der_of(certificate)).status == expected


def test_a_trust_list_may_hold_them_whatever_is_offered(peer, crl, now):
    authority = peer(ca=True, name="authority")
    client = peer(P384.curve)
    content = TrustContent((der_of(client[0]), der_of(authority[0])), (crl(authority),), (), ())
    check_content(content, now)


# -- what is shown of them ----------------------------------------------------------------------


def test_they_are_listed_with_the_rsa_one(make, now):
    pki = make(P256)
    pki.renew()
    own = [entry for entry in inventory(pki.folder, now) if entry.place is Place.OWN]
    assert [entry.file.name for entry in own] == ["application.der", "application_nistP256.der"]


def test_a_rejected_one_is_told_from_the_curves_of_the_folder(make, peer, now):
    certificate, _ = peer()
    for curves, reason in (((), "not an RSA key"), ((P256,), "Untrusted")):
        pki = make(*curves, name=f"pki{len(curves)}")
        pki.validate(der_of(certificate))
        (entry,) = [e for e in inventory(pki.folder, now) if e.place is Place.REJECTED]
        assert reason in entry.note


def test_the_doctor_examines_each_of_them(make, now, clock):
    pki = make(P256)
    assert examine(Examination(pki.folder, now, IDENTITY)) == []
    subject = str(own_certificate.certificate_path(pki.folder / "own", P256))
    later = now + timedelta(days=6 * 365)
    assert {p.subject for p in examine(Examination(pki.folder, later)) if "expired" in p.what} == {
        subject,
        str(own_certificate.certificate_path(pki.folder / "own")),
    }
    key = own_certificate.key_path(pki.folder / "own", P256)
    key.chmod(0o644)
    problems = examine(Examination(pki.folder, now))
    assert any(p.subject == str(key) and "mode 0644" in p.what for p in problems)
    key.unlink()
    problems = examine(Examination(pki.folder, now))
    assert [p.subject for p in problems] == [subject]
