"""One process per data folder and per audit file: flock(2), so that a dead holder holds nothing."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from biogate_security.private_file import (
    PRIVATE_FILE_MODE,
    give_to_owner,
    make_private_folder,
)

_TAKEN = {errno.EAGAIN, errno.EACCES}


class LockHeldError(Exception):
    """Another process (or another part of this one) holds the lock. `pid` is None if unknown."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class FileLock:
    """An exclusive lock on a file that holds its holder's pid; the kernel frees it at exit.

    The file stays: removing it would let a third process lock a file that is no longer there.
    """

    def __init__(self, path: Path, subject: str) -> None:
        """Take the lock on `path` for `subject`, as the message calls it ("data folder X").

        Raises LockHeldError, or OSError where the file cannot be made or locked.
        """
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE)
        try:
            give_to_owner(self._descriptor, path.parent)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = _holder(self._descriptor)
            self._close()
            if error.errno not in _TAKEN:
                raise
            raise LockHeldError(_held(subject, holder), holder) from None

    @property
    def held(self) -> bool:
        """True until `release`."""
        return self._descriptor is not None

    def release(self) -> None:
        """Free the lock; a second call does nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DataFolder:
    """A data folder that belongs to this process until `release`."""

    LOCK_FILE = "biogate.lock"

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def lock(cls, path: Path) -> Self:
        """Make the folder where missing and take it.

        Raises LockHeldError, naming the holder's pid, when another process has it; OSError when
        it cannot be made or written to.
        """
        folder = path.absolute()
        make_private_folder(folder)
        return cls(folder, FileLock(folder / cls.LOCK_FILE, f"data folder {folder}"))

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _holder(descriptor: int) -> int | None:
    written = os.pread(descriptor, 32, 0).strip()
    return int(written) if written.isdigit() else None


def _held(subject: str, pid: int | None) -> str:
    who = "another process" if pid is None else f"process {pid}"
    return f"{subject} is in use by {who}: stop that one first, or choose another place"
