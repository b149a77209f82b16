"""`biogate wipe`: a data folder that goes out of service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def wipe(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The data folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    keep_audit: Annotated[
        bool,
        typer.Option(
            "--keep-audit/--no-keep-audit",
            help="Keep the audit trail: records have to endure. Its private keys go all the same.",
        ),
    ] = True,
) -> None:
    """Overwrite and remove private keys, accounts, trust lists, settings and caches.

    Each file is overwritten once, read back, and removed; what became of each is printed. The
    audit trail stays, with a record of this, and can be verified further on (see --no-keep-audit).
    What an SSD, a journaling file system or a snapshot has kept elsewhere is not reached:
    destroy the disk, or its encryption key. Backups, logs and password variables are elsewhere,
    too.

    Exit code 0: done, and nothing is left; 1: something is left, or could not be overwritten;
    2: not done, nothing was touched.
    """
    from biogate.cli import wipe_work

    raise typer.Exit(wipe_work.wipe_folder(data, yes=yes, keep_audit=keep_audit))
