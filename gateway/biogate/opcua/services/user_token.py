"""User identity tokens: who activates a session (Part 4, 7.40).

Whether a password cannot be decrypted, carries an old nonce, is wrong, or is of a user that does
not exist: the answer is the same, and so is the way to it.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import struct
from dataclasses import dataclass
from typing import Any

from biogate.opcua.endpoints import PASSWORD_POLICY
from biogate.opcua.errors import ServiceError
from biogate.opcua.ports import Authenticator, Identity
from biogate.opcua.services.encrypted_secret import Keyhole, open_secret
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.elliptic import EphemeralKey
from biogate.opcua.transport.policies import (
    ECC_POLICIES,
    CryptographyError,
    decrypt_secret,
    verify_data,
)

MAX_PASSWORD_BYTES = 1024
"""The longest password that is decrypted."""
MAX_TOKEN_BYTES = 4096
"""The longest issued token that is decrypted."""

ANONYMOUS_ROLES = frozenset({"Anonymous"})
_AT_ONCE = 4  # RSA blocks, some milliseconds
_TOKEN_TYPES: dict[type, ua.UserTokenType] = {
    ua.AnonymousIdentityToken: ua.UserTokenType.Anonymous,
    ua.UserNameIdentityToken: ua.UserTokenType.UserName,
    ua.X509IdentityToken: ua.UserTokenType.Certificate,
    ua.IssuedIdentityToken: ua.UserTokenType.IssuedToken,
}


class RefusedLoginError(ServiceError):
    """The authenticator does not let the user in; it has counted and logged why."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who activates a session; see `ports.Identity`."""

    user: str | None
    roles: frozenset[str]
    authentication: str = "Anonymous"
    must_change_password: bool = False
    until: int | None = None


ANONYMOUS = Login(None, ANONYMOUS_ROLES)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token is judged by besides itself: how it is encrypted or signed, and for whom.

    `signed` is what the owner of a certificate signs: the server's certificate and nonce.
    `signature` is the request's UserTokenSignature, `source` the peer's host address. Under an ECC
    policy a secret is encrypted for `secret_key`, and signed with `client_certificate` (DER).
    """

    private_key: Any
    certificate: bytes
    nonce: bytes
    signature: ua.SignatureData
    source: str
    secret_key: EphemeralKey | None = None
    client_certificate: bytes = b""

    @property
    def signed(self) -> bytes:
        """ServerCertificate and ServerNonce (Part 4, 7.40.5)."""
        return self.certificate + self.nonce


def check_token(endpoint: ua.EndpointDescription, token: Any) -> ua.UserTokenPolicy:
    """The policy of `endpoint` that the token follows; no token stands for an anonymous one.

    Raises ServiceError Bad_IdentityTokenRejected for a type that is not offered, and
    Bad_IdentityTokenInvalid for anything else that is wrong with it.
    """
    if token is None or (isinstance(token, ua.ExtensionObject) and token.TypeId.is_null()):
        wanted, policy_id = ua.UserTokenType.Anonymous, None
    elif type(token) in _TOKEN_TYPES:
        wanted, policy_id = _TOKEN_TYPES[type(token)], token.PolicyId or ""
    else:
        raise ServiceError(StatusCodes.BadIdentityTokenInvalid)
    policies: list[ua.UserTokenPolicy] = [
        policy for policy in endpoint.UserIdentityTokens if policy.TokenType == wanted
    ]
    if not policies:
        raise ServiceError(StatusCodes.BadIdentityTokenRejected)
    for policy in policies:
        if policy_id is None or policy.PolicyId == policy_id:
            return policy
    raise ServiceError(StatusCodes.BadIdentityTokenInvalid)


async def identify(
    authenticator: Authenticator, policy: ua.UserTokenPolicy, token: Any, proof: Proof
) -> Login:
    """Who is behind a token that follows `policy` (see `check_token`).

    Raises ServiceError for a token that is not as the policy asks, RefusedLoginError for a user
    that is not let in.
    """
    if isinstance(token, ua.UserNameIdentityToken):
        return await _by_password(authenticator, policy, token, proof)
    if isinstance(token, ua.X509IdentityToken):
        return await _by_certificate(authenticator, policy, token, proof)
    if isinstance(token, ua.IssuedIdentityToken):
        return await _by_issued_token(authenticator, policy, token, proof)
    return ANONYMOUS


async def _by_password(
    authenticator: Authenticator,
    policy: ua.UserTokenPolicy,
    token: ua.UserNameIdentityToken,
    proof: Proof,
) -> Login:
    """A password in clear, or encrypted in another way than the policy's, is refused unread."""
    secret = await _secret(policy, token, token.Password or b"", proof, MAX_PASSWORD_BYTES)
    try:
        password = None if secret is None else secret.decode()
    except UnicodeDecodeError:
        password = None
    if password is None:
        password = secrets.token_urlsafe(32)  # takes the same way, and fits no account
    return _login(await authenticator.authenticate(token.UserName or "", password, proof.source))


