"""The data folder: what a gateway says of one that it cannot use, and when it makes an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from biogate.demo import DEMO_SITE
from biogate.site import Site, UserConfig, load_site
from biogate.storage import Storage, StorageError
from biogate_security.audit_store.query import Filter, query_log
from biogate_security.audit_store.verify import LOG_FOLDER


@pytest.fixture
def site() -> Site:
    return load_site(DEMO_SITE)


@pytest.mark.parametrize(
    "file", ["users.json", "audit/000001.sqlite", "pki/own/private/application.pem"]
)
async def test_a_damaged_file_is_named_with_what_to_do(
    site: Site, tmp_path: Path, file: str
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    await storage.make_accounts(site, {})
    await storage.close()
    (tmp_path / file).write_text('{"half a fi')

    with pytest.raises(StorageError) as caught:
        await Storage.open(tmp_path, site, auto_trust=False)

    assert str(tmp_path / file) in str(caught.value)
    assert str(caught.value).endswith("Restore it, or choose another data folder")
    assert "\n" not in str(caught.value)


async def test_a_place_that_cannot_be_a_folder_is_told_with_the_reason(
    site: Site, tmp_path: Path
) -> None:
    place = tmp_path / "file" / "data"
    place.parent.write_text("")

    with pytest.raises(StorageError) as caught:
        await Storage.open(place, site, auto_trust=False)

    assert str(caught.value) == (
        f"data folder {place} cannot be used: Not a directory."
        " Let this user write there, or choose another data folder"
    )


async def test_a_folder_that_could_not_be_used_is_given_back(site: Site, tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    users.write_text("{")
    with pytest.raises(StorageError):
        await Storage.open(tmp_path, site, auto_trust=False)
    users.unlink()
    await (await Storage.open(tmp_path, site, auto_trust=False)).close()


async def test_the_operator_is_made_on_demand_and_once(site: Site, tmp_path: Path) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    assert not (tmp_path / "users.json").exists()
    made = await storage.make_accounts(site, {})
    assert list(made) == ["operator", "administrator"]
    assert await storage.users.authenticate("operator", made["operator"])
    assert await storage.make_accounts(site, {}) == {}
    await storage.close()


async def test_the_first_start_makes_an_administrator_for_one_login(
    site: Site, tmp_path: Path
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    made = await storage.make_accounts(site, {})
    identity = await storage.users.authenticate("administrator", made["administrator"])
    assert identity
    assert identity.must_change_password
    account = storage.users.find("administrator")
    assert account
    assert account.roles == {"SecurityAdmin", "ConfigureAdmin"}
    assert account.expires is not None
    named = _with_users(site, olga=UserConfig(roles=("Operator",)))
    await storage.update_accounts(named, {})
    assert (await storage.make_accounts(named, {})).keys() == {"olga"}
    assert await storage.users.authenticate("administrator", made["administrator"])
    await storage.close()


async def test_accounts_that_the_site_makes_and_changes_are_on_record(
    site: Site, tmp_path: Path
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    await storage.make_accounts(_with_users(site, ada=UserConfig(roles=("SecurityAdmin",))), {})
    later = _with_users(site, ada=UserConfig(roles=("SecurityAdmin", "Observer"), disabled=True))
    await storage.update_accounts(later, {})
    await storage.close()
    records = [each.record for each in query_log(tmp_path / LOG_FOLDER, Filter())]
    assert [(r.event, r.new) for r in records if r.event.startswith("user-")] == [
        ("user-added", "ada: SecurityAdmin"),
        ("user-changed", "ada: Observer, SecurityAdmin, disabled"),
    ]


async def test_where_the_site_names_a_security_administrator_none_is_made(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    named = _with_users(site, ada=UserConfig(roles=("SecurityAdmin",)))
    assert list(await storage.make_accounts(named, {})) == ["ada"]
    await storage.close()


async def test_a_site_that_gives_its_name_away_is_told_that_nobody_manages_security(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    named = _with_users(site, Administrator=UserConfig(roles=("Observer",)))
    assert list(await storage.make_accounts(named, {})) == ["Administrator"]
    assert "nobody may manage security" in caplog.text
    await storage.close()


def _with_users(site: Site, **users: UserConfig) -> Site:
    return site.model_copy(update={"users": users})


async def test_accounts_and_their_roles_come_from_the_site_file(site: Site, tmp_path: Path) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    both = _with_users(
        site, ada=UserConfig(roles=("Engineer",)), olga=UserConfig(roles=("Operator", "Observer"))
    )
    environment = {"BIOGATE_PASSWORD_OLGA": "correct horse battery"}

    made = await storage.make_accounts(both, environment)

    assert list(made) == ["ada", "administrator"]
    olga = await storage.users.authenticate("olga", "correct horse battery")
    assert olga
    assert olga.roles == {"Operator", "Observer", "AuthenticatedUser"}
    await storage.close()


async def test_the_next_start_brings_accounts_to_what_the_file_says_then(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Roles are changed, a password from the environment is set, who is not named is shut out."""
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    names = {name: UserConfig(roles=("Operator",)) for name in ("ada", "olga", "eve")}
    made = await storage.make_accounts(_with_users(site, **names), {})
    later = _with_users(
        site, ada=UserConfig(roles=("Observer",)), olga=UserConfig(roles=("Operator",))
    )

    await storage.update_accounts(later, {"BIOGATE_PASSWORD_OLGA": "correct horse battery"})

    ada = await storage.users.authenticate("ada", made["ada"])
    assert ada
    assert ada.roles == {"Observer", "AuthenticatedUser"}
    assert await storage.users.authenticate("olga", made["olga"]) is None
    assert await storage.users.authenticate("olga", "correct horse battery")
    assert await storage.users.authenticate("eve", made["eve"]) is None
    told = {record.user for record in caplog.records if record.message == "account changed"}
    assert told == {"ada", "olga", "eve"}
    caplog.clear()
    await storage.update_accounts(later, {"BIOGATE_PASSWORD_OLGA": "correct horse battery"})
    assert not caplog.records
    await storage.close()


