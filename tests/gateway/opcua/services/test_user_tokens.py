"""Users with certificates and issued tokens, and users who must change their password first.

Part 4, 5.7.3 and 7.40; Part 18, 5.2.8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.endpoints import JWT
from biogate.opcua.front_end import Limits
from biogate.opcua.roles.account_changes import certificate_users_changed
from biogate.opcua.transport.policies import (
    NONE_URI,
    POLICY_URIS,
    RSA_POLICIES,
    CryptographyError,
    load_certificate,
    sign_data,
    verify_data,
)
from biogate_security import certificate
from biogate_security.pki import Pki
from biogate_security.roles import AccountChange, Identity

S = ua.StatusCodes
CLIENT_URI = "urn:test:client"
POLICY = RSA_POLICIES[POLICY_URIS["Aes256_Sha256_RsaPss"]]
BASIC = RSA_POLICIES[POLICY_URIS["Basic256Sha256"]]
SECURED = ("None", "Basic256Sha256", "Aes256_Sha256_RsaPss")
OLGA = Identity("olga", frozenset({"AuthenticatedUser", "Engineer"}), "Certificate")


@pytest.fixture(scope="module")
def client_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.open(tmp_path_factory.mktemp("client-pki"), CLIENT_URI, ["127.0.0.1"])


@pytest.fixture(scope="module")
def olga_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Olga's own key and certificate."""
    return Pki.open(tmp_path_factory.mktemp("olga-pki"), "urn:test:olga", ["127.0.0.1"])


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    return make_bench(security=SECURED, user_certificates=True, issued_tokens='{"a": 1}')


class Secured:
    """A client on an encrypted channel with a session, and what it sends as user tokens."""

    def __init__(self, bench: Any, pki: Pki, channel_id: int = 1) -> None:
        self.bench, self.pki = bench, pki
        self.client = bench.client(
            channel_id,
            security_policy_uri=POLICY.uri,
            security_mode=ua.MessageSecurityMode.SignAndEncrypt,
            client_certificate=pki.certificate_der,
            client_chain=pki.certificate_der,
        )
        self.client.create_session(
            ClientDescription=ua.ApplicationDescription(ApplicationUri=CLIENT_URI),
            ClientCertificate=pki.certificate_der,
            ClientNonce=b"n" * 32,
        )

    async def activate(self, token: Any, user_signature: Any = None) -> Any:
        data = self.bench.pki.certificate_der + self.client.nonce
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = token
        request.Parameters.ClientSignature = sign_data(POLICY.uri, self.pki.private_key, data)
        if user_signature is not None:
            request.Parameters.UserTokenSignature = user_signature
        response = await self.client.ask_async(request)
        if not response.ResponseHeader.ServiceResult.is_bad():
            self.client.nonce = response.Parameters.ServerNonce
        return response.ResponseHeader.ServiceResult.value

    def signed_by(self, pki: Pki, policy: Any = POLICY, nonce: bytes | None = None) -> Any:
        own = self.client.nonce if nonce is None else nonce
        return sign_data(policy.uri, pki.private_key, self.bench.pki.certificate_der + own)

    def encrypted(self, secret: bytes, nonce: bytes | None = None) -> bytes:
        plain = secret + (self.client.nonce if nonce is None else nonce)
        key = load_certificate(self.bench.pki.certificate_der).public_key()
        return BASIC.encrypt(key, struct.pack("<I", len(plain)) + plain)

    def password(self, password: str = "correct horse", user: str = "operator") -> Any:
        return ua.UserNameIdentityToken(
            PolicyId="username_basic256sha256",
            UserName=user,
            Password=self.encrypted(password.encode()),
            EncryptionAlgorithm=BASIC.encryption_uri,
        )

    def issued(self, token: bytes, **changes: Any) -> Any:
        fields = {
            "PolicyId": "jwt_basic256sha256",
            "TokenData": self.encrypted(token),
            "EncryptionAlgorithm": BASIC.encryption_uri,
            **changes,
        }
        return ua.IssuedIdentityToken(**fields)

    @property
    def session(self) -> Any:
        return self.bench.front_end.context.sessions.find(self.client.token)


@pytest.fixture
def secured(bench: Any, client_pki: Pki) -> Secured:
    return Secured(bench, client_pki)


def certificate_token(pki: Pki, policy_id: str = "certificate_aes256_sha256_rsapss") -> Any:
    return ua.X509IdentityToken(PolicyId=policy_id, CertificateData=pki.certificate_der)


