"""Who a user is, by whatever they show: password, certificate or issued token."""

from __future__ import annotations

from biogate_security import status
from biogate_security.issued_tokens import IssuedTokens, TokenRefusedError
from biogate_security.roles import Identity
from biogate_security.users import UserStore
from biogate_security.x509_users import UserCertificates


class SiteAuthenticator:
    """The accounts of a site, its users' certificates, and its token issuer where it has one.

    `by_common_name`: a certificate that no account names is of the account that its subject's
    CommonName says.
    """

    def __init__(
        self,
        users: UserStore,
        certificates: UserCertificates,
        tokens: IssuedTokens | None = None,
        *,
        by_common_name: bool = False,
    ) -> None:
        self._users = users
        self._certificates = certificates
        self._tokens = tokens
        self._by_common_name = by_common_name

    async def authenticate(self, name: str, password: str, source: str = "") -> Identity | None:
        """The identity, or None for any reason to refuse."""
        return await self._users.authenticate(name, password, source)

    def roles_of(self, name: str) -> frozenset[str] | None:
        """The roles that an account has now; None for one that nobody can log in with."""
        user = self._users.find(name)
        return user.roles if user is not None and user.active else None

    async def authenticate_certificate(self, chain_der: bytes, source: str = "") -> Identity | int:
        """The identity of a certificate whose owner has proven to have its key, or a StatusCode:
        Bad_IdentityTokenInvalid (not readable), Bad_IdentityTokenRejected (not a good one), or
        Bad_UserAccessDenied (a good one of nobody)."""
        judged = self._certificates.judge(chain_der)
        name = judged.common_name
        if judged.status != status.GOOD:
            why = f"{status.name(judged.status)}: {judged.reason}"
            self._users.refuse(name, source, "user certificate not accepted", why)
            if judged.thumbprints:
                return status.BAD_IDENTITY_TOKEN_REJECTED
            return status.BAD_IDENTITY_TOKEN_INVALID
        identity = self._users.by_certificate(
            judged.thumbprints, name if self._by_common_name else ""
        )
        if identity is None:
            thumbprint = judged.thumbprints[-1]
            self._users.refuse(name, source, "user certificate of no account", thumbprint)
            return status.BAD_USER_ACCESS_DENIED
        self._users.counters["accepted"] += 1
        return identity

    async def authenticate_token(self, token: bytes, source: str = "") -> Identity | None:
        """The identity of an issued token, or None for any reason to refuse."""
        if self._tokens is None:
            self._users.refuse("", source, "issued tokens are not accepted")
            return None
        try:
            identity = self._tokens.identity(token)
        except TokenRefusedError as error:
            self._users.refuse("", source, "issued token not accepted", str(error))
            return None
        if self._users.knows(identity.user):
            self._users.refuse(identity.user, source, "issued token with the name of an account")
            return None
        self._users.counters["accepted"] += 1
        return identity
