"""One way to say a raw request to two clients: asyncua's and node-opcua's.

Messages are dicts with the field names of the specification. In them a NodeId is its text
(`ns=2;s=Name`, "" for null), a QualifiedName `0:Name`, a LocalizedText its text, a StatusCode and
an enumeration its number, an integer of 64 bits decimal text, a DateTime milliseconds since 1970
or None, a ByteString hex, a Variant `[type, value]` or `[type, values, dimensions]` (None: Null),
a DataValue a dict of Value, StatusCode and both timestamps, an ExtensionObject a dict whose `$`
is its type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asyncua import ua

Message = dict[str, Any]


class ServiceFaultError(Exception):
    """The service as a whole was refused; `status` is its ServiceResult."""

    def __init__(self, status: int) -> None:
        super().__init__(ua.StatusCode(status).name)
        self.status = status


class Wire(Protocol):
    """One session of one client."""

    async def ask(self, service: str, **fields: Any) -> Message:
        """Send `<service>Request`; raises ServiceFaultError."""

    async def change_user(self, user: str | None, password: str | None) -> int:
        """Activate the session again for another user; gives the status."""

    async def show_certificate(self, certificate: Path, key: Path) -> int:
        """Activate the session again for the owner of a certificate (DER) and its key (PEM)."""

    async def close(self, *, keep_subscriptions: bool = False) -> None:
        """Close session and connection."""


@dataclass(frozen=True)
class Security:
    """What a channel uses; `mode` None stands for the policy None."""

    policy: str = "None"
    mode: str = "None"

    @property
    def name(self) -> str:
        return "None" if self.policy == "None" else f"{self.policy}-{self.mode}"


async def refused(wire: Wire, service: str, **fields: Any) -> int:
    """The ServiceResult with which the request is refused, 0 when it is not."""
    try:
        await wire.ask(service, **fields)
    except ServiceFaultError as fault:
        return fault.status
    return 0
