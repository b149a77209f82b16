"""The audit chain as bytes: canonical records and the hashes that join them. No I/O.

A record's body is canonical JSON (RFC 8785: sorted keys, no spaces, UTF-8) and is hashed exactly
as stored: leaf(n) = SHA-256(0x00 | body(n)), h(n) = SHA-256(domain | h(n-1) | leaf(n)),
h(0) = SHA-256(domain | log id). So the chain can be checked where retention dropped the bodies.
Logs of format 1 (one file, `audit.sqlite`) have body(n) in the place of leaf(n).

The chain shows where somebody edited; a cut tail, or a chain rewritten to its end, shows only
against a checkpoint kept elsewhere (`audit_store.checkpoint`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from biogate_security.audit import AuditRecord
from biogate_security.filetime import from_iso, to_iso
from biogate_security.log_text import safe_text

FORMAT = 1
_GENESIS_DOMAIN = b"biogate audit genesis v1\x00"
_BODY_DOMAIN = b"biogate audit record v1\x00"
_LEAF_DOMAIN = b"biogate audit record v2\x00"
_SHORT, _LONG = 256, 4096
_KEPT_EMPTY = frozenset({"event", "old", "new"})
_NULLABLE = frozenset({"user", "old", "new"})
_LIMITS = {"old": _LONG, "new": _LONG, "reason": 1024, "node_id": 1024}
_TEXT_FIELDS = tuple(
    field.name for field in fields(AuditRecord) if field.name not in {"time", "roles", "outcome"}
)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record's number and hash; (0, h(0)) for an empty chain."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as stored: its texts are bounded and escaped as `log_text.safe_text` says.

    `body` is None where retention dropped it, `record` also where it was spoilt: `verify` tells
    more.
    """

    seq: int
    record: AuditRecord | None
    hash: bytes
    body: str | None = None


def genesis(log_id: str) -> Head:
    """The head of the empty chain of one log."""
    return Head(0, hashlib.sha256(_GENESIS_DOMAIN + log_id.encode()).digest())


def link(previous: bytes, leaf: bytes) -> bytes:
    """The hash of a record with the hash `leaf` after one with hash `previous`."""
    return hashlib.sha256(_LEAF_DOMAIN + previous + leaf).digest()


def link_of_format_1(previous: bytes, body: bytes) -> bytes:
    """The hash of a record with `body` in a log of format 1."""
    return hashlib.sha256(_BODY_DOMAIN + previous + body).digest()


def content_of(record: AuditRecord) -> dict[str, Any]:
    """What of a record is stored: texts made safe, empty ones left out.

    Raises ValueError for a time outside the years 1601 to 9999.
    """
    content: dict[str, Any] = {
        "time": to_iso(record.time),
        "user": None if record.user is None else _text("user", record.user),
        "outcome": record.outcome,
    }
    if record.roles:
        content["roles"] = [_text("roles", role) for role in record.roles]
    for name in _TEXT_FIELDS:
        value = getattr(record, name)
        if value is not None and (value != "" or name in _KEPT_EMPTY):
            content[name] = _text(name, value)
    return content


def encode(log_id: str, seq: int, content: dict[str, Any]) -> str:
    """The body of record `seq`: canonical JSON."""
    whole = {"format": FORMAT, "log": log_id, "seq": seq, **content}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse(body: str | bytes) -> dict[str, Any]:
    """The object of a body. Raises ValueError for what is none, whatever somebody put there."""
    try:
        content = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"not an audit record of format {FORMAT}")
    return content


def decode(body: str) -> tuple[str, int, AuditRecord]:
    """Log id, number and record of a body. Raises ValueError for anything `encode` did not make."""
    content = parse(body)
    del content["format"]
    try:
        log_id, seq = str(content.pop("log")), int(content.pop("seq"))
        content["time"] = from_iso(content["time"])
        content["roles"] = tuple(content.get("roles", ()))
        record = AuditRecord(**content)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an audit record: {error}") from error
    if not _is_typed(record):
        raise ValueError("not an audit record: a field is of another type")
    return log_id, seq, record


def _is_typed(record: AuditRecord) -> bool:
    texts = ((name, getattr(record, name)) for name in _TEXT_FIELDS)
    return (
        isinstance(record.outcome, int)
        and all(isinstance(role, str) for role in record.roles)
        and all(
            isinstance(text, str) or (text is None and name in _NULLABLE) for name, text in texts
        )
    )


def _text(name: str, value: str) -> str:
    return safe_text(value, _LIMITS.get(name, _SHORT))
