"""The state of the store, put together from what its parts find, and told when it changes."""

from __future__ import annotations

import logging
from pathlib import Path

from biogate_security.audit_store.room import judge, measure
from biogate_security.audit_store.state import AuditOptions, AuditState, StateListener

_log = logging.getLogger(__name__)


class Condition:
    """The worst of: was the last record refused, does the chain verify, how much room is left."""

    def __init__(self, folder: Path, options: AuditOptions, listener: StateListener | None) -> None:
        self.state = AuditState.OK
        self.reason = ""
        self.listener = listener
        self._folder = folder
        self._options = options
        self._refused_for = ""
        self._broken_for = ""
        self._room = (AuditState.OK, "")

    def refused(self, error: Exception) -> None:
        """A record, or a checkpoint, could not be stored."""
        if not self._refused_for:
            _log.error(
                "audit log unavailable: what needs a record is refused",
                extra={"folder": str(self._folder), "error": str(error)},
            )
        self._refused_for = str(error) or type(error).__name__
        self._show()

    def stored(self) -> None:
        """One could."""
        if self._refused_for:
            self._refused_for = ""
            _log.info("audit log available again", extra={"folder": str(self._folder)})
            self._show()

    def found_broken(self, problem: str) -> None:
        """The log does not verify; with "" it does."""
        self._broken_for = problem
        self._show()

    def look_at_room(self) -> None:
        """See how much room is left. Raises OSError."""
        self._room = judge(measure(self._folder), self._options)
        self._show()

    def _show(self) -> None:
        before = self.state
        self.state, self.reason = self._worst()
        if self.state is before or self.listener is None:
            return
        try:
            self.listener(self.state, self.reason)
        except Exception:  # noqa: BLE001  whoever listens must not stop the recording
            _log.exception("the audit log's state %s could not be told", self.state)

    def _worst(self) -> tuple[AuditState, str]:
        if self._refused_for:
            return AuditState.UNAVAILABLE, self._refused_for
        if self._broken_for:
            return AuditState.BROKEN, self._broken_for
        return self._room
