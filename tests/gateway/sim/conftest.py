"""A small recording in the format of an MFCS export, and where the real one lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = "PDatTime;Age;TEMP;JTEMP;STIRR;pH;pO2;AIRSP;VALVE_A;BASET;SUBST_A"
KINDS = ";;Value;Value;Value;Value;Value;Value;Value;Value;Value"
UNITS = ";(h);(°C);(°C);(rpm);(pH);(%sat);(lpm);(%);(ml);(ml)"
ROWS = (
    "01.02.2026 08:00:00;0;30,0;31,0;700;7,0;90,0;0,5;0;0;0",
    "01.02.2026 08:06:00;0,1;30,5;31,5;700;6,9;80,0;0,5;0;1;0",
    "01.02.2026 08:12:00;2,0E-01;31,0;31,5;720;6,8;70,5;0,6;0;1;2,5",
    "01.02.2026 08:18:00;0,3;;31,5;720;6,8;60,5;0,6;0;1;5",
    "01.02.2026 08:24:00;0,4;31,0;31,0;720;6,9;50,5;0,6;0;2;7,5",
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder with a synthetic recording of 24 minutes."""
    text = "\n".join((NAMES, KINDS, UNITS, *ROWS)) + "\n"
    (tmp_path / "online.CSV").write_text(text, encoding="latin-1")
    return tmp_path


@pytest.fixture
def real_recording(project: Path) -> Path:
    """The yeast fermentation F4."""
    folder = project.parent / "shared" / "data" / "yeast-mfcs" / "F4"
    if not (folder / "online.CSV").exists():
        pytest.skip(f"the real recording is not on this machine (looked in {folder})")
    return folder


SITE = """\
biogate: 1
enterprise: Example Bio
site: Pilot Plant
area: Upstream
process_cell: Cell 1
devices:
  AE101: {profile: hamilton/arc-ph, address: "tcp://127.0.0.1:0", simulated: true, plant: BR101}
  FIC101: {profile: alicat/mfc, address: "tcp://127.0.0.1:0", simulated: true, plant: BR101}
  FIC201: {profile: alicat/mfc, address: "tcp://127.0.0.1:0", simulated: true, plant: BR201}
units:
  BR101:
    functions:
      GasFlow: {kind: control, current: FIC101.mass_flow, target: FIC101.flow_setpoint}
  BR201:
    functions:
      GasFlow: {kind: control, current: FIC201.mass_flow, target: FIC201.flow_setpoint}
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site of two bioreactors with three simulated devices."""
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


@pytest.fixture
def changed_site(site_file: Path) -> Callable[[str, str], Path]:
    """That site with one piece of its text replaced."""

    def _change(old: str, new: str) -> Path:
        assert old in SITE
        site_file.write_text(SITE.replace(old, new))
        return site_file

    return _change
