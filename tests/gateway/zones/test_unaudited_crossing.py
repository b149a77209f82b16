"""What is declared unaudited is free of records, not of the limits of the conduit to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua


@pytest.fixture
def site(zones_site: Path, tmp_path: Path) -> Path:
    text = zones_site.read_text(encoding="utf-8")
    for old, new in (
        (
            "Recipe: {type",
            (
                "Scratch: {type: Double, value: 0, writable: true, audited: false}\n"
                "          Recipe: {type"
            ),
        ),
        ("[cell/Cell/Shared]}\n", "[cell/Cell/Shared, cell/Cell/Scratch]}\n"),
        (
            "        on: [cell/Cell/Shared]\n        bounds: {",
            (
                "        on: [cell/Cell/Shared, cell/Cell/Scratch]\n        bounds: {"
                "cell/Cell/Scratch: {low: 0, high: 10}, "
            ),
        ),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_it_keeps_the_bounds_of_the_conduit(
    running: Any, client_of: Callable[..., Client], site: Path
) -> None:
    async with running("in_process", site) as gateway:
        async with client_of(gateway, "dmz", "mes") as client:
            scratch = client.get_node("ns=2;s=Scratch")
            await scratch.write_value(4.0)
            assert gateway.read("cell.Scratch").value == 4.0
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await scratch.write_value(40.0)
            assert refused.value.code == ua.StatusCodes.BadOutOfRange
        async with client_of(gateway, "cell", "op") as client:
            await client.get_node("ns=2;s=Scratch").write_value(40.0)
        assert gateway.read("cell.Scratch").value == 40.0
