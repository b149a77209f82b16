"""The data folder: what a gateway says of one that it cannot use, and when it makes an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from biogate.demo import DEMO_SITE
from biogate.site import Site, load_site
from biogate.storage import Storage, StorageError


@pytest.fixture
def site() -> Site:
    return load_site(DEMO_SITE)


@pytest.mark.parametrize("file", ["users.json", "audit.sqlite", "pki/own/private/application.pem"])
async def test_a_damaged_file_is_named_with_what_to_do(
    site: Site, tmp_path: Path, file: str
) -> None:
    storage = await Storage.open(tmp_path, site, auto_trust=False)
    await storage.make_operator()
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
    password = await storage.make_operator()
    assert password
    assert await storage.users.authenticate("operator", password)
    assert await storage.make_operator() is None
    await storage.close()
