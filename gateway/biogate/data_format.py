"""The format of the data folder: a number in a file, and the steps from one to the next.

Format 1 had the audit log in one file, `audit.sqlite`; format 2 has it in the folder `audit`.
docs/decisions/0022-audit-store.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from biogate_security.audit_store.verify import LOG_FOLDER, OLD_LOG_FILE
from biogate_security.audit_store.writer import take_over
from biogate_security.private_file import write_private

FORMAT = 2
FORMAT_FILE = "format.json"
_KEY = "data_folder_format"


class DataFormatError(Exception):
    """The data folder is of a format that this biogate cannot use, or cannot bring up to date."""


def bring_up_to_date(folder: Path) -> tuple[int, int] | None:
    """Bring the (locked) folder to the present format; from which one to which, None if it was.

    Raises DataFormatError, OSError. A step that fails leaves the folder in the format before it.
    """
    found = present_format(folder)
    old = folder / OLD_LOG_FILE
    if found > 1 and old.exists():
        raise DataFormatError(
            f"{old} is a log that an earlier biogate began after the folder was brought to "
            f"format {found}: keep it elsewhere (biogate audit verify {old} checks it)"
        )
    if found > FORMAT:
        raise DataFormatError(
            f"data folder {folder} is of format {found}, and this biogate knows those up to "
            f"{FORMAT}: use a newer biogate, or a backup of that time"
        )
    for number in range(found, FORMAT):
        _STEPS[number](folder)
        _write(folder, number + 1)
    if not (folder / FORMAT_FILE).exists():
        _write(folder, FORMAT)
    return (found, FORMAT) if found < FORMAT else None


def present_format(folder: Path) -> int:
    """The folder's format; a new folder has the present one. Raises DataFormatError, OSError."""
    file = folder / FORMAT_FILE
    if not file.exists():
        return 1 if (folder / OLD_LOG_FILE).exists() else FORMAT
    try:
        number = json.loads(file.read_bytes())[_KEY]
    except (ValueError, KeyError, TypeError) as error:
        raise DataFormatError(f"{file} does not say the data folder's format: {error!r}") from error
    if type(number) is not int or number < 1:
        raise DataFormatError(f"{file}: {_KEY} is {number!r}, not a number from 1")
    return number


def _write(folder: Path, number: int) -> None:
    write_private(folder / FORMAT_FILE, f"{json.dumps({_KEY: number})}\n".encode())


def _audit_into_segments(folder: Path) -> None:
    """The one file of the audit log becomes its first segment, as it is."""
    old = folder / OLD_LOG_FILE
    try:
        take_over(old, folder / LOG_FOLDER)
    except (sqlite3.Error, ValueError) as error:
        raise DataFormatError(f"audit log {old} cannot be taken over: {error}") from error


_STEPS: Mapping[int, Callable[[Path], None]] = {1: _audit_into_segments}
