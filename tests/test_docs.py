"""The documentation's links lead somewhere, and its front page leads to every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGES = [
    *sorted(PROJECT.glob("docs/**/*.md")),
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]


def links_of(page: Path) -> list[Path]:
    """The files that a page links to."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [page.parent / target for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [link for link in links_of(page) if not link.exists()] == []


def test_the_front_page_leads_to_every_page() -> None:
    front = PROJECT / "docs" / "README.md"
    decisions = front.parent / "decisions" / "README.md"
    reached = {link.resolve() for link in (*links_of(front), *links_of(decisions))}

    assert set(PAGES) - reached - {front} == set()
