"""A request, or one operation of it, that is answered with a StatusCode instead of a result."""

from __future__ import annotations

from biogate.opcua.stack import status_name


class StatusError(Exception):
    """One operation fails with `status`; the others of its request go on.

    `precise` is what the audit trail is told where the client may not know it; 0: nothing more.
    """

    def __init__(self, status: int, message: str = "", *, precise: int = 0) -> None:
        super().__init__(message or status_name(status))
        self.status = status
        self.precise = precise


class ServiceError(StatusError):
    """The whole request is refused with `status` (a ServiceFault)."""
