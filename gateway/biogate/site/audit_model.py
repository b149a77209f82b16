"""The site file's `audit:`: how the audit trail is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from biogate.site.shapes import Strict
from biogate_security.audit_store.state import GIB, MIB, AuditOptions

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_HOUR_S = 3600


class AuditConfig(Strict):
    """The audit trail; the defaults keep everything for ever, and say when room gets scarce."""

    retention_days: _Positive | None = None
    """Age at which the payloads of records are dropped (their hashes stay); absent: never."""
    max_mib: Annotated[int, Field(ge=1)] | None = None
    """Room for the audit trail, in MiB; used up, writes are refused. Absent: the disk's."""
    min_free_mib: Annotated[int, Field(ge=1)] = GIB // MIB
    """Free room on the disk, in MiB, below which a warning is raised; critical at a quarter."""
    checkpoint_records: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Signed checkpoint after so many records."""
    checkpoint_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """Signed checkpoint, also written out, after so many seconds with new records."""
    segment_mib: Annotated[int, Field(ge=1, le=4096)] = 64
    """Size at which another file is begun, in MiB."""
    segment_days: Annotated[float, Field(gt=0, le=3660)] = 30.0
    """Age at which another file is begun."""
    verify_interval_h: _Positive | None = 24.0
    """Hours between verifications of the whole trail in the background; null: none."""
    clock_step_ms: Annotated[float, Field(ge=10, le=3_600_000)] = 1000.0
    """Step of the wall clock, in milliseconds, that is recorded."""

    @property
    def options(self) -> AuditOptions:
        """The same for the audit store."""
        hours = self.verify_interval_h
        return AuditOptions(
            checkpoint_every=self.checkpoint_records,
            checkpoint_interval_s=self.checkpoint_interval_s,
            segment_bytes=self.segment_mib * MIB,
            segment_days=self.segment_days,
            max_bytes=None if self.max_mib is None else self.max_mib * MIB,
            free_bytes=self.min_free_mib * MIB,
            retention_days=self.retention_days,
            verify_interval_s=None if hours is None else hours * _HOUR_S,
        )
