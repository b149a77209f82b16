"""What `biogate backup` and `biogate restore` do; each function gives the exit code."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import typer
from rich.console import Console

from biogate.data_format import DataFormatError, bring_up_to_date
from biogate_security.audit import AuditUnavailableError
from biogate_security.audit_log import AuditLog
from biogate_security.audit_store.keys import KeyFiles, read_public_key
from biogate_security.audit_store.notes import SigningKey, VerifyingKey
from biogate_security.audit_store.report import ChainReport
from biogate_security.audit_store.verify import KEY_FOLDER, LOG_FOLDER, verify_log
from biogate_security.backup import BackupError, Manifest, unpack_backup, write_backup

DONE, DAMAGED, NOT_DONE = 0, 1, 2
_TOLD_PROBLEMS = 5


def backup(data: Path, file: Path, *, with_keys: bool) -> int:
    """Make a backup, and verify what is in it by unpacking it beside."""
    beside, made = file.with_name(f".{file.name}.check"), False
    try:
        key = _signing_key(data)
        with Console(stderr=True).status("") as status:
            manifest = write_backup(
                data,
                file,
                version=metadata.version("biogate"),
                with_keys=with_keys,
                key=key,
                progress=lambda name: status.update(f"backing up {name}"),
            )
            made = True
            status.update("verifying")
            unpack_backup(file, beside, (key.verifying,) if key else None)
        report = _verified(beside, None)
    except (BackupError, OSError, sqlite3.Error, ValueError) as error:
        typer.echo(f"biogate: {data}: {error}", err=True)
        if made:
            typer.echo(f"biogate: {file} was made, and not verified: do not rely on it", err=True)
        return NOT_DONE
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    typer.echo(f"{file}: {_summary(manifest)}")
    keys = [name for name, why in manifest.left_out.items() if why == "private key"]
    if keys:
        typer.echo(f"without {len(keys)} private keys (--with-keys takes them): {', '.join(keys)}")
    return _tell(report)


def restore(file: Path, data: Path, keys: Sequence[Path] | None, *, broken: bool) -> int:
    """Unpack beside the data folder, verify, record, then give it its name."""
    beside = data.with_name(f".{data.name}.restoring")
    try:
        if data.exists() and (not data.is_dir() or any(data.iterdir())):
            raise FileExistsError(f"{data} is there already: move it away first")
        trusted = tuple(read_public_key(key) for key in keys) if keys else None
        shutil.rmtree(beside, ignore_errors=True)
        manifest = unpack_backup(file, beside, trusted)
        report = _verified(beside, trusted)
        if report is not None and not report.ok and not broken:
            _tell(report)
            typer.echo(f"biogate: {file} was not restored (see --broken-trail)", err=True)
            return DAMAGED
        _set_aside_certificates(beside, manifest)
        steps = bring_up_to_date(beside)
        asyncio.run(_record(beside, manifest, _digest(file), steps))
        if data.exists():
            data.rmdir()
        beside.rename(data)
    except BackupError as error:
        typer.echo(f"biogate: {error}", err=True)
        return DAMAGED
    except (OSError, sqlite3.Error, ValueError, DataFormatError, AuditUnavailableError) as error:
        typer.echo(f"biogate: {file}: {error}", err=True)
        return NOT_DONE
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    typer.echo(f"{data}: {_summary(manifest)}, of {manifest.created}")
    if trusted is None:
        typer.echo("believed: the key that the backup names (--key says which was kept)")
    if not manifest.with_keys:
        typer.echo(
            "the private keys were not in it: the next start makes new ones, and new certificates, "
            "which clients have to trust"
        )
    if report is not None:
        _tell(report)
    return DONE


def _signing_key(data: Path) -> SigningKey | None:
    """The audit log's key, where there is one yet. Raises OSError, ValueError."""
    folder = data / LOG_FOLDER / KEY_FOLDER
    if not (folder / "audit.pub").exists() or not (folder / "audit.pem").exists():
        return None
    name = read_public_key(folder / "audit.pub").name
    return KeyFiles(folder).load_or_make(name)[0]


def _verified(folder: Path, keys: tuple[VerifyingKey, ...] | None) -> ChainReport | None:
    """What verification finds in an unpacked folder; None where it has no audit trail."""
    try:
        return verify_log(folder, keys=keys)
    except FileNotFoundError:
        return None


async def _record(
    folder: Path, manifest: Manifest, digest: str, steps: tuple[int, int] | None
) -> None:
    """Record what is about to happen in the trail that was restored. Raises as AuditLog does."""
    log = await AuditLog.open(folder / LOG_FOLDER)
    try:
        if steps is not None:
            old, new = map(str, steps)
            await log.note("data-migrated", "format of the data folder", old=old, new=new)
        text = f"from a backup of {manifest.created}, made by biogate {manifest.version}"
        await log.note("data-restored", text, new=f"sha256 {digest}")
    finally:
        await log.close()


def _set_aside_certificates(folder: Path, manifest: Manifest) -> None:
    """A certificate without its key is of no use, and keeps another pair from being made."""
    for name in manifest.left_out:
        key = folder / name
        certificate = key.parent.parent / "certs" / f"{key.stem}.der"
        if key.parent.name == "private" and certificate.exists():
            certificate.rename(key.parent.parent / f"{key.stem}-before-restore.der")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _summary(manifest: Manifest) -> str:
    size = sum(each["size"] for each in manifest.files.values()) / (1 << 20)
    signed = "signed" if manifest.signed_by else "not signed: there was no audit key"
    return f"{len(manifest.files):,} files, {size:,.1f} MiB, {signed}"


def _tell(report: ChainReport | None) -> int:
    if report is None:
        typer.echo("there is no audit trail in it")
        return DONE
    for problem in report.problems[:_TOLD_PROBLEMS]:
        typer.echo(f"audit trail: {problem}", err=True)
    state = "verified" if report.ok else f"BROKEN, {len(report.problems)} problems"
    typer.echo(f"audit trail: {report.records:,} records, {state}")
    return DONE if report.ok else DAMAGED
