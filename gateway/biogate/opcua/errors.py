"""A request, or one operation of it, that is answered with a StatusCode instead of a result."""

from __future__ import annotations

from biogate.opcua.stack import status_name


class StatusError(Exception):
    """One operation fails with `status`; the others of its request go on."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message or status_name(status))
        self.status = status


class ServiceError(StatusError):
    """The whole request is refused with `status` (a ServiceFault)."""
