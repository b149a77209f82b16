"""What a gateway counts: every failure is a status, a log line, and a number here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from biogate.commands import CommandService
from biogate.serving import Serving
from biogate.storage import Storage
from biogate.tags import TagTable
from biogate_adapters.supervisor import Diagnostics as DeviceDiagnostics


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """The state and counters of each device, and the counters of each part, since the start.

    Parts: `writes` and `calls` (by outcome), `requests` (answered, and faults by StatusCode),
    `connections` and `closed` (by StatusCode), `logins`, `certificates`, `audit`, `clock`,
    `tags`. On a site with zones those of each front end are `zone NAME requests` and so on, those
    of the link to it `zone NAME`.
    """

    devices: Mapping[str, DeviceDiagnostics]
    counters: Mapping[str, Mapping[str, int]]


def count(
    table: TagTable, commands: CommandService, serving: Serving, storage: Storage
) -> dict[str, dict[str, int]]:
    """The counters of each part as they are now."""
    return {
        "writes": dict(commands.counters),
        **dict(serving.counters()),
        "logins": dict(storage.users.counters),
        "certificates": dict(storage.pki.counters),
        "audit": asdict(storage.audit.counters),
        "clock": asdict(storage.clock.counters),
        "tags": {"rejected_rows": table.rejected_rows},
    }
