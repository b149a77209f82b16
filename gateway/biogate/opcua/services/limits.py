"""The operation limits, checked the same way by every service (Part 5, 6.3.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from biogate.opcua.errors import ServiceError
from biogate.opcua.stack import StatusCodes

T = TypeVar("T")


def check_count(operations: Sequence[T] | None, limit: int) -> Sequence[T]:
    """The operations of a request, at least one and at most `limit`.

    Raises ServiceError Bad_NothingToDo or Bad_TooManyOperations.
    """
    if not operations:
        raise ServiceError(StatusCodes.BadNothingToDo)
    if len(operations) > limit:
        raise ServiceError(StatusCodes.BadTooManyOperations)
    return operations
