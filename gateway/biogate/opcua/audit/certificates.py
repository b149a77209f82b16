"""Audit events about certificates that were judged bad (Part 4, 6.1.3; Part 5, 6.4.12-6.4.18)."""

from __future__ import annotations

from collections.abc import Mapping

from biogate.opcua.audit.fact import AuditEvent, plain_fields
from biogate.opcua.stack import ObjectIds, StatusCodes, node_id, status_name, ua

_T = ua.VariantType
_INVALID = ObjectIds.AuditCertificateInvalidEventType
_REVOKED = ObjectIds.AuditCertificateRevokedEventType
_TYPE_OF: Mapping[int, int] = {
    StatusCodes.BadCertificateInvalid: _INVALID,
    StatusCodes.BadCertificateChainIncomplete: _INVALID,
    StatusCodes.BadCertificatePolicyCheckFailed: _INVALID,
    StatusCodes.BadCertificateUntrusted: ObjectIds.AuditCertificateUntrustedEventType,
    StatusCodes.BadCertificateTimeInvalid: ObjectIds.AuditCertificateExpiredEventType,
    StatusCodes.BadCertificateIssuerTimeInvalid: ObjectIds.AuditCertificateExpiredEventType,
    StatusCodes.BadCertificateHostNameInvalid: ObjectIds.AuditCertificateDataMismatchEventType,
    StatusCodes.BadCertificateUriInvalid: ObjectIds.AuditCertificateDataMismatchEventType,
    StatusCodes.BadCertificateUseNotAllowed: ObjectIds.AuditCertificateMismatchEventType,
    StatusCodes.BadCertificateIssuerUseNotAllowed: ObjectIds.AuditCertificateMismatchEventType,
    StatusCodes.BadCertificateRevocationUnknown: _REVOKED,
    StatusCodes.BadCertificateIssuerRevocationUnknown: _REVOKED,
    StatusCodes.BadCertificateRevoked: _REVOKED,
    StatusCodes.BadCertificateIssuerRevoked: _REVOKED,
}
"""The last column of the table of validation steps (Part 4, 6.1.3)."""


def certificate_event(
    certificate: bytes, status: int, *, uri: str = "", user: str = "System/OpenSecureChannel"
) -> AuditEvent:
    """The event for a certificate that step of the validation refused.

    `uri`: the ApplicationUri that it does not have (6.4.13).
    """
    kind = _TYPE_OF.get(status, _INVALID)
    fields = plain_fields(Certificate=ua.Variant(certificate, _T.ByteString))
    if kind == ObjectIds.AuditCertificateDataMismatchEventType:
        wrong = ua.Variant(uri or None, _T.String)
        fields = {**fields, **plain_fields(InvalidUri=wrong)}
    message = f"Certificate refused: {status_name(status)}"
    return AuditEvent(node_id(kind), "Security/Certificate", message, fields, user=user)
