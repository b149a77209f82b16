"""User identity tokens: who activates a session (Part 4, 7.40).

Whether a password cannot be decrypted, carries an old nonce, is wrong, or is of a user that does
not exist: the answer is the same, and so is the way to it.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Any

from biogate.opcua.endpoints import PASSWORD_POLICY
from biogate.opcua.errors import ServiceError
from biogate.opcua.ports import Authenticator
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.policies import CryptographyError, decrypt_secret

MAX_PASSWORD_BYTES = 1024
"""The longest password that is decrypted."""

ANONYMOUS_ROLES = frozenset({"Anonymous"})
_TOKEN_TYPES: dict[type, ua.UserTokenType] = {
    ua.AnonymousIdentityToken: ua.UserTokenType.Anonymous,
    ua.UserNameIdentityToken: ua.UserTokenType.UserName,
    ua.X509IdentityToken: ua.UserTokenType.Certificate,
    ua.IssuedIdentityToken: ua.UserTokenType.IssuedToken,
}


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


async def authenticate(
    authenticator: Authenticator,
    token: ua.UserNameIdentityToken,
    private_key: Any,
    server_nonce: bytes,
    source: str,
) -> tuple[str, frozenset[str]]:
    """The user and roles behind a name and an encrypted password.

    A password in clear is refused unread. Raises ServiceError Bad_IdentityTokenInvalid or
    Bad_UserAccessDenied.
    """
    if token.EncryptionAlgorithm != PASSWORD_POLICY.encryption_uri:
        raise ServiceError(StatusCodes.BadIdentityTokenInvalid)
    password = _decrypt(token.Password or b"", private_key, server_nonce)
    if password is None:
        password = secrets.token_urlsafe(32)  # takes the same way, and fits no account
    identity = await authenticator.authenticate(token.UserName or "", password, source)
    if identity is None:
        raise ServiceError(StatusCodes.BadUserAccessDenied)
    return identity.user, identity.roles


def _decrypt(ciphertext: bytes, private_key: Any, server_nonce: bytes) -> str | None:
    """The password in the legacy format: length, password, server nonce (7.40.2.2)."""
    block = private_key.key_size // 8
    longest = 4 + MAX_PASSWORD_BYTES + len(server_nonce)
    if len(ciphertext) > -(-longest // (block - PASSWORD_POLICY.padding_overhead)) * block:
        return None  # each block takes the private key a millisecond, and anyone can send many
    try:
        plain = decrypt_secret(PASSWORD_POLICY.uri, private_key, ciphertext)
        (length,) = struct.unpack_from("<I", plain)
    except (CryptographyError, struct.error):
        return None
    secret = plain[4 : 4 + length]
    size = len(server_nonce)
    if length != len(plain) - 4 or not hmac.compare_digest(secret[-size:], server_nonce):
        return None
    try:
        return secret[:-size].decode()
    except UnicodeDecodeError:
        return None
