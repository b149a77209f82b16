"""`biogate audit`: read, verify and export the audit trail, offline or beside a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biogate.cli.options import DataOption
from biogate.data_folder import DEFAULT_DATA

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Verify, show and export the audit trail.",
)

LogArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="A data folder, a folder of segments, a segment, or an export.  [default: --data]",
        show_default=False,
    ),
]
KeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        metavar="PUB",
        help="Public key that was kept elsewhere; trusted in place of those beside the log.",
    ),
]
TextOption = Annotated[str | None, typer.Option(metavar="TEXT", help="* stands for any part.")]
TimeOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="2026-11-25, 2026-11-25T14:30 (UTC), or an age: 90m, 8h, 7d."
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="2026-11-25, 2026-11-25T14:30 (UTC), or an age: 90m, 8h, 7d.",
    ),
]
SeqOption = Annotated[
    str | None, typer.Option("--seq", metavar="N or A-B", help="Numbers of records.")
]


@app.command("verify")
def verify(
    path: LogArgument = None,
    data: DataOption = DEFAULT_DATA,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoints that were kept elsewhere; may be given several times.",
        ),
    ] = None,
    key: KeyOption = None,
) -> None:
    """Find every edit, deletion, insertion, swap, cut and forged checkpoint, and say where.

    Exit code 0: nothing is wrong; 1: broken; 2: it could not be read.
    """
    from biogate.cli import audit_work

    raise typer.Exit(audit_work.verify(path or data, checkpoint or [], key))


@app.command("show")
def show(
    data: DataOption = DEFAULT_DATA,
    user: TextOption = None,
    tag: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Tag or NodeId; * stands for any part.")
    ] = None,
    event: TextOption = None,
    zone: TextOption = None,
    start: FromOption = None,
    until: TimeOption = None,
    seq: SeqOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many records.")] = 50,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first.")] = False,
) -> None:
    """Show records as a table, the newest first.

    Exit code 0: shown; 2: the log could not be read.
    """
    from biogate.cli import audit_work

    wanted = audit_work.wanted(user, tag, event, zone, start, until, seq)
    raise typer.Exit(audit_work.show(data, wanted, limit=limit, newest=not oldest))


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To write: FILE.jsonl or FILE.csv.")],
    data: DataOption = DEFAULT_DATA,
    user: TextOption = None,
    tag: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Tag or NodeId; * stands for any part.")
    ] = None,
    event: TextOption = None,
    zone: TextOption = None,
    start: FromOption = None,
    until: TimeOption = None,
    seq: SeqOption = None,
) -> None:
    """Export records with checkpoint and proofs: `biogate audit verify FILE` checks them alone.

    Exit code 0: all are proven, or newer than the newest checkpoint; 1: the log is broken, and
    the export has no proofs; 2: the log could not be read.
    """
    from biogate.cli import audit_work

    wanted = audit_work.wanted(user, tag, event, zone, start, until, seq)
    raise typer.Exit(audit_work.export(data, file, wanted))


@app.command("checkpoint")
def checkpoint(data: DataOption = DEFAULT_DATA) -> None:
    """Print the newest signed checkpoint, to be kept elsewhere.

    Exit code 0: printed; 2: there is none, or the log could not be read.
    """
    from biogate.cli import audit_work

    raise typer.Exit(audit_work.print_checkpoint(data))


@app.command("rotate-key")
def rotate_key(
    data: DataOption = DEFAULT_DATA,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is recorded.")] = "",
) -> None:
    """Sign with a new key from now on; the old one vouches for it. Stop the gateway first.

    Exit code 0: done; 2: the data folder is in use, or cannot be used.
    """
    from biogate.cli import audit_work

    raise typer.Exit(audit_work.rotate_key(data, reason))
