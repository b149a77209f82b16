"""All cases, by what they attack."""

from __future__ import annotations

from attack.case import Case
from attack.cases import authentication, channel, encodings, frames, services, sessions, writes

GROUPS: dict[str, tuple[Case, ...]] = {
    "before login": frames.CASES,
    "malformed encodings": encodings.CASES,
    "secure channel": channel.CASES,
    "authentication": authentication.CASES,
    "sessions": sessions.CASES,
    "services": services.CASES,
    "writes": writes.CASES,
}
