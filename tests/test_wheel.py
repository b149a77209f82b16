"""The built wheel works outside this checkout: what users install is what was tested."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOTS = ("adapters", "security", "nodesets", "gateway")
PACKAGES = ("biogate", "biogate_adapters", "biogate_nodesets", "biogate_security")

IMPORT_EVERYTHING = f"""
import importlib, pkgutil, sys
modules = []
for name in {PACKAGES}:
    package = importlib.import_module(name)
    assert package.__file__.startswith(sys.prefix), package.__file__
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            modules.append(found.name)
print(len(modules))
"""


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network: hatchling is in the dev extra."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(project)], capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel; its dependencies are lent by this one.

    A path file lends the folder as it is: the editable install in it is not followed.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(wheel)], capture_output=True, check=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def run(environment: Path, program: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in an empty folder, with no path of this process."""
    command = [str(environment / "bin" / program), *args]
    home = environment.parent
    return subprocess.run(
        command,
        cwd=home,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path, project: Path) -> None:
    """A file that `.gitignore` matches would drop out silently."""
    expected = {
        str(file.relative_to(project / root))
        for root, package in zip(ROOTS, sorted(PACKAGES, key=_root_order), strict=True)
        for file in (project / root / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert expected == packed
    assert "biogate/demo/demo-site.yaml" in packed
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def _root_order(package: str) -> int:
    return ROOTS.index(package.removeprefix("biogate_") if "_" in package else "gateway")


def test_help_runs(environment: Path) -> None:
    done = run(environment, "biogate", "--help")

    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout


def test_the_packaged_demo_site_passes_its_check(environment: Path) -> None:
    find = "from biogate.demo import DEMO_SITE; print(DEMO_SITE)"
    site = run(environment, "python", "-c", find).stdout.strip()

    done = run(environment, "biogate", "check", site)

    assert site.startswith(str(environment))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no problems" in done.stdout


def test_every_module_can_be_imported(environment: Path) -> None:
    done = run(environment, "python", "-W", "error", "-c", IMPORT_EVERYTHING)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50
