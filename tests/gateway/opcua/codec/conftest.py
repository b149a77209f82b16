"""The oracle that lives in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oracles.node_codec import NodeCodec


@pytest.fixture(scope="session")
def node() -> Iterator[NodeCodec]:
    """node-opcua's codec, one process for all tests."""
    with NodeCodec.running() as codec:
        yield codec
