"""Log lines on stderr: plain text for people or one JSON object a line for machines.

Every event is written once, with its context: what callers pass as `extra={...}`. Stderr is looked
up at each event, so that a live table (rich) that redirects it keeps its screen whole.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

# What a LogRecord has of its own; all else came in through `extra`.
RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Libraries that log each request at INFO or DEBUG: their warnings are of interest, no more.
_CHATTY = ("aiosqlite", "asyncio", "asyncua", "pymodbus")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(*, as_json: bool = False, level: int | str = logging.INFO) -> None:
    """Send all log records of `level` and above to stderr. A second call replaces the first.

    Raises ValueError for an unknown level name.
    """
    root = logging.getLogger()
    root.setLevel(level)
    for handler in [each for each in root.handlers if isinstance(each, _StderrHandler)]:
        root.removeHandler(handler)
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root.addHandler(handler)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.captureWarnings(capture=True)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at the time of the event."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class PlainFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z WARNING biogate.devices: no answer device=AE101 tries=3`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on indented lines."""
        context = "".join(f" {key}={_quoted(value)}" for key, value in context_of(record).items())
        message = _one_line(record.getMessage())
        line = f"{utc_time(record)} {record.levelname} {record.name}: {message}{context}"
        traceback = self._traceback(record)
        return line + "".join(f"\n    {each}" for each in traceback.splitlines())

    def _traceback(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonFormatter(logging.Formatter):
    """JSON Lines: time (UTC), level, logger, message, context, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        event: dict[str, Any] = {
            "time": utc_time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "context": {key: _json_value(value) for key, value in context_of(record).items()},
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        text = json.dumps(event, ensure_ascii=False)
        return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def context_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in RESERVED}


def utc_time(record: logging.LogRecord) -> str:
    """The record's time, ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json_value(value: object) -> object:
    """Values that JSON has; all others (also NaN, which JSON has not) as text."""
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _quoted(value: object) -> str:
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    text = _one_line(str(value))
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Escape control characters: what a device or client sent must not forge a log line."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
