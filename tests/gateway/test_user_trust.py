"""On a site with zones the core watches the trust list of users' certificates."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pki_parties import made

from biogate.user_trust import UserTrustWatch
from biogate_security.audit import AuditUnavailableError
from biogate_security.pki import Pki


class Users:
    """Two users, of whom one has a certificate."""

    def __init__(self) -> None:
        self.users = [
            SimpleNamespace(name="olga", certificates=("ab",)),
            SimpleNamespace(name="piotr", certificates=()),
        ]
        self.ended: list[str] = []

    def log_in_again(self, names: Any) -> None:
        self.ended += names


class Audit:
    def __init__(self) -> None:
        self.noted: list[tuple[str, str | None, str | None]] = []
        self.down = False

    async def note(self, event: str, _reason: str, *, old: str | None, new: str | None) -> None:
        if self.down:
            raise AuditUnavailableError("full")
        self.noted.append((event, old, new))


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "pki", "urn:test:site", ["127.0.0.1"])


@pytest.mark.parametrize(
    ("by_common_name", "ended"), [(False, ["olga"]), (True, ["olga", "piotr"])]
)
async def test_who_may_have_come_with_a_certificate_logs_in_again(
    pki: Pki, by_common_name: bool, ended: list[str]
) -> None:
    users, audit = Users(), Audit()
    watch = UserTrustWatch(pki, users, audit, by_common_name=by_common_name)
    await watch.look()
    assert (users.ended, audit.noted) == ([], [])
    user = made("olga", 3, uri="urn:test:olga")
    place = pki.folder / "trustedUser" / "certs" / "olga.der"
    place.write_bytes(user.der)
    await watch.look()
    ((event, old, new),) = audit.noted
    assert (event, old) == ("trust-list-changed", None)
    assert user.thumbprint in new
    assert users.ended == ended


async def test_a_change_of_programs_certificates_ends_nobodys_session_here(pki: Pki) -> None:
    users, audit = Users(), Audit()
    client = made("scada", 1, uri="urn:test:scada")
    (pki.folder / "trusted" / "certs" / "scada.der").write_bytes(client.der)
    await UserTrustWatch(pki, users, audit, by_common_name=True).look()
    assert len(audit.noted) == 1
    assert users.ended == []


async def test_without_a_record_it_has_its_effect_and_says_so(pki: Pki, caplog: Any) -> None:
    users, audit = Users(), Audit()
    audit.down = True
    (pki.folder / "trustedUser" / "certs" / "x.der").write_bytes(made("x", 3, uri="urn:x").der)
    await UserTrustWatch(pki, users, audit, by_common_name=False).look()
    assert users.ended == ["olga"]
    assert "could not be recorded" in caplog.text
