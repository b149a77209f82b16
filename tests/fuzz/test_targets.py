"""The targets of `python -m attack.fuzz`: their seeds, what once broke them, and a short run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from attack.fuzz import targets
from attack.fuzz.__main__ import CRASHES
from attack.fuzz.seeds import seeds
from attack.fuzz.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.server import Dispatcher
from biogate.opcua.transport.assembly import SequenceCheck
from biogate.opcua.transport.connection import ServerConnection

SECONDS = 3


def crashes() -> Iterator[tuple[str, Path]]:
    """What fuzzing has found; each is a test for good."""
    for target in TARGETS:
        yield from ((target, path) for path in sorted((CRASHES / target).glob("*")))


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_break_nothing(target: str) -> None:
    assert len(seeds()[target]) >= 4
    for seed in seeds()[target]:
        TARGETS[target](seed)


@pytest.mark.parametrize(("target", "path"), list(crashes()), ids=lambda part: Path(part).name)
def test_what_once_broke_a_target_breaks_it_no_more(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("channel", "session")), st.data())
def test_no_script_breaks_a_state_machine(target: str, data: st.DataObject) -> None:
    """Scripts made of the seeds' own pieces get further than bytes at random."""
    pieces = st.sampled_from(seeds()[target])
    script = bytearray(b"".join(data.draw(st.lists(pieces, min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(script) - 1))
        script[at] = data.draw(st.integers(0, 255))

    TARGETS[target](bytes(script))


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_by_coverage_finds_nothing(target: str, tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: it is offered for Linux on x86_64 only")
    command = [sys.executable, "-m", "attack.fuzz", target, "--seconds", str(SECONDS)]

    ended = subprocess.run(
        [*command, "--crashes", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )

    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert f"{target}: nothing in {SECONDS} s" in ended.stdout


# -- the targets must be able to fail --------------------------------------------------------------


def test_the_channel_target_sees_bytes_that_stay_with_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ByteBudget, "give_back", lambda self, size: None)
    chunk = bytes([3, 0, 1, 4, 7, 0, 15]) + b"x" * 0x0F00
    script = bytes([0, 1, 2, 0, 60, 8, 1]) + chunk * 20

    with pytest.raises(AssertionError, match="held for nobody"):
        targets.channel(script + bytes([6, 255]) * 3)


def test_the_channel_target_sees_a_connection_that_ends_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ServerConnection, "closed", property(lambda self: False))

    with pytest.raises(AssertionError):
        targets.channel(bytes([0, 0, 8, 0]) + b"GARBAGE!")


def test_the_session_target_sees_a_service_granted_without_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = Dispatcher._session_for

    def activated(self: Dispatcher, ctx: object, needs: object) -> object:
        session = next(iter(self._server.sessions), None)
        return session if session is not None and session.active else find(self, ctx, needs)

    monkeypatch.setattr(Dispatcher, "_session_for", activated)
    create, activate = bytes([0, 0, 1, 0, 65, 60]), bytes([1, 0, 0, 0, 0, 0])

    with pytest.raises(AssertionError, match="without an active session"):
        targets.session(create + activate + bytes([2, 1, 0, 0, 0]))


def test_the_decoder_target_sees_a_step_that_reads_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "_in_steps", lambda data: 0)

    with pytest.raises(AssertionError, match="in steps"):
        targets.decoder(b"\x01\x00\x77\x02" + b"\xff" * 20)


def test_the_scripts_of_the_seeds_reach_what_is_behind_the_handshake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(SequenceCheck, "accept", lambda self, number: seen.append(number))

    for seed in seeds()["channel"]:
        targets.channel(seed)

    assert len(seen) >= 2 * len(seeds()["channel"])
