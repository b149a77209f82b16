"""All cases, by what they attack."""

from __future__ import annotations

from attack.case import Case
from attack.cases import (
    attributes,
    authentication,
    channel,
    encodings,
    events,
    frames,
    identities,
    methods,
    sessions,
    subscriptions,
    views,
    writes,
)

GROUPS: dict[str, tuple[Case, ...]] = {
    "before login": frames.CASES,
    "malformed encodings": encodings.CASES,
    "secure channel": channel.CASES,
    "authentication": authentication.CASES,
    "users by certificate and token": identities.CASES,
    "sessions": sessions.CASES,
    "views, and what is not offered": views.CASES,
    "reads, histories, messages": attributes.CASES,
    "subscriptions": subscriptions.CASES,
    "events": events.CASES,
    "methods": methods.CASES,
    "writes": writes.CASES,
}
