"""What an endpoint may offer, and to whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from biogate.site import SiteError, load_site
from biogate.site.site_checks import is_loopback


def load(folder: Path, **opcua: Any) -> Any:
    site = {
        "biogate": 1,
        "enterprise": "E",
        "site": "S",
        "area": "A",
        "process_cell": "C",
        "opcua": opcua,
        "nodes": {
            "own": {
                "namespace": "urn:own",
                "objects": {"folder": {"variables": {"v": {"type": "Double", "value": 0.0}}}},
            }
        },
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(site))
    return load_site(path)


# Part 4, 5.5.4; IEC 62443-3-3 SR 3.1.
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.plant.example"])
def test_policy_none_is_not_offered_to_others(tmp_path: Path, host: str) -> None:
    with pytest.raises(SiteError, match="policy None would be offered on"):
        load(tmp_path, host=host, security_policies=["None", "Basic256Sha256"])
    load(tmp_path, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_policy_none_may_stay_on_this_machine(tmp_path: Path, host: str) -> None:
    assert is_loopback(host)
    load(tmp_path, host=host, security_policies=["None"])


def test_an_endpoint_that_nobody_reaches_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="no client could ever connect"):
        load(tmp_path, listen=False)
    site = load(tmp_path, listen=False, reverse_connect=["opc.tcp://mes.example:4841"])
    assert site.opcua.reverse_connect == ("opc.tcp://mes.example:4841",)


@pytest.mark.parametrize("url", ["mes:4841", "opc.tcp://mes", "opc.tcp://mes:4841/path", "x"])
def test_a_client_is_named_by_host_and_port(tmp_path: Path, url: str) -> None:
    with pytest.raises(SiteError, match="reverse_connect"):
        load(tmp_path, reverse_connect=[url])
