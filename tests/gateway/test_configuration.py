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
    await record_stop(log, tmp_path)
    loaded = [note for note in log.notes if note[0] == "configuration-loaded"]
    assert [reason for _, reason, _, _ in loaded] == [
        "first start",
        "nothing has changed since the last start",
        "changed since the last start: site",
    ]
    assert loaded[2][2] == loaded[1][3] != loaded[2][3]
    assert log.notes[-1][0] == "gateway-stopped"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("users.json", "users"),
        ("pki/own/certs/application.der", "own certificates"),
        ("pki/trusted/certs/mes.der", "trust list of applications' certificates"),
        ("pki/issuer/crl/root.crl", "trust list of applications' certificates"),
        ("pki/trustedUser/certs/olga.der", "trust list of users' certificates"),
        (
            "zones/dmz/pki/trusted/certs/x.der",
            "trust list of applications' certificates of zone dmz",
        ),
    ],
)
async def test_who_may_come_in_is_compared_with_the_end_of_the_last_run(
    site: Site, tmp_path: Path, file: str, name: str
) -> None:
    """Whoever changes it while no gateway runs leaves no other record."""
    log: Any = Log()
    changed = tmp_path / file
    changed.parent.mkdir(parents=True, exist_ok=True)
    await record_start(log, site, tmp_path)
    changed.write_bytes(b"while it runs")  # and recorded as such
    await record_stop(log, tmp_path)
    await record_start(log, site, tmp_path)
    await record_stop(log, tmp_path)
    changed.write_bytes(b"while nobody looks")
    await record_start(log, site, tmp_path)
    *_, untouched, by_hand = [note[1] for note in log.notes if note[0] == "configuration-loaded"]
    assert untouched == "nothing has changed since the last start"
    assert by_hand == f"changed since the last start: {name}"


def test_site_profiles_nodesets_and_version_are_told_apart(site: Site) -> None:
    names = set(configuration_of(site))
    assert {"biogate", "site", "profile hamilton/arc-ph"} <= names
    assert any(name.startswith("nodeset ") for name in names)


async def test_a_start_without_a_record_goes_on(site: Site, tmp_path: Path) -> None:
    log: Any = Log()
    log.full = True
    await record_start(log, site, tmp_path)
    assert not (tmp_path / CONFIGURATION_FILE).exists()
