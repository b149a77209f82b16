"""Models for the tests of nodesets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from biogate_nodesets import Model, load_model
from biogate_nodesets.cache import namespaces_of
from biogate_nodesets.catalogue import entries
from biogate_nodesets.link import build

APPLICATION_URI = "urn:test:biogate"


@pytest.fixture(scope="session")
def cold_model(nodeset_cache: Path) -> Model:
    """All nodesets, straight from XML. Not to be changed."""
    chosen = entries()
    model = build([nodeset_cache / entry.file for entry in chosen], namespaces_of(chosen))
    model.namespaces[1] = APPLICATION_URI
    return model


@pytest.fixture(scope="session")
def compiled_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the tests' own, shared by them."""
    return tmp_path_factory.mktemp("nodesets")


@pytest.fixture
def fresh_model(nodeset_cache: Path, compiled_cache: Path) -> Callable[[], Model]:
    """Return a model that the test may change, with a namespace for instances (index 11)."""

    def load() -> Model:
        model = load_model(
            folder=nodeset_cache, cache=compiled_cache, application_uri=APPLICATION_URI
        )
        model.namespaces.append("urn:test:plant")
        return model

    return load
