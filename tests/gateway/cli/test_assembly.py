"""The program as a whole: its help is fast, and strangers' commands do no harm."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from biogate.cli import assembly, plugins


def test_help_lists_every_command_with_its_line(biogate) -> None:
    outcome = biogate("--help")

    assert outcome.code == 0
    for name, (_, help_line) in assembly.COMMANDS.items():
        assert name in outcome.out
        assert help_line in outcome.out


@pytest.mark.parametrize("name", list(assembly.COMMANDS))
def test_every_command_of_the_table_can_be_imported_and_has_help(biogate, name: str) -> None:
    outcome = biogate(name, "--help")

    assert outcome.code == 0
    assert f"Usage: biogate {name}" in outcome.out


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from biogate.cli import main\n"
        "sys.argv = ['biogate', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncua', 'lxml', 'numpy', 'pydantic', 'pymodbus', 'scipy', 'ruamel'}\n"
        "print(sorted(heavy & set(sys.modules)), 'biogate.cli.check' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[] False"


def test_the_version_is_that_of_the_installed_package(biogate) -> None:
    assert biogate("--version").out == f"biogate {metadata.version('biogate')}\n"


def test_a_mistyped_command_gets_a_suggestion_and_exit_code_2(biogate) -> None:
    outcome = biogate("chek")

    assert outcome.code == 2
    assert "Did you mean 'check'" in outcome.err


def test_no_arguments_show_the_help(biogate) -> None:
    assert "Commands" in "".join(biogate()[1:])


def entry_point(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, plugins.GROUP)


def install(monkeypatch: pytest.MonkeyPatch, *found: metadata.EntryPoint) -> None:
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: list(found))


def test_a_command_of_another_package_appears_and_runs(biogate, monkeypatch, tmp_path) -> None:
    (tmp_path / "stranger.py").write_text("def hello(name: str) -> None:\n    print('hi', name)\n")
    monkeypatch.syspath_prepend(tmp_path)
    install(monkeypatch, entry_point("hello", "stranger:hello"))

    assert "hello" in biogate("--help").out
    assert "stranger" not in sys.modules
    assert biogate("hello", "you").out == "hi you\n"


@pytest.mark.parametrize("source", ["import nowhere_at_all", "1 / 0", "x = 1", None])
def test_a_broken_command_of_another_package_says_so_and_harms_no_other(
    biogate, monkeypatch, tmp_path, source: str | None
) -> None:
    module = f"broken_{abs(hash(source))}"
    if source is not None:
        (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    install(monkeypatch, entry_point("broken", f"{module}:command"))

    outcome = biogate("broken")

    assert outcome.code == 1
    assert f"cannot be loaded ({module}:command)" in outcome.err
    assert "the other commands work" in outcome.err
    assert "Traceback" not in outcome.err
    assert biogate("--help").code == 0
    assert biogate("check", "--help").code == 0


def test_an_installed_package_never_takes_the_name_of_a_command(biogate, monkeypatch) -> None:
    install(monkeypatch, entry_point("check", "stranger:check"))

    outcome = biogate("check", "--help")

    assert "the command check of the package stranger:check is left out" in outcome.err
    assert "SITE.yaml" in outcome.out
