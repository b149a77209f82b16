"""How many references one request may look at: what makes a request long, whatever it finds."""

from __future__ import annotations

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes


class WorkBudget:
    """Shared by all operations of one request."""

    def __init__(self, references: int) -> None:
        self._left = references

    def spend(self, references: int) -> None:
        """Raises StatusError Bad_QueryTooComplex when there are not so many left."""
        self._left -= references
        if self._left < 0:
            raise StatusError(StatusCodes.BadQueryTooComplex)
