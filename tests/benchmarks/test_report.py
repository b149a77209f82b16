"""A run's figures: medians, verdicts by goal, and tables that say what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks import compare
from benchmarks.measure import medians
from benchmarks.processes import given
from benchmarks.report import markdown, sheets
from benchmarks.scenarios import SCENARIOS


def figure(server: str, cpu_us: float, **more: Any) -> dict[str, Any]:
    return {"round": 1, "server": server, "scenario": "read-1", "unit": "operation",
            "cpu_us": cpu_us, "per_s": 10.0, **more}  # fmt: skip


def result(figures: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "date": "2026-01-02",
        "machine": "a machine",
        "load_average": "0.1",
        "servers": {"biogate": "0.1.0", "asyncua": "2.1.0"},
        "missing": {"node-opcua": "there is no `node` on PATH"},
        "rounds": 3,
        "seconds": 3.0,
        "medians": medians(figures),
        "most_clients": {"biogate": {"clients": 90, "ended": "100 were too many"}},
    }


def test_a_figure_is_the_median_of_its_rounds() -> None:
    found = medians([figure("biogate", cpu) for cpu in (9.0, 30.0, 10.0)])

    assert found["read-1"]["biogate"]["cpu_us"] == 10.0


def test_one_wrong_answer_spoils_the_figure() -> None:
    wrong = {"round": 2, "server": "biogate", "scenario": "read-1", "wrong": "not Good"}

    assert medians([figure("biogate", 9.0), wrong])["read-1"]["biogate"] == {"wrong": "not Good"}


@pytest.mark.parametrize(("cpu_us", "verdict"), [(12.0, "yes"), (30.0, "no: 2.0 ×")])
def test_the_table_says_whether_the_goal_is_met_and_the_ratio_to_each_peer(
    cpu_us: float, verdict: str
) -> None:
    cost = sheets(result([figure("biogate", cpu_us), figure("asyncua", 120.0)]))[0]
    row = dict(zip(cost.columns, cost.rows[0], strict=True))

    assert row["met"] == verdict
    assert row["asyncua / biogate"] == f"{120 / cpu_us:.1f} ×"


def test_the_readme_says_what_was_wrong_and_what_was_not_measured() -> None:
    text = markdown(result([figure("biogate", 9.0), {**figure("asyncua", 1.0), "wrong": "a lie"}]))

    assert "asyncua, read-1: a lie" in text
    assert "node-opcua was not measured: there is no `node` on PATH" in text
    assert "| biogate | 90 | 100 were too many |" in text


def test_tables_go_between_the_marks_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    monkeypatch.setattr(compare, "README", readme)

    compare.write_readme(result([figure("biogate", 9.0)]))
    compare.write_readme(result([figure("biogate", 9.0)]))

    text = readme.read_text()
    assert text.startswith("before\n<!-- figures: begin -->\n")
    assert text.endswith("<!-- figures: end -->\nafter\n")
    assert "old" not in text
    assert text.count("### Server CPU") == 1


def test_unknown_names_and_commands_are_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="no scenario 'read-2'; there are read-1, "):
        compare.chosen("read-1,read-2", [s.name for s in SCENARIOS], "scenario")
    with pytest.raises(ValueError, match="not NAME=COMMAND"):
        given("open62541")
    assert given("mine=/no/such/program").missing() == "there is no program '/no/such/program'"
