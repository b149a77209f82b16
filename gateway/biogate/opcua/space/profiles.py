"""ServerProfileArray: the profiles that this server claims (Part 7; Part 5, 6.3.2).

A profile is claimed when there is a test for each of its mandatory conformance units;
docs/conformance.md names them, and `tests/interop/test_profiles.py` holds claims, units and
tests together.
"""

from __future__ import annotations

from biogate.opcua.config import FrontEndConfig
from biogate.opcua.transport.policies import NONE_URI, POLICY_URIS

_BASE = "http://opcfoundation.org/UA-Profile/"
_EMBEDDED = _BASE + "Server/EmbeddedUA2017"
_ANONYMOUS = _BASE + "Security/UserToken/Server/Anonymous"
_CERTIFICATE = _BASE + "Security/UserToken/Server/X509Certificate"
_JWT = _BASE + "Security/UserToken/Server/JsonWebToken"
_ALWAYS = (
    _BASE + "Server/DataAccess",
    _BASE + "Server/Methods2022",
    _BASE + "Server/StandardEventSubscription2022",
    _BASE + "Security/UserToken/Server/UserNamePassword",
)


def claimed_profiles(config: FrontEndConfig) -> list[str]:
    """Profile URIs of a front end with this configuration.

    Embedded 2017 asks for a secured policy, so that without one it is not claimed.
    """
    policies = [POLICY_URIS[name] for name in config.security]
    secured = any(uri != NONE_URI for uri in policies)
    return [
        *([_EMBEDDED] if secured else []),
        *_ALWAYS,
        *([_ANONYMOUS] if config.anonymous else []),
        *([_CERTIFICATE] if secured and config.user_certificates else []),
        *([_JWT] if secured and config.issued_tokens is not None else []),
        *policies,
    ]
