"""What `biogate wipe` does; it gives the exit code."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import typer

from biogate.data_format import DataFormatError, bring_up_to_date
from biogate_security.audit import AuditRecord, AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.verify import LOG_FOLDER
from biogate_security.filetime import now_ticks
from biogate_security.folder_lock import DataFolder, LockHeldError
from biogate_security.wipe import NoDataFolderError, WipePlan, plan_wipe, what_is_left, wipe

DONE, LEFT, NOT_DONE = 0, 1, 2


def wipe_folder(data: Path, *, yes: bool, keep_audit: bool) -> int:
    """Wipe the folder, unless a gateway has it or somebody has second thoughts."""
    try:
        plan = plan_wipe(data, keep_audit=keep_audit)  # before the lock makes a folder
        with DataFolder.lock(data) as folder:
            if keep_audit:
                bring_up_to_date(data)
                plan = plan_wipe(data, keep_audit=True)
            _announce(plan)
            if not yes and not typer.confirm("Wipe all this? It cannot be undone"):
                typer.echo("nothing was touched")
                return NOT_DONE
            if plan.kept and (data / LOG_FOLDER).is_dir():
                asyncio.run(_record(data, plan))
                plan = plan_wipe(data, keep_audit=True)
            return _carry_out(plan, folder)
    except LockHeldError as error:
        return _not_done(f"{error}. Stop it first: nothing was touched")
    except AuditUnavailableError as error:
        return _not_done(
            f"it cannot be recorded ({error}): nothing was touched. Keep a copy of "
            f"{data / LOG_FOLDER}, and take --no-keep-audit"
        )
    except (NoDataFolderError, DataFormatError, OSError, typer.Abort) as error:
        return _not_done(error or "nothing was touched")


def _announce(plan: WipePlan) -> None:
    size = sum(found.size for found in plan.files)
    typer.echo(f"{plan.folder}: {len(plan.files):,} files to wipe, {size / (1 << 20):,.1f} MiB")
    if plan.kept:
        typer.echo(
            f"the audit trail is kept ({len(plan.kept):,} files), without its private keys: no "
            "record can be signed in its name any more"
        )
    elif not plan.keep_audit:
        typer.echo("WITH the audit trail: export it first, where records have to be kept")
    for name in plan.foreign:
        typer.echo(f"not biogate's, and left as it is: {name}")


async def _record(data: Path, plan: WipePlan) -> None:
    """The last record of the trail; a signed checkpoint follows it. Raises as AuditLog does."""
    log = await AuditLog.open(data / LOG_FOLDER)
    try:
        await log.record(
            AuditRecord(
                "data-wiped",
                now_ticks(),
                getpass.getuser(),
                address="command line",
                new=f"{len(plan.files)} files",
                reason="biogate wipe: keys, accounts, trust lists, settings and caches",
            )
        )
    finally:
        await log.close()


def _carry_out(plan: WipePlan, folder: DataFolder) -> int:
    failed = 0
    for wiped in wipe(plan):
        state = wiped.problem or "wiped"
        failed += wiped.problem != ""
        file = wiped.file
        typer.echo(
            f"{file.path}: {state} ({file.content}, {file.size:,} bytes)", err=bool(wiped.problem)
        )
    left = what_is_left(plan)
    for path in left:
        typer.echo(f"LEFT: {path}", err=True)
    if not left and not plan.kept:
        _remove(folder)
    good = len(plan.files) - failed
    typer.echo(f"{good:,} of {len(plan.files):,} files overwritten, read back and removed")
    typer.echo(f"{len(left):,} files are left" if left else "verified: none of them is left")
    return LEFT if left or failed else DONE


def _remove(folder: DataFolder) -> None:
    """The lock file, while it is held, and the folder where nothing else is in it."""
    (folder.path / DataFolder.LOCK_FILE).unlink()
    if not any(folder.path.iterdir()):
        folder.path.rmdir()


def _not_done(error: object) -> int:
    typer.echo(f"biogate: {error}", err=True)
    return NOT_DONE
