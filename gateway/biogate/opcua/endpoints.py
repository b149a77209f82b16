"""EndpointDescriptions: what the server offers, and where (Part 4, 7.14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from biogate.opcua.codec.structures import codec_of
from biogate.opcua.codec.writer import Writer
from biogate.opcua.config import FrontEndConfig
from biogate.opcua.own_keys import own_key
from biogate.opcua.ports import Pki
from biogate.opcua.stack import ua
from biogate.opcua.transport.interfaces import ChannelInfo
from biogate.opcua.transport.policies import (
    NONE_URI,
    POLICIES,
    POLICY_URIS,
    RSA_POLICIES,
    SIGN,
    SIGN_AND_ENCRYPT,
    EccPolicy,
    SecurityPolicy,
)

T = TypeVar("T")

TRANSPORT_PROFILE = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
PASSWORD_POLICY = RSA_POLICIES[POLICY_URIS["Basic256Sha256"]]
"""Passwords are encrypted by this policy on every channel whose policy is of RSA keys, and on one
without security; under an ECC policy by that, whose channels know no RSA key (Part 6, 6.8.2)."""

_ANONYMOUS = "anonymous"
_USER_NAME = "username_{}"
_CERTIFICATE = "certificate_{}"
_ISSUED = "jwt_{}"
JWT = "http://opcfoundation.org/UA/UserToken#JWT"
"""IssuedTokenType of a JSON Web Token (Part 7; Part 6, 6.5.2)."""
_MODES = {
    "Sign": SIGN,
    "SignAndEncrypt": SIGN_AND_ENCRYPT,
}


class Endpoints:
    """The endpoints of one address.

    Raises ValueError for a policy or mode that is unknown.
    """

    def __init__(self, config: FrontEndConfig, port: int, pki: Pki) -> None:
        self._config = config
        self._pki = pki
        self.url = f"opc.tcp://{config.hostname or config.host}:{port}"
        self.descriptions: Sequence[ua.EndpointDescription] = [
            self._describe(uri, mode) for uri, mode in offered(config)
        ]
        self.encoded = _encoded(self.descriptions)
        """The array of `descriptions` as it is on the wire."""

    @property
    def application(self) -> ua.ApplicationDescription:
        """This server (Part 4, 7.2)."""
        return ua.ApplicationDescription(
            ApplicationUri=ua.String(self._config.application_uri),
            ProductUri=ua.String(self._config.product_uri),
            ApplicationName=ua.LocalizedText(self._config.application_name),
            ApplicationType=ua.ApplicationType.Server,
            DiscoveryUrls=[ua.String(self.url)],
        )

    def of_channel(self, channel: ChannelInfo) -> ua.EndpointDescription | None:
        """The endpoint that a channel belongs to."""
        for endpoint in self.descriptions:
            if (
                endpoint.SecurityPolicyUri == channel.security_policy_uri
                and endpoint.SecurityMode == channel.security_mode
            ):
                return endpoint
        return None

    def _describe(self, uri: str, mode: ua.MessageSecurityMode) -> ua.EndpointDescription:
        policy = POLICIES.get(uri)
        return ua.EndpointDescription(
            EndpointUrl=ua.String(self.url),
            Server=self.application,
            ServerCertificate=ua.ByteString(own_key(self._pki, uri).certificate_chain),
            SecurityMode=mode,
            SecurityPolicyUri=ua.String(uri),
            UserIdentityTokens=self._user_tokens(policy),
            TransportProfileUri=ua.String(TRANSPORT_PROFILE),
            SecurityLevel=ua.Byte(policy.security_level(mode) if policy else 0),
        )

    def _user_tokens(self, policy: SecurityPolicy | None) -> list[ua.UserTokenPolicy]:
        """Every secret has a policy of its own, named: never the channel's, which may be None.

        Without a secured channel nobody proves to have a key, and no token is handed over.
        """
        secrecy = policy if isinstance(policy, EccPolicy) else PASSWORD_POLICY
        by = secrecy.name.lower()
        tokens = []
        if self._config.anonymous:
            tokens.append(_token(_ANONYMOUS, ua.UserTokenType.Anonymous))
        tokens.append(_token(_USER_NAME.format(by), ua.UserTokenType.UserName, secrecy.uri))
        if policy is None:
            return tokens
        if self._config.user_certificates:
            policy_id = _CERTIFICATE.format(policy.name.lower())
            tokens.append(_token(policy_id, ua.UserTokenType.Certificate, policy.uri))
        if self._config.issued_tokens is not None:
            issued = _token(_ISSUED.format(by), ua.UserTokenType.IssuedToken, secrecy.uri)
            issued.IssuedTokenType = ua.String(JWT)
            issued.IssuerEndpointUrl = ua.String(self._config.issued_tokens)
            tokens.append(issued)
        return tokens


def _token(policy_id: str, kind: ua.UserTokenType, uri: str | None = None) -> ua.UserTokenPolicy:
    policy = ua.UserTokenPolicy(PolicyId=ua.String(policy_id), TokenType=kind)
    if uri is not None:
        policy.SecurityPolicyUri = ua.String(uri)
    return policy


def _encoded(descriptions: Sequence[ua.EndpointDescription]) -> bytes:
    writer = Writer()
    writer.count(descriptions)
    for description in descriptions:
        codec_of(ua.EndpointDescription).encode(writer, description)
    return bytes(writer.buffer)


def offered(config: FrontEndConfig) -> list[tuple[str, ua.MessageSecurityMode]]:
    """Policy URI and mode of every endpoint. Raises ValueError for a name that is unknown."""
    endpoints: list[tuple[str, ua.MessageSecurityMode]] = []
    for name in config.security:
        uri = _known("security policy", name, POLICY_URIS)
        if uri == NONE_URI:
            endpoints.append((uri, ua.MessageSecurityMode.None_))
        else:
            endpoints += [(uri, _known("security mode", m, _MODES)) for m in config.modes]
    return endpoints


def _known(what: str, name: str, table: Mapping[str, T]) -> T:
    if name not in table:
        raise ValueError(f"no {what} {name!r}; there are {', '.join(table)}")
    return table[name]
