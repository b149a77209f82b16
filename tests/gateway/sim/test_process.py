"""The simulators as a process of their own: how it starts, what it tells, and that it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from biogate.sim.process import SimProcess, SimProcessError
from biogate_adapters.filetime import now_ticks

TIMEOUT_S = 20.0
STOP_S = 2.0  # it takes some milliseconds; the rest is for a loaded machine
PARENT = """\
import asyncio, sys
from biogate.sim.process import SimProcess

async def main():
    simulators = await SimProcess.start(sys.argv[1])
    print(simulators.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def is_listening(address: str) -> bool:
    host, _, port = address.rpartition("//")[2].rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def has_ended(pid: int) -> bool:
    """True when the process is gone, or a zombie that only waits to be reaped."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def wait_for_end(pid: int, timeout_s: float) -> None:
    """Wait for a process that is not our child. Fails when it outlives the time."""
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), timeout_s)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@asynccontextmanager
async def program(
    *arguments: str, stdin: int, module: str = "biogate.sim"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python module started by hand and told to be ready; killed if it is left over."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(TIMEOUT_S):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_tells_addresses_and_clock_and_stops_without_a_trace(site_file: Path) -> None:
    before = now_ticks()
    async with await SimProcess.start(site_file, speed=60.0) as simulators:
        assert set(simulators.addresses) == {"AE101", "FIC101", "FIC201"}
        assert all([await is_listening(each) for each in simulators.addresses.values()])
        assert simulators.clock.rate == 60.0
        assert before - 10 <= simulators.clock.wall_start <= now_ticks()
        assert simulators.returncode is None
    assert simulators.returncode == 0
    assert has_ended(simulators.pid)
    assert not any([await is_listening(each) for each in simulators.addresses.values()])
    await simulators.stop()


async def test_replay_and_a_single_device_are_passed_on(site_file: Path, recording: Path) -> None:
    async with await SimProcess.start(site_file, replay=recording, only=["AE101"]) as simulators:
        assert set(simulators.addresses) == {"AE101"}
        assert simulators.clock.rate == 1.0


async def test_mistakes_in_the_site_file_are_told_at_their_place(
    changed_site: Callable[[str, str], Path],
) -> None:
    file = changed_site("profile: hamilton/arc-ph", "profile: hamilton/arc-pH")
    with pytest.raises(SimProcessError) as caught:
        await SimProcess.start(file)
    told = str(caught.value)
    assert f"the simulators of {file} ended with exit code 2:" in told
    assert f"{file}:7:" in told
    assert "did you mean hamilton/arc-ph?" in told


async def test_mistakes_in_a_recording_are_told_at_their_place(
    site_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(SimProcessError, match=r"online\.CSV:1:1: cannot be read"):
        await SimProcess.start(site_file, replay=tmp_path)


async def test_a_start_that_takes_too_long_is_told_and_ended(site_file: Path) -> None:
    with pytest.raises(SimProcessError, match=r"were not ready within 0\.01 s"):
        await SimProcess.start(site_file, timeout_s=0.01)
    assert not [
        child
        for child in psutil.Process().children()
        if str(site_file) in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE
    ]


async def test_simulators_that_die_are_told_once(
    site_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with await SimProcess.start(site_file) as simulators:
        os.kill(simulators.pid, signal.SIGKILL)
        assert await asyncio.wait_for(simulators.wait(), TIMEOUT_S) == -signal.SIGKILL
    messages = [r for r in caplog.records if "have ended: their devices are gone" in r.message]
    assert len(messages) == 1
    assert vars(messages[0])["exit_code"] == -signal.SIGKILL


async def test_what_the_simulators_log_is_passed_on_with_its_level_and_context(
    site_file: Path, recording: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with await SimProcess.start(site_file, replay=recording, only=["FIC101"]):
        pass
    (record,) = [r for r in caplog.records if "moves nothing in this plant" in r.message]
    assert record.levelno == logging.WARNING
    assert record.name.startswith("biogate_adapters.simulators")
    assert vars(record)["device"] == "FIC101"


async def test_no_simulator_outlives_a_parent_that_is_killed(site_file: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(site_file)), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout
        pid = int(await asyncio.wait_for(parent.stdout.readline(), TIMEOUT_S))
        assert not has_ended(pid)
    finally:
        parent.kill()
        await parent.wait()
    if not has_ended(pid):
        await wait_for_end(pid, STOP_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_at_once(site_file: Path, number: signal.Signals) -> None:
    async with program(str(site_file), stdin=asyncio.subprocess.DEVNULL) as process:
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), STOP_S) == 0


async def test_the_command_biogate_sim_site_does_the_same(site_file: Path, recording: Path) -> None:
    arguments = ("sim", "site", str(site_file), "--replay", str(recording), "--only", "AE101")
    async with program(*arguments, stdin=asyncio.subprocess.DEVNULL, module="biogate") as process:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), STOP_S) == 0


async def test_it_ends_when_the_pipe_on_its_stdin_does(site_file: Path) -> None:
    async with program(str(site_file), stdin=asyncio.subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"this is ignored\n")
        await process.stdin.drain()
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), STOP_S) == 0


async def test_connected_clients_do_not_hold_it_up(site_file: Path) -> None:
    async with await SimProcess.start(site_file) as simulators:
        ports = [int(each.rpartition(":")[2]) for each in simulators.addresses.values()]
        clients = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
        os.kill(simulators.pid, signal.SIGTERM)
        assert await asyncio.wait_for(simulators.wait(), STOP_S) == 0
        for _, writer in clients:
            writer.close()
