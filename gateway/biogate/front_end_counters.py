"""What one front end counts."""

from __future__ import annotations

from dataclasses import fields

from biogate.opcua.front_end import FrontEnd


def counters_of(front_end: FrontEnd) -> dict[str, dict[str, int]]:
    """By part: `requests`, `connections`, `closed` (by StatusCode)."""
    counters = front_end.listener.counters
    numbers = {each.name: getattr(counters, each.name) for each in fields(counters)}
    closed = numbers.pop("closed")
    return {
        "requests": dict(front_end.dispatcher.counters),
        "connections": numbers,
        "closed": dict(closed),
    }
