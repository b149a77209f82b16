"""Which of the server's own certificates and keys goes with which security policy (Part 6, 6.8.1).

The RSA policies share one; so do channels without security, which show it all the same.
"""

from __future__ import annotations

from biogate.opcua.config import FrontEndConfig
from biogate.opcua.ports import Pki
from biogate.opcua.transport.config import OwnKey
from biogate.opcua.transport.policies import ECC_POLICIES, POLICY_URIS


def own_key(pki: Pki, policy_uri: str) -> OwnKey:
    """The certificate and key that channels of the policy are opened with."""
    policy = ECC_POLICIES.get(policy_uri)
    if policy is None:
        return OwnKey(pki.certificate_der, pki.private_key)
    return OwnKey(pki.certificate_of(policy.kind), pki.private_key_of(policy.kind))


def curve_keys(pki: Pki, config: FrontEndConfig) -> dict[str, OwnKey]:
    """Those of the ECC policies that are offered, by the kind of key."""
    uris = (POLICY_URIS.get(name, "") for name in config.security)
    return {ECC_POLICIES[uri].kind: own_key(pki, uri) for uri in uris if uri in ECC_POLICIES}
