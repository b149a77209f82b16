"""Starts that go wrong as they do for a user: one clear line, the right exit code, no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from e2e.driving import Program, Start
from e2e.sites import endpoint_of, write_site

from biogate_security.folder_lock import DataFolder

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_STARTED, BAD_INPUT = 1, 2
NOBODY_LISTENS = {
    "AE101": "tcp://127.0.0.1:1",
    "AE102": "rtu+tcp://127.0.0.1:2",
    "FIC101": "tcp://127.0.0.1:3",
    "RC101": "tcp://127.0.0.1:4",
}


@dataclass
class Bench:
    """Starts `biogate run` on a site whose devices need not be there."""

    start: Start
    site: Path

    async def run(
        self, data: Path, *, env: dict[str, str] | None = None, launcher: Sequence[str] = ()
    ) -> Program:
        return await self.start(
            "run", str(self.site), "--data", str(data), env=env, launcher=launcher
        )

    async def refused(
        self, data: Path, *, env: dict[str, str] | None = None, launcher: Sequence[str] = ()
    ) -> str:
        """The message of a start that has to fail: the last line, and the only one of its kind."""
        program = await self.run(data, env=env, launcher=launcher)
        assert await program.ended(30) == NOT_STARTED, program.lines + program.errors
        *before, message = program.errors
        assert message.startswith("biogate: ")
        # What else there is on stderr are log lines.
        assert [line for line in before if not line.startswith("20")] == []
        assert program.lines == []
        return message


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(module_programs: Start, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    return Bench(module_programs, write_site(site, NOBODY_LISTENS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def used_data(bench: Bench, new_data: Callable[[], Path]) -> AsyncIterator[Path]:
    """A data folder that a gateway has made and left."""
    data = new_data()
    gateway = await bench.run(data)
    await endpoint_of(gateway)
    assert await gateway.stop() == 0
    yield data


@pytest.fixture
def damaged(used_data: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of that data folder, with one file cut short as by a power cut."""

    def make(file: str) -> Path:
        copy = tmp_path / "data"
        shutil.copytree(used_data, copy, symlinks=True)
        content = (copy / file).read_bytes()
        (copy / file).write_bytes(content[: len(content) // 2])
        return copy

    return make


@pytest.fixture(scope="module")
def bound_by_permissions() -> Sequence[str]:
    """A launcher without root's right to write everywhere."""
    if os.geteuid() != 0:
        return ()
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root writes to read-only folders too, and there is no setpriv to forbid it")
    return (setpriv, "--bounding-set=-dac_override")


@pytest.fixture
def locked_folder(tmp_path: Path) -> Path:
    """A folder in which nobody may make anything."""
    tmp_path.chmod(0o500)
    return tmp_path


async def test_a_folder_that_cannot_be_written_to_is_told(
    bench: Bench, locked_folder: Path, bound_by_permissions: Sequence[str]
) -> None:
    data = locked_folder / "data"
    assert await bench.refused(data, launcher=bound_by_permissions) == (
        f"biogate: data folder {data} cannot be used: Permission denied."
        " Let this user write there, or choose another data folder"
    )


async def test_a_data_folder_that_became_read_only_is_told(
    bench: Bench, used_data: Path, tmp_path: Path, bound_by_permissions: Sequence[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(used_data, data, symlinks=True)
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o500 if path.is_dir() else 0o400)
    message = await bench.refused(data, launcher=bound_by_permissions)
    assert str(data) in message
    assert "Permission denied" in message
    assert message.endswith("or choose another data folder")


async def test_without_npm_and_nodesets_the_user_learns_how_to_get_them(
    bench: Bench, tmp_path: Path
) -> None:
    """The first start's password is told by the next one, which works."""
    data = tmp_path / "data"
    message = await bench.refused(data, env={"PATH": str(tmp_path)})
    assert "npm is not installed" in message
    assert "Install Node.js" in message
    assert not (data / "users.json").exists()


@pytest.mark.parametrize(
    "file", ["users.json", "audit/000001.sqlite", "pki/own/private/application.pem"]
)
async def test_a_damaged_file_in_the_data_folder_is_named(
    bench: Bench, damaged: Callable[[str], Path], file: str
) -> None:
    data = damaged(file)
    message = await bench.refused(data)
    assert str(data / file) in message
    assert message.endswith("Restore it, or choose another data folder")


async def test_a_damaged_compiled_nodeset_is_compiled_anew(
    bench: Bench, nodeset_cache: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    compiled = data / "nodesets" / "compiled"
    shutil.copytree(nodeset_cache, data / "nodesets")
    for file in compiled.iterdir():
        file.write_bytes(file.read_bytes()[:-1000])
    gateway = await bench.run(data)
    await endpoint_of(gateway)
    told = [line for line in gateway.errors if "WARNING biogate_nodesets" in line]
    assert len(told) == 1
    assert "damaged; compiling anew" in told[0]
    assert await gateway.stop() == 0


async def test_a_damaged_nodeset_that_cannot_be_fetched_again_is_told(
    bench: Bench, nodeset_cache: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    ignored = shutil.ignore_patterns("compiled")
    shutil.copytree(nodeset_cache, data / "nodesets", ignore=ignored)
    lads = data / "nodesets" / "Opc.Ua.LADS.NodeSet2.xml"
    lads.write_bytes(lads.read_bytes()[:-1])
    message = await bench.refused(data, env={"PATH": str(tmp_path)})
    assert "npm is not installed" in message


# What is right → what is written instead, in the order of the file.
MISTAKES = {
    '"urn:test:plant"': '"test plant"',
    '"read"': '"reed"',
    '"hamilton/arc-ph"': '"hamilton/ark-ph"',
    '"rtu+tcp://127.0.0.1:2"': '"rtu://127.0.0.1:2"',
    '"FIC101.mass_flow"': '"FIC101.mass_flaw"',
}


async def test_five_mistakes_in_a_site_file_are_five_located_lines(
    bench: Bench, tmp_path: Path
) -> None:
    text = bench.site.read_text()
    for right, mistake in MISTAKES.items():
        assert text.count(right) == 1
        text = text.replace(right, mistake)
    site = tmp_path / "site.yaml"
    site.write_text(text)

    check = await bench.start("check", str(site))
    assert await check.ended() == BAD_INPUT
    *problems, summary = check.lines
    assert check.errors == []
    assert summary == f"{site}: 5 problems"
    found = [re.fullmatch(rf"{re.escape(str(site))}:(\d+):(\d+): .+", line) for line in problems]
    lines = text.splitlines()
    told = [lines[int(match[1]) - 1][int(match[2]) - 1 :] for match in found if match]
    assert [rest.rstrip(",") for rest in told] == list(MISTAKES.values())

    run = await bench.start("run", str(site), "--data", str(tmp_path / "data"))
    assert await run.ended() == BAD_INPUT
    assert run.errors == problems
    assert not (tmp_path / "data").exists()


# IEC 62443-4-2, CR 1.12: before anything else is shown or done.
async def test_the_system_use_notification_comes_first(bench: Bench, tmp_path: Path) -> None:
    site = json.loads(bench.site.read_text())
    site["opcua"]["notice"] = "Staff only. All is recorded."
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps(site))
    with DataFolder.lock(tmp_path / "data"):
        run = await bench.start("run", str(path), "--data", str(tmp_path / "data"))
        assert await run.ended() == NOT_STARTED
    assert run.lines == ["Staff only. All is recorded."]
    assert "is in use by process" in run.errors[-1]


async def _ended(descriptor: int) -> None:
    """Wait for the end of a process that is not our child, by its pidfd."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def test_a_killed_gateway_leaves_no_simulator_behind(
    bench: Bench, new_data: Callable[[], Path], tmp_path: Path
) -> None:
    site = write_site(tmp_path / "site.yaml")
    gateway = await bench.start("run", str(site), "--data", str(new_data()))
    await endpoint_of(gateway)
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    assert [str(site) in child.cmdline() for child in children] == [True]
    held = [os.pidfd_open(child.pid) for child in children]
    assert await gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    await asyncio.gather(*(asyncio.wait_for(_ended(descriptor), 2.0) for descriptor in held))
