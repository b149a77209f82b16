"""A table filled row by row, as a poller would do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from biogate.tags import TagTable

Update = Callable[..., None]


@pytest.fixture
def table() -> TagTable:
    return TagTable()


@pytest.fixture
def update(table: TagTable) -> Update:
    """update([(tag, value, status, source_time), ...], server_time, objects) applies one batch."""

    def apply(
        rows: list[tuple[int, float, int, int]],
        server_time: int = 0,
        objects: Mapping[int, Any] | None = None,
    ) -> None:
        index, value, status, source_time = zip(*rows, strict=True)
        table.apply(
            np.array(index, np.int32),
            np.array(value, np.float64),
            np.array(status, np.uint32),
            np.array(source_time, np.int64),
            server_time,
            objects or {},
        )

    return apply
