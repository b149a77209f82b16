"""Subjects as messages."""

from __future__ import annotations

from biogate.zones.messages import SubjectOf
from biogate_security.policy import Subject

_MOST_CHARACTERS = 4000


def clipped(text: str, most: int = _MOST_CHARACTERS) -> str:
    """What a client has sent, of a length that messages may have."""
    return text if len(text) <= most else f"{text[:most]}..."


def who(subject: Subject) -> SubjectOf:
    """Who asks, as far as the core does not know it better."""
    return SubjectOf(
        subject.user,
        subject.session_id,
        clipped(subject.application_uri),
        subject.certificate_sha256,
        subject.address,
        subject.security_policy_uri,
        subject.security_mode,
        subject.authentication,
    )