async def _by_certificate(
    authenticator: Authenticator,
    policy: ua.UserTokenPolicy,
    token: ua.X509IdentityToken,
    proof: Proof,
) -> Login:
    """Whoever has not the key learns nothing of whom the certificate is trusted to be."""
    chain = token.CertificateData or b""
    try:
        verify_data(policy.SecurityPolicyUri or "", chain, proof.signed, proof.signature)
    except CryptographyError:
        raise ServiceError(StatusCodes.BadUserSignatureInvalid) from None
    answer = await authenticator.authenticate_certificate(chain, proof.source)
    if isinstance(answer, int):
        raise RefusedLoginError(answer)
    return _login(answer)


async def _by_issued_token(
    authenticator: Authenticator,
    policy: ua.UserTokenPolicy,
    token: ua.IssuedIdentityToken,
    proof: Proof,
) -> Login:
    secret = await _secret(policy, token, token.TokenData or b"", proof, MAX_TOKEN_BYTES)
    return _login(await authenticator.authenticate_token(secret or b"", proof.source))


def _login(identity: Identity | None) -> Login:
    if identity is None:
        raise RefusedLoginError(StatusCodes.BadUserAccessDenied)
    roles = ANONYMOUS_ROLES if identity.must_change_password else identity.roles
    return Login(
        identity.user,
        roles,
        identity.authentication,
        identity.must_change_password,
        identity.until,
    )


async def _secret(
    policy: ua.UserTokenPolicy, token: Any, encrypted: bytes, proof: Proof, most: int
) -> bytes | None:
    """What a token holds, encrypted as its policy asks; None if that cannot be found out.

    Under an ECC policy the token's EncryptionAlgorithm does not count (7.40.4).
    """
    ecc = ECC_POLICIES.get(policy.SecurityPolicyUri or "")
    if ecc is None:
        _check_algorithm(token.EncryptionAlgorithm)
        return await _decrypt(encrypted, proof, most)
    if proof.secret_key is None:
        return None
    keyhole = Keyhole(ecc, proof.secret_key, proof.client_certificate, proof.nonce)
    return open_secret(encrypted, keyhole, most)


def _check_algorithm(algorithm: str | None) -> None:
    """RSA-1.5 in particular is never accepted: its padding tells who asks often enough."""
    if algorithm != PASSWORD_POLICY.encryption_uri:
        raise ServiceError(StatusCodes.BadIdentityTokenInvalid)


async def _decrypt(ciphertext: bytes, proof: Proof, most: int) -> bytes | None:
    """The secret in the legacy format: length, secret, server nonce (7.40.2.2)."""
    size = len(proof.nonce)
    block = proof.private_key.key_size // 8
    blocks = -(-(4 + most + size) // (block - PASSWORD_POLICY.padding_overhead))
    if len(ciphertext) > blocks * block:
        return None  # each block takes the private key a millisecond, and anyone can send many
    plain = b""
    try:
        for start in range(0, max(len(ciphertext), 1), _AT_ONCE * block):
            if start:
                await asyncio.sleep(0)
            part = ciphertext[start : start + _AT_ONCE * block]
            plain += decrypt_secret(PASSWORD_POLICY.uri, proof.private_key, part)
        (length,) = struct.unpack_from("<I", plain)
    except (CryptographyError, struct.error):
        return None
    secret = plain[4 : 4 + length]
    if length != len(plain) - 4 or length < size:
        return None
    return secret[:-size] if hmac.compare_digest(secret[-size:], proof.nonce) else None
