"""`biogate backup` and `biogate restore`: the data folder as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def backup(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The data folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to make (.tar.gz).")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With the private keys: keep the file like a key.")
    ] = False,
) -> None:
    """Back up a data folder into one file, also while a gateway uses it.

    Private keys are left out (see --with-keys). The backup, and the audit trail in it, are
    verified.

    Exit code 0: done; 1: done, and the audit trail in it is broken; 2: not done.
    """
    from biogate.cli import backup_work

    raise typer.Exit(backup_work.backup(data, file, with_keys=with_keys))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The data folder to make; must not exist.")
    ],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="PUB", help="Public key of the audit log, kept elsewhere."),
    ] = None,
    broken: Annotated[
        bool, typer.Option("--broken-trail", help="Restore although the audit trail is broken.")
    ] = False,
) -> None:
    """Verify a backup, then make a data folder of it; that it was restored becomes a record.

    Exit code 0: done; 1: it is damaged or forged, nothing was made; 2: not done for another
    reason.
    """
    from biogate.cli import backup_work

    raise typer.Exit(backup_work.restore(file, data, key, broken=broken))
