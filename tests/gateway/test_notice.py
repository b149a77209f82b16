"""The system use notification, for clients to show (IEC 62443-4-2, CR 1.12)."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from asyncua import Client, ua

from biogate import Gateway

NOTICE = "Acme's staff only.\nAll that you do is recorded – whoever you are."
SITE = """
biogate: 1
enterprise: Acme
site: Hall 8
area: USP
process_cell: Train 1
nodes:
  cell: {namespace: "urn:test:cell", objects: {Cell: {variables: {Feed: {type: Double}}}}}
opcua:
  port: 0
  security_policies: ["None", Basic256Sha256]
  anonymous: read
"""
ZONES = """
zones:
  cell: {sections: [cell], opcua: {port: 0}}
  dmz: {opcua: {port: 0, notice: Guests are welcome.}}
"""


async def shown(url: str) -> str | None:
    """The text as a client finds it below Server; None where there is none."""
    async with Client(url, timeout=10) as client:
        for node in await client.nodes.server.get_properties():
            if (await node.read_browse_name()).Name == "SystemUseNotification":
                assert await node.read_data_type() == ua.NodeId(ua.ObjectIds.LocalizedText)
                text: str = (await node.read_value()).Text
                return text
    return None


async def run(tmp_path: Path, nodeset_cache: Path, site: str) -> dict[str, str | None]:
    path = tmp_path / "site.yaml"
    path.write_text(textwrap.dedent(site), encoding="utf-8")
    gateway = Gateway.from_file(
        path, data=tmp_path / "data", nodesets=nodeset_cache, front_ends="in_process"
    )
    async with gateway:
        return {zone: await shown(url) for zone, url in gateway.endpoint_urls.items()}


async def test_clients_find_it_below_the_server(tmp_path: Path, nodeset_cache: Path) -> None:
    notice = NOTICE.replace("\n", "\\n")
    site = f'{SITE}  notice: "{notice}"\n'
    assert await run(tmp_path, nodeset_cache, site) == {"": NOTICE}


@pytest.mark.parametrize("notice", ["", '  notice: ""\n', '  notice: "  "\n'])
async def test_without_a_text_there_is_none(
    tmp_path: Path, nodeset_cache: Path, notice: str
) -> None:
    assert await run(tmp_path, nodeset_cache, f"{SITE}{notice}") == {"": None}


async def test_a_zone_has_the_sites_text_or_one_of_its_own(
    tmp_path: Path, nodeset_cache: Path
) -> None:
    site = f"{SITE}  notice: Staff only.\n{ZONES}"
    assert await run(tmp_path, nodeset_cache, site) == {
        "cell": "Staff only.",
        "dmz": "Guests are welcome.",
    }
