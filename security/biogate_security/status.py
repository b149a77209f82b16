"""The OPC UA status codes that this package answers with (Part 6 code table), as plain ints."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

GOOD: Final = 0x00000000
BAD_CERTIFICATE_INVALID: Final = 0x80120000
BAD_SECURITY_CHECKS_FAILED: Final = 0x80130000
BAD_CERTIFICATE_TIME_INVALID: Final = 0x80140000
BAD_CERTIFICATE_ISSUER_TIME_INVALID: Final = 0x80150000
BAD_CERTIFICATE_URI_INVALID: Final = 0x80170000
BAD_CERTIFICATE_USE_NOT_ALLOWED: Final = 0x80180000
BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED: Final = 0x80190000
BAD_CERTIFICATE_UNTRUSTED: Final = 0x801A0000
BAD_CERTIFICATE_REVOCATION_UNKNOWN: Final = 0x801B0000
BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN: Final = 0x801C0000
BAD_CERTIFICATE_REVOKED: Final = 0x801D0000
BAD_CERTIFICATE_ISSUER_REVOKED: Final = 0x801E0000
BAD_USER_ACCESS_DENIED: Final = 0x801F0000
BAD_IDENTITY_TOKEN_INVALID: Final = 0x80200000
BAD_IDENTITY_TOKEN_REJECTED: Final = 0x80210000
BAD_CERTIFICATE_CHAIN_INCOMPLETE: Final = 0x810D0000
BAD_CERTIFICATE_POLICY_CHECK_FAILED: Final = 0x81140000
BAD_RESOURCE_UNAVAILABLE: Final = 0x80040000
BAD_NOT_SUPPORTED: Final = 0x803D0000
BAD_INVALID_ARGUMENT: Final = 0x80AB0000

NAMES: Final = MappingProxyType(
    {
        GOOD: "Good",
        BAD_CERTIFICATE_INVALID: "Bad_CertificateInvalid",
        BAD_SECURITY_CHECKS_FAILED: "Bad_SecurityChecksFailed",
        BAD_CERTIFICATE_TIME_INVALID: "Bad_CertificateTimeInvalid",
        BAD_CERTIFICATE_ISSUER_TIME_INVALID: "Bad_CertificateIssuerTimeInvalid",
        BAD_CERTIFICATE_URI_INVALID: "Bad_CertificateUriInvalid",
        BAD_CERTIFICATE_USE_NOT_ALLOWED: "Bad_CertificateUseNotAllowed",
        BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED: "Bad_CertificateIssuerUseNotAllowed",
        BAD_CERTIFICATE_UNTRUSTED: "Bad_CertificateUntrusted",
        BAD_CERTIFICATE_REVOCATION_UNKNOWN: "Bad_CertificateRevocationUnknown",
        BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN: "Bad_CertificateIssuerRevocationUnknown",
        BAD_CERTIFICATE_REVOKED: "Bad_CertificateRevoked",
        BAD_CERTIFICATE_ISSUER_REVOKED: "Bad_CertificateIssuerRevoked",
        BAD_CERTIFICATE_CHAIN_INCOMPLETE: "Bad_CertificateChainIncomplete",
        BAD_CERTIFICATE_POLICY_CHECK_FAILED: "Bad_CertificatePolicyCheckFailed",
        BAD_RESOURCE_UNAVAILABLE: "Bad_ResourceUnavailable",
        BAD_NOT_SUPPORTED: "Bad_NotSupported",
        BAD_INVALID_ARGUMENT: "Bad_InvalidArgument",
    }
)

# Only an owner whose certificate is trusted already learns these (Part 4, 6.1.3 comes to them
# after the trust check); everything else would tell a stranger what we trust.
TOLD_TO_THE_PEER: Final = frozenset(
    {
        GOOD,
        BAD_CERTIFICATE_TIME_INVALID,
        BAD_CERTIFICATE_ISSUER_TIME_INVALID,
        BAD_CERTIFICATE_URI_INVALID,
        BAD_CERTIFICATE_USE_NOT_ALLOWED,
    }
)


def name(status: int) -> str:
    """The code's name in the specification, or its number for a code that is not ours."""
    return NAMES.get(status, f"0x{status:08X}")


def wire_status(status: int) -> int:
    """What a peer may be told of a certificate's precise status (Part 4, 6.1.3)."""
    return status if status in TOLD_TO_THE_PEER else BAD_SECURITY_CHECKS_FAILED
