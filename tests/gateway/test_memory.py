"""Few full collections, and freed memory goes back to the system."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from biogate.memory import collect_rarely


@pytest.fixture
def full_collections() -> Iterator[list[None]]:
    """One entry for each collection of everything; the collector's settings come back."""
    thresholds, enabled = gc.get_threshold(), gc.isenabled()
    counted: list[None] = []

    def count(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            counted.append(None)

    gc.callbacks.append(count)
    yield counted
    gc.callbacks.remove(count)
    gc.set_threshold(*thresholds)
    if not enabled:
        gc.disable()


def test_large_requests_do_not_bring_about_collections_of_everything(
    full_collections: list[None],
) -> None:
    """A collection of everything takes as long as clients have things here."""
    gc.collect()
    kept = [[number] for number in range(200_000)]  # monitored items
    collect_rarely()
    full_collections.clear()
    waiting: list[list[list[int]]] = []
    for _ in range(100):  # requests of 10,000 operations, eight of them under way
        waiting.append([[number] for number in range(10_000)])
        del waiting[:-8]
    assert len(full_collections) <= 2
    assert len(kept) == 200_000


# Large blocks come and go between small ones that stay, as under clients that come and go.
_CHURN = """
import psutil
from biogate import memory
if {tidy}:
    memory.give_back_what_is_freed()
process = psutil.Process()
bytearray(30_000_000)  # glibc learns from the first block that is freed
kept, before = [], process.memory_info().rss
for _ in range(200):
    large = [bytearray(500_000) for _ in range(4)]
    kept.append(bytearray(1_000))
    del large[:3]
    kept.append(large)
for block in kept:
    if isinstance(block, list):
        block.clear()
print(process.memory_info().rss - before)
"""


def _left(*, tidy: bool) -> int:
    """Bytes that stay resident after the churn, in a process of its own."""
    code = _CHURN.format(tidy=tidy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's malloc")
def test_large_blocks_go_back_to_the_system_when_they_are_freed() -> None:
    """100 MB are freed with small blocks between them; glibc by itself keeps nearly all."""
    assert _left(tidy=True) < 10_000_000 < 50_000_000 < _left(tidy=False)
