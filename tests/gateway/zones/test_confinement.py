"""A zone's process that was taken over reaches nothing of the others (landlock(7))."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from biogate.zones.confinement import Allowed, confine

PROBE = """
from biogate.zones.confinement import Allowed, confine
enforced = confine(Allowed())
print(*(int(each) for each in (enforced.files, enforced.network, enforced.signals, enforced.calls)))
"""
KERNEL = subprocess.run(
    [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
).stdout.split()
FILES, NETWORK, SIGNALS, CALLS = (value == "1" for value in KERNEL)
needs_files = pytest.mark.skipif(not FILES, reason="the kernel has no Landlock")
needs_network = pytest.mark.skipif(not NETWORK, reason="Landlock of the kernel knows no ports")
needs_signals = pytest.mark.skipif(not SIGNALS, reason="Landlock of the kernel knows no signals")
needs_calls = pytest.mark.skipif(not CALLS, reason="the kernel filters no system calls here")


PROGRAM = """
import json, os, signal, socket, subprocess, sys
from biogate.zones.confinement import Allowed, confine
confine(Allowed(**json.loads(sys.argv.pop())))
try:
    exec(sys.argv.pop())
except OSError as error:
    print(type(error).__name__)
else:
    print("ok")
"""


def confined(code: str, *arguments: object, **allowed: list[object]) -> str:
    """What comes of the code in a process that is confined first: "ok", or the error's name."""
    words = [*arguments, code, json.dumps(allowed, default=str)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout.strip() or done.stderr


@needs_files
def test_a_file_of_another_zone_is_not_read(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "key.pem").write_text("secret")
    read = "open(sys.argv[1]).read()"
    assert confined(read, other / "key.pem", change=[own]) == "PermissionError"
    assert confined(read, own / "key.pem", change=[own]) == "ok"
    assert confined("os.listdir(sys.argv[1])", other, change=[own]) == "PermissionError"


@needs_files
def test_what_may_be_read_may_not_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "nodesets" / "cache"
    file.parent.mkdir()
    file.write_text("types")
    assert confined("open(sys.argv[1]).read()", file, read=[file.parent]) == "ok"
    for code in (
        "open(sys.argv[1], 'a')",
        "os.unlink(sys.argv[1])",
        "os.rename(sys.argv[1], sys.argv[1] + 'x')",
        "open(sys.argv[1] + 'x', 'w')",
    ):
        assert confined(code, file, read=[file.parent]) == "PermissionError", code
    assert file.read_text() == "types"


@needs_files
def test_own_files_are_made_replaced_and_removed(tmp_path: Path) -> None:
    code = (
        "p = sys.argv[1]; os.mkdir(p + '/a'); open(p + '/a/b', 'w').write('x');"
        " os.replace(p + '/a/b', p + '/c'); os.unlink(p + '/c'); os.rmdir(p + '/a')"
    )
    assert confined(code, tmp_path, change=[tmp_path]) == "ok"


@needs_files
def test_the_memory_of_the_core_is_not_read() -> None:
    code = "open(f'/proc/{sys.argv[1]}/mem', 'rb')"
    assert confined(code, os.getpid()) == "PermissionError"
    assert confined("open(f'/proc/{sys.argv[1]}/environ')", os.getpid()) == "PermissionError"


@needs_signals
def test_the_core_is_sent_no_signals() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    try:
        code = "os.kill(int(sys.argv[1]), signal.SIGUSR1)"
        assert confined(code, os.getpid()) == "PermissionError"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert received == []


@needs_network
def test_no_other_port_is_listened_on_and_none_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        reach = "socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
        assert confined(reach, port) == "PermissionError"
        assert confined(reach, port, reach=[port]) == "ok"
    listen = "socket.create_server(('127.0.0.1', int(sys.argv[1])))"
    assert confined(listen, 0) == "PermissionError"
    assert confined(listen, 0, listen=[0]) == "ok"


@needs_files
def test_no_program_is_started() -> None:
    assert confined("subprocess.run(['/bin/sh', '-c', ':'])") == "PermissionError"


@needs_files
@pytest.mark.parametrize(
    "make",
    [
        "os.symlink('/etc/hosts', sys.argv[1])",
        "os.mkfifo(sys.argv[1])",
        "os.mknod(sys.argv[1], 0o20600, os.makedev(1, 8))",
        "socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
    ],
)
def test_nothing_but_files_is_left_for_the_core_to_read(tmp_path: Path, make: str) -> None:
    assert confined(make, tmp_path / "planted", change=[tmp_path]) == "PermissionError"


@needs_calls
@pytest.mark.parametrize(
    "code",
    [
        "import resource; resource.prlimit(int(sys.argv[1]), resource.RLIMIT_CORE)",
        "os.sched_setaffinity(int(sys.argv[1]), {0})",
        "os.setpriority(os.PRIO_PROCESS, int(sys.argv[1]), 0)",
    ],
)
def test_the_core_keeps_its_limits_and_its_processors(code: str) -> None:
    assert confined(code, os.getpid()) == "PermissionError"


@needs_calls
@pytest.mark.parametrize(
    "code",
    ["os.chmod(sys.argv[1], 0o644)", "os.utime(sys.argv[1])", "os.chown(sys.argv[1], -1, -1)"],
)
def test_modes_and_times_of_others_files_are_not_changed(tmp_path: Path, code: str) -> None:
    key = tmp_path / "key.pem"
    key.touch(mode=0o600)
    assert confined(code, key) == "PermissionError"


@needs_calls
def test_it_leaves_no_process_behind_but_has_threads() -> None:
    assert confined("os._exit(0) if os.fork() == 0 else os.wait()") == "PermissionError"
    thread = "import threading; t = threading.Thread(target=print); t.start(); t.join()"
    assert confined(thread) == "ok"


@needs_calls
@pytest.mark.parametrize(
    "code",
    [
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket().sendto(b'x', socket.MSG_FASTOPEN, ('127.0.0.1', 9))",
    ],
)
def test_only_plain_tcp_is_spoken(code: str) -> None:
    assert confined(code) == "PermissionError"
    assert confined("socket.socket(); socket.socket(socket.AF_INET6); socket.socketpair()") == "ok"


@needs_calls
def test_a_name_is_looked_up_where_a_client_has_to_be_reached() -> None:
    assert confined("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", reach=[4840]) == "ok"
    assert confined("socket.getaddrinfo('localhost', 4840)") == "ok"


@needs_files
def test_python_goes_on_importing() -> None:
    assert confined("import numpy, cryptography, asyncio, ssl, uvloop") == "ok"


def test_elsewhere_nothing_is_enforced_and_nothing_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not any(asdict(confine(Allowed())).values())