async def test_a_password_in_the_environment_that_is_of_no_account_is_told(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt variable would leave its user with a password that nobody meant."""
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    olga = _with_users(site, olga=UserConfig(roles=("Operator",)))
    caplog.clear()

    await storage.update_accounts(olga, {"BIOGATE_PASSWORD_OLAG": "correct horse", "HOME": "/"})

    (line,) = caplog.records
    assert line.message == "a password in the environment is of no account; it is not used"
    assert vars(line)["variable"] == "BIOGATE_PASSWORD_OLAG"
    assert vars(line)["known"] == "BIOGATE_PASSWORD_OLGA"
    assert "correct horse" not in str(vars(line))
    await storage.close()


async def test_a_site_that_names_no_users_changes_no_account(site: Site, tmp_path: Path) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    await storage.users.add("olga", "correct horse battery", ["Engineer"])

    await storage.update_accounts(site, {})

    assert await storage.users.authenticate("olga", "correct horse battery")
    await storage.close()


async def test_a_password_that_is_too_short_is_told_by_its_variable(
    site: Site, tmp_path: Path
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)

    with pytest.raises(StorageError) as caught:
        await storage.make_accounts(site, {"BIOGATE_PASSWORD_OPERATOR": "short"})

    assert str(caught.value) == (
        "BIOGATE_PASSWORD_OPERATOR: a password needs at least 12 characters"
    )
    assert storage.users.names == []
    await storage.close()


@pytest.mark.parametrize("rig", [True, False])
async def test_a_rig_in_the_folder_of_another_application_gets_its_own_certificate(
    site: Site, tmp_path: Path, rig: bool
) -> None:
    """Clients refuse a certificate with another ApplicationUri (Part 4, 6.1.3)."""
    await (await Storage.open(tmp_path, site, auto_trust=True)).close()
    other = site.model_copy(update={"namespace": "urn:example-bio:rig"})

    storage = await Storage.open(tmp_path, other, auto_trust=rig)

    assert storage.pki.is_for_another_application is not rig
    assert len(list((tmp_path / "pki" / "own" / "certs").iterdir())) == (2 if rig else 1)
    await storage.close()
