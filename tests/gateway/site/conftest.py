"""A catalogue of small profiles of our own, so that these tests do not hang on the real ones."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from biogate.site import Site, SiteError, parse_site
from biogate_adapters.problems import Problem
from biogate_adapters.profile import Profile, load_profile_file

FOLDER = Path(__file__).with_name("profiles")


@cache
def _load(path: Path) -> Profile:
    return load_profile_file(path)


class StandInCatalogue:
    """The profiles in `profiles/`, under the names of the real ones."""

    def names(self) -> Sequence[str]:
        files = FOLDER.glob("*/*.yaml")
        return sorted(f"{file.parent.name}/{file.stem}" for file in files)

    def load(self, name: str) -> Profile:
        if name.endswith(".yaml"):
            return load_profile_file(Path(name))
        return _load(FOLDER / f"{name}.yaml")


@pytest.fixture(scope="session")
def catalogue() -> StandInCatalogue:
    return StandInCatalogue()


Load = Callable[[str], Site]
ProblemsOf = Callable[[str], list[Problem]]


@pytest.fixture(scope="session")
def load(catalogue: StandInCatalogue) -> Load:
    """Parse a text as the file `site.yaml`."""

    def parse(text: str) -> Site:
        content = textwrap.dedent(text).encode()
        return parse_site(content, "site.yaml", folder=Path("/plant"), profiles=catalogue)

    return parse


@pytest.fixture(scope="session")
def problems_of(load: Load) -> ProblemsOf:
    """All problems of a text that must not load."""

    def problems(text: str) -> list[Problem]:
        with pytest.raises(SiteError) as raised:
            load(text)
        return raised.value.problems

    return problems
