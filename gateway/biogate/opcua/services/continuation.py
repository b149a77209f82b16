"""Continuation points: what is left of a long answer, bound to its session and rights."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from biogate.opcua.ports import RawQuery
from biogate_nodesets.model import Reference


class _Point(Protocol):
    """`rights_key` is `RightsView.key` when it was made."""

    @property
    def rights_key(self) -> tuple[int, int, int]: ...

    @property
    def request_id(self) -> int: ...


P = TypeVar("P", bound=_Point)


@dataclass(frozen=True, slots=True)
class ContinuationPoint:
    """The rest of an answer to Browse, `page` references at a time.

    Nothing is made for it: many sessions may hold the thousands of references of a type.
    """

    rest: Sequence[Reference]
    page: int
    result_mask: int
    rights_key: tuple[int, int, int]
    request_id: int


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """Where reading the history of a node goes on: `query` with its `resume`."""

    node_id: Any
    query: RawQuery
    rights_key: tuple[int, int, int]
    request_id: int


class ContinuationPoints(Generic[P]):
    """The continuation points of one session: unguessable names, a bounded number.

    A new request may use up the points of earlier ones, oldest first, but not its own
    (Part 4, 7.9).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._points: dict[bytes, P] = {}

    def __len__(self) -> int:
        return len(self._points)

    def add(self, point: P) -> bytes | None:
        """Keep `point` and return its name; None when this request holds all there may be."""
        if len(self._points) >= self._limit:
            oldest = next(iter(self._points))
            if self._points[oldest].request_id == point.request_id:
                return None
            del self._points[oldest]
        name = secrets.token_bytes(16)
        self._points[name] = point
        return name

    def take(self, name: bytes, rights_key: tuple[int, int, int]) -> P | None:
        """Remove and return the point; None when there is none, or its rights are outdated."""
        point = self._points.pop(name, None)
        if point is None or point.rights_key != rights_key:
            return None
        return point

    def clear(self) -> None:
        """Release all."""
        self._points.clear()
