"""A site that offers policies of elliptic curves, from its file to what clients are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncua import Client
from cryptography import x509

from biogate import Gateway

SITE = """
biogate: 1
enterprise: Acme
site: Hall 8
area: USP
process_cell: Train 1
nodes:
  cell: {namespace: "urn:test:cell", objects: {Cell: {variables: {Feed: {type: Double}}}}}
"""
PLAIN = SITE + "opcua: {port: 0, security_policies: [ECC_nistP384, Basic256Sha256]}\n"
ZONES = (
    SITE
    + """
zones:
  cell: {sections: [cell], opcua: {port: 0, security_policies: [ECC_nistP256]}}
  dmz: {opcua: {port: 0}}
"""
)


async def shown(tmp_path: Path, nodeset_cache: Path, site: str) -> dict[str, dict[str, Any]]:
    """Zone → policy → name of the curve of the server's certificate, or its RSA key's bits."""
    path = tmp_path / "site.yaml"
    path.write_text(site, encoding="utf-8")
    data = tmp_path / "data"
    gateway = Gateway.from_file(path, data=data, nodesets=nodeset_cache, front_ends="in_process")
    found: dict[str, dict[str, Any]] = {}
    async with gateway:
        for zone, url in gateway.endpoint_urls.items():
            for endpoint in await Client(url, timeout=10).connect_and_get_server_endpoints():
                policy = endpoint.SecurityPolicyUri.partition("#")[2]
                key: Any = x509.load_der_x509_certificate(endpoint.ServerCertificate).public_key()
                kind = key.curve.name if hasattr(key, "curve") else key.key_size
                found.setdefault(zone, {})[policy] = kind
    return found


def own(folder: Path) -> set[str]:
    return {path.name for path in (folder / "own" / "certs").iterdir()}


async def test_the_certificate_of_each_policy_is_made_and_shown(
    tmp_path: Path, nodeset_cache: Path
) -> None:
    assert await shown(tmp_path, nodeset_cache, PLAIN) == {
        "": {"ECC_nistP384": "secp384r1", "Basic256Sha256": 2048}
    }
    assert own(tmp_path / "data" / "pki") == {"application.der", "application_nistP384.der"}


async def test_a_zone_has_a_certificate_of_its_own_for_the_curve_that_it_offers(
    tmp_path: Path, nodeset_cache: Path
) -> None:
    assert await shown(tmp_path, nodeset_cache, ZONES) == {
        "cell": {"ECC_nistP256": "secp256r1"},
        "dmz": {"Basic256Sha256": 2048},
    }
    zones = tmp_path / "data" / "zones"
    assert own(zones / "cell" / "pki") == {"application.der", "application_nistP256.der"}
    assert own(zones / "dmz" / "pki") == own(tmp_path / "data" / "pki") == {"application.der"}
