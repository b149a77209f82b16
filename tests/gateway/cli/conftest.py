"""Runs the `biogate` command in this process and gives back what it said."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from biogate.cli.assembly import build


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def biogate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`biogate("check", "site.yaml")` → exit code, stdout, stderr."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            build()(list(args), prog_name="biogate")
        code = exited.value.code
        return Outcome(code if isinstance(code, int) else int(bool(code)), *capsys.readouterr())

    return run
