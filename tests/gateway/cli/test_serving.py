"""What the program does for the gateway that runs in it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from biogate.cli.serving import collect_rarely


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
