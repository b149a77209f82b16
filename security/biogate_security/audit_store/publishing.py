"""Checkpoints on their way out: a log line, and files from which copies can be kept elsewhere.

`checkpoints/latest.txt` is the newest; `checkpoints/YYYY-MM-DD.txt` has all of a day (UTC), one
after another. `biogate audit verify --checkpoint` takes both.
"""

from __future__ import annotations

import logging
from pathlib import Path

from biogate_security.audit_store.checkpoint import Checkpoint
from biogate_security.audit_store.verify import CHECKPOINT_FOLDER
from biogate_security.filetime import to_datetime
from biogate_security.private_file import give_to_owner, make_private_folder, write_private

LATEST = "latest.txt"
_log = logging.getLogger(__name__)


def publish(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint out. A file that cannot be written is told in the log, no more."""
    context = {"size": checkpoint.size, "root": checkpoint.root.hex(), "note": checkpoint.note}
    _log.info("audit checkpoint", extra=context)
    target = folder / CHECKPOINT_FOLDER
    day = target / f"{to_datetime(checkpoint.time):%Y-%m-%d}.txt"
    try:
        make_private_folder(target)
        with day.open("a", encoding="utf-8") as file:
            give_to_owner(file.fileno(), target)
            file.write(f"{checkpoint.note}\n")
        write_private(target / LATEST, checkpoint.note.encode(), durable=False)
    except OSError as error:
        _log.warning(
            "the audit checkpoint could not be written out: copies elsewhere grow old",
            extra={"folder": str(target), "error": str(error)},
        )
