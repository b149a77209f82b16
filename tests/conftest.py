"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def nodeset_cache(project: Path) -> Path:
    """The folder that `make setup` filled with the pinned nodesets."""
    cache = project / "biogate-data" / "nodesets"
    if not (cache / "Opc.Ua.NodeSet2.xml").exists():
        pytest.fail(f"no nodesets in {cache}: run `make setup` (it runs `biogate nodesets fetch`)")
    return cache


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that runs a command in this process sets logging up; the next one has it as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    if (root.level, root.handlers) != (level, handlers):
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.captureWarnings(capture=False)
