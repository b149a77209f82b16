"""The key that a client encrypts its user's secret for, under the ECC policies (Part 6, 6.8.2).

A client asks for one in the AdditionalHeader of CreateSession or ActivateSession, before anybody
has logged in; the answer is in the AdditionalHeader of the response. A key is for one login.
"""

from __future__ import annotations

from itertools import islice

from biogate.opcua.errors import ServiceError
from biogate.opcua.own_keys import own_key
from biogate.opcua.services.context import RequestContext
from biogate.opcua.session import Session
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.transport.policies import ECC_POLICIES, EccPolicy

POLICY_URI, KEY = "ECDHPolicyUri", "ECDHKey"
_MOST_PARAMETERS = 16
_MAX_URI_LENGTH = 256


def asked_policy(header: ua.RequestHeader) -> str | None:
    """The policy of the key that a client asks for; None if it asks for none.

    Raises ServiceError Bad_EncodingLimitsExceeded for more than anybody has to say there.
    """
    additional = header.AdditionalHeader
    if not isinstance(additional, ua.AdditionalParametersType):
        return None
    if len(additional.Parameters or ()) > _MOST_PARAMETERS:
        raise ServiceError(StatusCodes.BadEncodingLimitsExceeded)
    for parameter in islice(additional.Parameters or (), _MOST_PARAMETERS):
        uri = parameter.Value.Value
        if parameter.Key.Name == POLICY_URI and isinstance(uri, str):
            return uri[:_MAX_URI_LENGTH]
    return None


def add_key(ctx: RequestContext, session: Session, header: ua.ResponseHeader) -> bool:
    """Put a key for the next login into the response's header; False if none is due.

    A client that has asked once gets another as soon as the one before is spent.
    """
    policy = ECC_POLICIES.get(ctx.channel.security_policy_uri)
    if policy is None:
        return False
    if ctx.key_policy_uri is None and (not session.wants_keys or session.secret_key is not None):
        return False
    if ctx.key_policy_uri in (None, policy.uri):
        value = _new_key(ctx, session, policy)
    else:
        status = ua.StatusCode(ua.UInt32(StatusCodes.BadSecurityPolicyRejected))
        value = ua.Variant(status, ua.VariantType.StatusCode)
    pair = ua.KeyValuePair(Key=ua.QualifiedName(KEY), Value=value)
    header.AdditionalHeader = ua.AdditionalParametersType(Parameters=[pair])
    return True


def _new_key(ctx: RequestContext, session: Session, policy: EccPolicy) -> ua.Variant:
    """EphemeralKeyType (Part 4, 7.15): signed with the key of the certificate."""
    key = policy.new_key()
    session.secret_key, session.wants_keys = key, True
    signature = policy.sign(own_key(ctx.server.pki, policy.uri).private_key, key.public)
    return ua.Variant(
        ua.EphemeralKeyType(PublicKey=key.public, Signature=signature),
        ua.VariantType.ExtensionObject,
    )
