"""The soak of benchmarks/soak.py in short: clients misbehave, others lose nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def test_subscribers_lose_nothing_while_other_clients_misbehave(
    project: Path, nodeset_cache: Path
) -> None:
    # Ten seconds are still warm-up, so that memory has room; 30 minutes judge it by 5 %.
    soak = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.soak", "--minutes", "0.15", "--tolerance", "0.5",
        cwd=project,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await soak.communicate()

    assert soak.returncode == 0, output.decode()
    assert "values delivered, none lost" in output.decode()
