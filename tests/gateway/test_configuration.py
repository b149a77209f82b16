"""What a gateway runs with is on record (21 CFR 11.10(k); EU Annex 11, 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from biogate.configuration import CONFIGURATION_FILE, configuration_of, record_start, record_stop
from biogate.site import Site, load_site
from biogate_security.audit import AuditUnavailableError


class Log:
    def __init__(self) -> None:
        self.notes: list[tuple[str, str, str | None, str | None]] = []
        self.full = False

    async def note(
        self, event: str, reason: str, *, old: str | None = None, new: str | None = None
    ) -> int:
        if self.full:
            raise AuditUnavailableError("disk full")
        self.notes.append((event, reason, old, new))
        return len(self.notes)


@pytest.fixture
def site(project: Path) -> Site:
    return load_site(project / "examples" / "demo-site.yaml")


async def test_each_start_says_what_is_new(site: Site, tmp_path: Path) -> None:
    log: Any = Log()
    await record_start(log, site, tmp_path)
    await record_start(log, site, tmp_path)
    await record_start(log, site.model_copy(update={"area": "Elsewhere"}), tmp_path)
    await record_stop(log)
    loaded = [note for note in log.notes if note[0] == "configuration-loaded"]
    assert [reason for _, reason, _, _ in loaded] == [
        "first start",
        "nothing has changed since the last start",
        "changed since the last start: site",
    ]
    assert loaded[2][2] == loaded[1][3] != loaded[2][3]
    assert log.notes[-1][0] == "gateway-stopped"


def test_site_profiles_nodesets_and_version_are_told_apart(site: Site) -> None:
    names = set(configuration_of(site))
    assert {"biogate", "site", "profile hamilton/arc-ph"} <= names
    assert any(name.startswith("nodeset ") for name in names)


async def test_a_start_without_a_record_goes_on(site: Site, tmp_path: Path) -> None:
    log: Any = Log()
    log.full = True
    await record_start(log, site, tmp_path)
    assert not (tmp_path / CONFIGURATION_FILE).exists()
