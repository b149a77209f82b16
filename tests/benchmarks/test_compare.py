"""`python -m benchmarks` measures, prints tables and writes JSON, and tells mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_a_short_run_gives_figures_with_the_load_generators_own_share(
    project: Path, nodeset_cache: Path, tmp_path: Path
) -> None:
    file = tmp_path / "result.json"

    done = run(
        project, "--servers", "biogate", "--scenarios", "read-1,read-1000-encrypted",
        "--rounds", "1", "--seconds", "0.3", "--no-search", "--json", str(file),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    medians = json.loads(file.read_text())["medians"]
    assert set(medians) == {"read-1", "read-1000-encrypted"}
    for servers in medians.values():
        assert servers["biogate"]["cpu_us"] > 0
        assert 0 < servers["biogate"]["load_share"] <= 1.1
    assert "Server CPU, µs" in done.stdout


def test_a_server_that_does_not_start_is_told_and_fails_the_run(
    project: Path, tmp_path: Path
) -> None:
    done = run(
        project, "--peer", f"broken={sys.executable} -c 1/0", "--servers", "broken",
        "--scenarios", "read-1", "--rounds", "1", "--no-search",
        "--json", str(tmp_path / "result.json"),
    )  # fmt: skip

    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--servers", "open62541"], "no server 'open62541'; there are biogate, asyncua"),
        (["subscriptions"], "no measurement 'subscriptions'; there are warm_start"),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(
    project: Path, arguments: list[str], why: str
) -> None:
    done = run(project, *arguments)

    assert done.returncode == 2
    assert why in done.stderr
