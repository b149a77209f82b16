"""One process per data folder; a dead process holds nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from biogate_security.folder_lock import DataFolder, LockHeldError

HOLDER = """
import sys, pathlib
from biogate_security.folder_lock import DataFolder
folder = DataFolder.lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has locked the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    with process:
        yield process
        process.kill()


def test_a_folder_is_made_and_locked(tmp_path):
    with DataFolder.lock(tmp_path / "new" / "data") as folder:
        assert folder.path == tmp_path / "new" / "data"
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert (folder.path / "biogate.lock").read_text() == f"{os.getpid()}\n"


def test_a_second_start_is_refused_and_told_who_has_the_folder(tmp_path, holder):
    with pytest.raises(LockHeldError) as error:
        DataFolder.lock(tmp_path / "data")
    assert error.value.pid == holder.pid
    assert str(error.value) == (
        f"data folder {tmp_path / 'data'} is in use by process {holder.pid}: stop that one first, "
        "or choose another place"
    )


def test_a_killed_process_leaves_no_obstacle(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "data" / "biogate.lock").read_text() == f"{holder.pid}\n"
    with DataFolder.lock(tmp_path / "data"):
        assert (tmp_path / "data" / "biogate.lock").read_text() == f"{os.getpid()}\n"


def test_the_same_process_cannot_lock_it_twice_but_again_after_release(tmp_path):
    folder = DataFolder.lock(tmp_path)
    with pytest.raises(LockHeldError, match=str(os.getpid())):
        DataFolder.lock(tmp_path)
    folder.release()
    folder.release()
    DataFolder.lock(tmp_path).release()


def test_a_child_process_does_not_keep_the_lock(tmp_path):
    folder = DataFolder.lock(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        child.stdout.readline()
        folder.release()
        DataFolder.lock(tmp_path).release()
        child.kill()


def test_a_lock_file_with_anything_in_it_is_no_obstacle(tmp_path):
    (tmp_path / "biogate.lock").write_text("not a pid at all, and rather long as well " * 10)
    with DataFolder.lock(tmp_path):
        assert (tmp_path / "biogate.lock").read_text() == f"{os.getpid()}\n"


def test_a_place_that_is_no_folder_is_an_os_error_with_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file"):
        DataFolder.lock(tmp_path / "file")