# -- offers -------------------------------------------------------------------------------------


def test_each_endpoint_offers_what_its_channel_can_carry(bench: Any) -> None:
    offers = {
        (endpoint.SecurityPolicyUri, policy.TokenType.name, policy.SecurityPolicyUri)
        for endpoint in bench.client().ask(ua.GetEndpointsRequest()).Endpoints
        for policy in endpoint.UserIdentityTokens
    }
    for uri in (POLICY.uri, BASIC.uri):
        assert (uri, "Certificate", uri) in offers
        assert (uri, "IssuedToken", BASIC.uri) in offers
    kinds = {kind for endpoint, kind, _ in offers if endpoint == NONE_URI}
    assert kinds == {"Anonymous", "UserName"}
    assert all(uri for _, kind, uri in offers if kind != "Anonymous")


def test_an_issued_token_is_offered_as_part_7_names_it(bench: Any) -> None:
    endpoint = bench.client().ask(ua.GetEndpointsRequest()).Endpoints[-1]
    (policy,) = [p for p in endpoint.UserIdentityTokens if p.TokenType == 3]
    assert (policy.IssuedTokenType, policy.IssuerEndpointUrl) == (JWT, '{"a": 1}')


def test_nothing_is_offered_that_the_site_does_not_have(make_bench: Callable[..., Any]) -> None:
    for endpoint in make_bench(security=SECURED).client().ask(ua.GetEndpointsRequest()).Endpoints:
        assert {p.TokenType for p in endpoint.UserIdentityTokens} == {0, 1}


# -- certificates -------------------------------------------------------------------------------


async def test_a_user_logs_in_with_a_certificate(secured: Secured, olga_pki: Pki) -> None:
    secured.bench.users.certificates[olga_pki.certificate_der] = OLGA
    token = certificate_token(olga_pki)
    assert await secured.activate(token, secured.signed_by(olga_pki)) == S.Good
    subject = secured.session.subject
    assert (subject.user, subject.authentication) == ("olga", "Certificate")
    assert subject.roles == {"AuthenticatedUser", "Engineer", "TrustedApplication"}


async def test_a_certificate_without_its_key_is_of_no_use(
    secured: Secured, olga_pki: Pki, client_pki: Pki
) -> None:
    """Part 4, 7.40.5: the signature is over ServerCertificate and the last ServerNonce."""
    secured.bench.users.certificates[olga_pki.certificate_der] = OLGA
    used = secured.client.nonce
    token = certificate_token(olga_pki)
    for signature in (
        None,
        secured.signed_by(client_pki),
        secured.signed_by(olga_pki, nonce=b"x" * 32),
        secured.signed_by(olga_pki, policy=BASIC),
        ua.SignatureData(Algorithm=POLICY.signature_uri, Signature=b"\x00" * 256),
    ):
        assert await secured.activate(token, signature) == S.BadUserSignatureInvalid
    assert await secured.activate(token, secured.signed_by(olga_pki)) == S.Good
    replayed = secured.signed_by(olga_pki, nonce=used)
    assert await secured.activate(token, replayed) == S.BadUserSignatureInvalid


async def test_whether_a_certificate_is_trusted_is_told_to_its_owner_only(
    secured: Secured, olga_pki: Pki, client_pki: Pki
) -> None:
    token = certificate_token(olga_pki)
    wrong = secured.signed_by(client_pki)
    assert await secured.activate(token, wrong) == S.BadUserSignatureInvalid
    right = secured.signed_by(olga_pki)
    assert await secured.activate(token, right) == S.BadIdentityTokenRejected


@pytest.mark.parametrize("data", [None, b"", b"0", b"\x30\x82\xff\xff", b"x" * 3000])
async def test_what_is_no_certificate_is_refused(secured: Secured, data: bytes | None) -> None:
    token = certificate_token(secured.pki)
    token.CertificateData = data
    signature = secured.signed_by(secured.pki)
    assert await secured.activate(token, signature) == S.BadUserSignatureInvalid


