"""How much room the store has left, by its own bound and on the disk (IEC 62443-4-2, CR 2.9)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from biogate_security.audit_store.state import MIB, AuditOptions, AuditState

WARNING_SHARE, CRITICAL_SHARE = 0.80, 0.95
_SEGMENT_FILES = (".sqlite", ".sqlite-wal")


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that the segments take, and bytes that are free on their disk."""

    used_bytes: int
    free_bytes: int


def measure(folder: Path) -> Room:
    """The room of a log's folder. Raises OSError."""
    with os.scandir(folder) as entries:
        used = sum(each.stat().st_size for each in entries if each.name.endswith(_SEGMENT_FILES))
    disk = os.statvfs(folder)
    return Room(used, disk.f_bavail * disk.f_frsize)


def judge(room: Room, options: AuditOptions) -> tuple[AuditState, str]:
    """OK, WARNING or CRITICAL, with a sentence on which bound it is that is near."""
    worst = AuditState.OK, ""
    if options.max_bytes is not None:
        share = room.used_bytes / options.max_bytes
        text = f"{share:.0%} of its {options.max_bytes / MIB:,.0f} MiB are used"
        worst = _threshold(share, text)
    if room.free_bytes <= options.free_bytes and worst[0] is not AuditState.CRITICAL:
        critical = room.free_bytes <= options.free_bytes // 4
        text = f"its disk has {room.free_bytes / MIB:,.0f} MiB left"
        worst = (AuditState.CRITICAL if critical else AuditState.WARNING), text
    return worst


def _threshold(share: float, text: str) -> tuple[AuditState, str]:
    if share >= CRITICAL_SHARE:
        return AuditState.CRITICAL, text
    return (AuditState.WARNING, text) if share >= WARNING_SHARE else (AuditState.OK, "")
