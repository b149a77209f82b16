"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from biogate.opcua.space.address_space import AddressSpace
from biogate_nodesets.cache import load_model


@pytest.fixture(scope="session")
def space(nodeset_cache: Path) -> AddressSpace:
    """The standard address space."""
    return AddressSpace(
        load_model(["ns0"], cache=nodeset_cache, application_uri="urn:test:biogate")
    )
