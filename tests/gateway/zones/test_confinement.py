"""A zone's process that was taken over reaches nothing of the others (landlock(7))."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from biogate.zones.confinement import Allowed, confine

PROBE = """
from biogate.zones.confinement import Allowed, confine
enforced = confine(Allowed())
print(int(enforced.files), int(enforced.network), int(enforced.signals))
"""
KERNEL = subprocess.run(
    [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
).stdout.split()
FILES, NETWORK, SIGNALS = (value == "1" for value in KERNEL)
needs_files = pytest.mark.skipif(not FILES, reason="the kernel has no Landlock")
needs_network = pytest.mark.skipif(not NETWORK, reason="Landlock of the kernel knows no ports")
needs_signals = pytest.mark.skipif(not SIGNALS, reason="Landlock of the kernel knows no signals")


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
def test_python_goes_on_importing() -> None:
    assert confined("import numpy, cryptography, asyncio, ssl, uvloop") == "ok"


def test_elsewhere_nothing_is_enforced_and_nothing_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not confine(Allowed()).files
