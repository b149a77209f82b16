"""User certificates: a trust list of their own, and the accounts that they belong to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from biogate_security import status
from biogate_security.authenticator import SiteAuthenticator
from biogate_security.x509_users import UserCertificates

SIGNS = frozenset({"digital_signature"})


@pytest.fixture
def olga(party):
    """A person's certificate: it signs, and has no ApplicationUri."""
    return party("olga", 5, uris=(), uses=SIGNS, purposes=())


@pytest.fixture
def certificates(tmp_path, clock):
    return UserCertificates(tmp_path / "pki", clock=clock.ticks)


@pytest.fixture
def trusted(tmp_path, certificates):
    return tmp_path / "pki" / "trustedUser" / "certs"


@pytest.fixture
def site(users, certificates):
    """`site(by_common_name)` → its authenticator."""

    def make(*, by_common_name=False):
        return SiteAuthenticator(users, certificates, by_common_name=by_common_name)

    return make


def thumbprints(party):
    from cryptography.hazmat.primitives import hashes

    return [party.certificate.fingerprint(h).hex() for h in (hashes.SHA1(), hashes.SHA256())]


def test_a_certificate_in_the_users_trust_list_is_good(certificates, trusted, olga):
    (trusted / "olga.der").write_bytes(olga.der)
    judged = certificates.judge(olga.der)
    assert (judged.status, judged.common_name) == (status.GOOD, "olga")
    assert list(judged.thumbprints) == thumbprints(olga)


def test_an_application_that_is_trusted_is_no_user(certificates, trusted, olga, tmp_path):
    folder = tmp_path / "pki" / "trusted" / "certs"
    folder.mkdir(parents=True)
    (folder / "olga.der").write_bytes(olga.der)
    assert certificates.judge(olga.der).status == status.BAD_CERTIFICATE_UNTRUSTED


def test_a_certificate_of_a_users_authority_is_good_until_it_is_revoked(
    certificates, trusted, party, clock
):
    root = party("root", 1, ca=True)
    user = party("piotr", 6, issuer=root, uris=(), uses=SIGNS, purposes=())
    (trusted / "root.der").write_bytes(root.der)
    (trusted.parent / "crl" / "root.crl").write_bytes(root.crl())
    assert certificates.judge(user.der).status == status.GOOD
    (trusted.parent / "crl" / "root.crl").write_bytes(root.crl(user))
    assert certificates.judge(user.der).status == status.BAD_CERTIFICATE_REVOKED


@pytest.mark.parametrize("bytes_", [b"", b"\x30\x03\x02\x01\x01", b"x" * 100])
async def test_what_is_no_certificate_is_invalid(site, bytes_):
    assert await site().authenticate_certificate(bytes_) == status.BAD_IDENTITY_TOKEN_INVALID


async def test_a_strangers_certificate_is_rejected_with_one_line(site, olga, caplog):
    assert await site().authenticate_certificate(olga.der, "192.0.2.1") == (
        status.BAD_IDENTITY_TOKEN_REJECTED
    )
    (record,) = caplog.records
    assert record.message == "login refused: user certificate not accepted"
    assert record.detail.startswith("Bad_CertificateUntrusted")


@pytest.mark.parametrize("which", [0, 1])
async def test_the_account_that_names_the_thumbprint_is_the_user(site, users, trusted, olga, which):
    (trusted / "olga.der").write_bytes(olga.der)
    await users.add(
        "process engineer", None, {"Engineer"}, certificates=(thumbprints(olga)[which],)
    )
    identity = await site().authenticate_certificate(olga.der)
    assert identity.user == "process engineer"
    assert identity.authentication == "Certificate"
    assert identity.roles == {"Engineer", "AuthenticatedUser"}


async def test_the_common_name_counts_only_where_the_site_says_so(site, users, trusted, olga):
    (trusted / "olga.der").write_bytes(olga.der)
    await users.add("olga", None, {"Operator"})
    assert await site().authenticate_certificate(olga.der) == status.BAD_USER_ACCESS_DENIED
    assert (await site(by_common_name=True).authenticate_certificate(olga.der)).user == "olga"


async def test_a_disabled_account_is_refused_with_its_certificate_too(site, users, trusted, olga):
    (trusted / "olga.der").write_bytes(olga.der)
    await users.add("olga", None, {"Operator"}, certificates=tuple(thumbprints(olga)))
    users.set_disabled("olga", disabled=True)
    for by_name in (True, False):
        answer = await site(by_common_name=by_name).authenticate_certificate(olga.der)
        assert answer == status.BAD_USER_ACCESS_DENIED


def test_a_key_that_may_not_sign_is_no_users(certificates, trusted, party):
    user = party("olga", 5, uris=(), uses=frozenset({"key_encipherment"}), purposes=())
    (trusted / "olga.der").write_bytes(user.der)
    judged: SimpleNamespace = certificates.judge(user.der)
    assert judged.status == status.BAD_CERTIFICATE_USE_NOT_ALLOWED