def test_a_key_that_takes_long_to_use_is_not_used(
    olga_pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner is not known before the signature is verified."""
    signature = sign_data(POLICY.uri, olga_pki.private_key, b"data")
    verify_data(POLICY.uri, olga_pki.certificate_der, b"data", signature)
    monkeypatch.setattr(certificate, "MAX_RSA_BITS", 1024)
    with pytest.raises(CryptographyError):
        verify_data(POLICY.uri, olga_pki.certificate_der, b"data", signature)


async def test_the_policy_of_another_endpoint_is_not_accepted(
    secured: Secured, olga_pki: Pki
) -> None:
    secured.bench.users.certificates[olga_pki.certificate_der] = OLGA
    token = certificate_token(olga_pki, "certificate_basic256sha256")
    signature = secured.signed_by(olga_pki, policy=BASIC)
    assert await secured.activate(token, signature) == S.BadIdentityTokenInvalid


# -- issued tokens ------------------------------------------------------------------------------


async def test_a_user_logs_in_with_an_issued_token_for_as_long_as_it_is_good(
    secured: Secured,
) -> None:
    bench = secured.bench
    now = bench.front_end.context.wall_clock()
    until = now + 30 * 10_000_000
    roles = frozenset({"AuthenticatedUser", "Operator"})
    bench.users.tokens[b"a.b.c"] = Identity("piotr", roles, "IssuedToken", until=until)
    assert await secured.activate(secured.issued(b"a.b.c")) == S.Good
    assert secured.session.subject.authentication == "IssuedToken"
    bench.clock.now += 29
    bench.front_end.tick()
    assert secured.session is not None
    bench.clock.now += 1
    bench.front_end.tick()
    assert secured.session is None


async def test_a_token_of_some_kilobytes_is_decrypted_and_an_endless_one_is_not(
    secured: Secured,
) -> None:
    long = b"x" * 4096
    roles = frozenset({"AuthenticatedUser"})
    secured.bench.users.tokens[long] = Identity("piotr", roles, "IssuedToken")
    assert await secured.activate(secured.issued(long)) == S.Good
    secured.bench.users.tokens[b"y" * 6000] = Identity("piotr", roles, "IssuedToken")
    assert await secured.activate(secured.issued(b"y" * 6000)) == S.BadUserAccessDenied


async def test_a_recorded_token_cannot_be_replayed(secured: Secured) -> None:
    roles = frozenset({"AuthenticatedUser"})
    secured.bench.users.tokens[b"a.b.c"] = Identity("piotr", roles, "IssuedToken")
    recorded = secured.issued(b"a.b.c")
    assert await secured.activate(recorded) == S.Good
    assert await secured.activate(recorded) == S.BadUserAccessDenied


@pytest.mark.parametrize(
    "algorithm",
    ["http://www.w3.org/2001/04/xmlenc#rsa-1_5", "", None, POLICY.encryption_uri],
)
async def test_an_issued_token_is_encrypted_as_its_policy_says_or_refused_unread(
    secured: Secured, algorithm: str | None
) -> None:
    token = secured.issued(b"a.b.c", EncryptionAlgorithm=algorithm)
    assert await secured.activate(token) == S.BadIdentityTokenInvalid


# -- one line -----------------------------------------------------------------------------------


async def test_what_the_authenticator_judged_is_not_logged_again(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    await secured.activate(secured.password("wrong"))
    assert [r for r in caplog.records if "refused" in r.message] == []


# -- a password that must be changed ------------------------------------------------------------


async def test_who_must_change_the_password_has_the_role_anonymous_only(
    secured: Secured,
) -> None:
    """Part 18, 5.2.8: Good_PasswordChangeRequired."""
    roles = frozenset({"AuthenticatedUser", "SecurityAdmin"})
    secured.bench.users.operator = Identity("operator", roles, must_change_password=True)
    assert await secured.activate(secured.password()) == S.GoodPasswordChangeRequired
    session = secured.session
    assert session.subject.user == "operator"
    assert session.subject.roles == {"Anonymous", "TrustedApplication"}
    assert session.must_change_password
    secured.bench.users.operator = Identity("operator", roles)
    assert await secured.activate(secured.password()) == S.Good
    assert session.subject.roles == roles | {"TrustedApplication"}
    assert not session.must_change_password


# -- changed accounts ---------------------------------------------------------------------------


def change(**changes: Any) -> AccountChange:
    fields: dict[str, Any] = {
        "user": "operator",
        "roles": frozenset({"AuthenticatedUser", "Observer"}),
        "active": True,
        **changes,
    }
    return AccountChange(**fields)


async def test_new_roles_count_at_once_on_open_sessions(secured: Secured) -> None:
    await secured.activate(secured.password())
    key = secured.session.rights.key
    secured.bench.front_end.account_changed(change())
    subject = secured.session.subject
    assert subject.roles == {"AuthenticatedUser", "Observer", "TrustedApplication"}
    assert secured.session.rights.key != key


async def test_the_sessions_of_a_disabled_account_end(secured: Secured, client_pki: Pki) -> None:
    other = Secured(secured.bench, client_pki, 2)
    await secured.activate(secured.password())
    await other.activate(ua.AnonymousIdentityToken(PolicyId="anonymous"))
    secured.bench.front_end.account_changed(change(active=False))
    assert secured.session is None
    assert other.session is not None


async def test_a_new_password_ends_the_users_other_sessions(
    secured: Secured, client_pki: Pki
) -> None:
    other = Secured(secured.bench, client_pki, 2)
    for each in (secured, other):
        await each.activate(each.password())
    own = secured.session.subject.session_id
    secured.bench.front_end.account_changed(change(secret_changed=True, by_session=own))
    assert secured.session is not None
    assert other.session is None


async def test_a_session_that_must_change_the_password_gets_no_roles_by_a_change(
    secured: Secured,
) -> None:
    roles = frozenset({"AuthenticatedUser", "Operator"})
    secured.bench.users.operator = Identity("operator", roles, must_change_password=True)
    await secured.activate(secured.password())
    secured.bench.front_end.account_changed(change())
    assert secured.session.subject.roles == {"Anonymous", "TrustedApplication"}


async def test_an_issued_token_of_the_same_name_is_not_the_account(secured: Secured) -> None:
    roles = frozenset({"AuthenticatedUser", "Operator"})
    secured.bench.users.tokens[b"a.b.c"] = Identity("operator", roles, "IssuedToken")
    await secured.activate(secured.issued(b"a.b.c"))
    secured.bench.front_end.account_changed(change(active=False))
    assert secured.session is not None


async def test_an_account_disabled_while_they_log_in_lets_nobody_in(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the password was checked, while the record of the login is stored."""
    front_end = secured.bench.front_end

    async def meanwhile(fact: Any) -> None:
        front_end.account_changed(change(active=False))

    monkeypatch.setattr(front_end.context.auditor, "require", meanwhile)
    assert await secured.activate(secured.password()) == S.BadUserAccessDenied
    assert secured.session.identity is None
    monkeypatch.undo()
    assert await secured.activate(secured.password()) == S.Good


async def test_a_certificate_trusted_no_longer_while_they_log_in_lets_nobody_in(
    secured: Secured, olga_pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was judged before; sessions that are there already end."""
    secured.bench.users.certificates[olga_pki.certificate_der] = OLGA
    context, token = secured.bench.front_end.context, certificate_token(olga_pki)

    async def meanwhile(fact: Any) -> None:
        certificate_users_changed(context)

    monkeypatch.setattr(context.auditor, "require", meanwhile)
    answer = await secured.activate(token, secured.signed_by(olga_pki))
    assert answer == S.BadUserAccessDenied
    assert secured.session.identity is None
    assert await secured.activate(secured.password()) == S.Good  # not a user of that list


# -- quotas -------------------------------------------------------------------------------------


async def test_one_user_has_a_bounded_number_of_sessions_and_reclaims_the_longest_gone(
    make_bench: Callable[..., Any], client_pki: Pki
) -> None:
    bench = make_bench(Limits(max_sessions_per_user=2), security=SECURED)
    first, second, third = (Secured(bench, client_pki, number) for number in (1, 2, 3))
    for each in (first, second):
        bench.clock.now += 1
        assert await each.activate(each.password()) == S.Good
    assert await third.activate(third.password()) == S.BadTooManySessions
    bench.front_end.dispatcher.on_closed(second.client.handle)
    assert await third.activate(third.password()) == S.Good
    assert [each.session is None for each in (first, second, third)] == [False, True, False]


async def test_one_application_has_a_bounded_number_of_sessions(
    make_bench: Callable[..., Any], client_pki: Pki, olga_pki: Pki
) -> None:
    """By its certificate: an ApplicationUri without one is anybody's word."""
    bench = make_bench(Limits(max_sessions_per_application=2), security=SECURED)
    anonymous = ua.AnonymousIdentityToken(PolicyId="anonymous")
    for number in (1, 2):
        assert await Secured(bench, client_pki, number).activate(anonymous) == S.Good
    crowded = Secured(bench, client_pki, 3)
    assert crowded.session is None
    plain = bench.client(4)
    assert plain.status(plain.create_session()) == S.Good
