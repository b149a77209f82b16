"""The evidence as JSON and as one HTML page that needs nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from biogate.prove.attempt import Attempt, Expected, Result, Verdict
from biogate.prove.evidence import Evidence, Row, Standing
from biogate.prove.requirements import FOUNDATIONAL
from biogate.prove.style import STYLE

JSON_NAME, HTML_NAME = "evidence.json", "evidence.html"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the prover: what it was of, when (UTC), how, and what was left untried."""

    site: str
    site_sha256: str
    version: str
    started: datetime
    ended: datetime
    rehearsal: bool
    complete: bool
    could_not: Mapping[str, str]


def write_report(folder: Path, run: Run, results: Sequence[Result], found: Evidence) -> list[Path]:
    """Write both files; their paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {JSON_NAME: as_json(run, results, found), HTML_NAME: as_html(run, results, found)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def as_json(run: Run, results: Sequence[Result], found: Evidence) -> str:
    """Everything, for programs."""
    document = {
        "run": {
            **asdict(run),
            "started": run.started.isoformat(),
            "ended": run.ended.isoformat(),
        },
        "attempts": [_flat(result) for result in results],
        "requirements": [row_as_data(row) for row in found.rows],
        "sl_c": {"component": found.component, "system": found.system},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def results_of(text: str) -> list[Result]:
    """The attempts of a report in JSON. Raises ValueError, KeyError or TypeError (not one)."""
    return [_result(each) for each in json.loads(text)["attempts"]]


def row_as_data(row: Row) -> dict[str, Any]:
    """A requirement's row as plain data."""
    requirement = row.requirement
    return {
        **asdict(requirement),
        "standing": str(row.standing),
        "reason": row.reason,
        "attempts": list(row.attempts),
        "tests": list(row.proof.tests),
        "pages": list(row.proof.pages),
    }


def _flat(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        **asdict(result.attempt),
        "status": result.status,
        "verdict": str(result.verdict),
        "detail": result.detail,
    }


def _result(data: dict[str, Any]) -> Result:
    told = {key: data.pop(key) for key in ("id", "status", "verdict", "detail")}
    attempt = Attempt(**{**data, "expected": Expected(data["expected"])})
    verdict = Verdict(told["verdict"])
    return Result(told["id"], attempt, told["status"], verdict, told["detail"])


def as_html(run: Run, results: Sequence[Result], found: Evidence) -> str:
    """The page. Whatever a site file says is escaped."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Evidence: {escape(run.site)}</title><style>{STYLE}</style></head><body>",
        *_head(run, results),
        *levels_html(found),
        *requirements_html(found),
        *_attempts(results),
        "</body></html>\n",
    ]
    return "".join(parts)


def _head(run: Run, results: Sequence[Result]) -> Iterator[str]:
    counts = Counter(result.verdict for result in results)
    how = "a rehearsal: simulated devices on loopback" if run.rehearsal else "the running plant"
    yield f"<h1>Zones and conduits of {escape(run.site)}: what was tried, and what came</h1>"
    yield "<dl>"
    for name, value in (
        ("Tried against", how),
        ("When", f"{run.started:%Y-%m-%d %H:%M:%S} to {run.ended:%H:%M:%S} UTC"),
        ("biogate", run.version),
        ("Site file, SHA-256", run.site_sha256),
    ):
        yield f"<dt>{name}</dt><dd>{escape(value)}</dd>"
    yield "</dl><ul class=counts>"
    for verdict in Verdict:
        name = _css(verdict)
        yield f"<li class={name}><b>{counts[verdict]}</b> {escape(str(verdict))}</li>"
    yield "</ul>"
    if not run.complete:
        yield "<p class=warning>The run was stopped before its end: what follows is a part.</p>"
    for zone, why in run.could_not.items():
        yield f"<p class=warning>Zone {escape(zone)} was not tried: {escape(why)}.</p>"


def levels_html(found: Evidence) -> Iterator[str]:
    """The levels as a table, and by which rule they follow."""
    yield "<h2>Security levels that follow (SL-C)</h2>"
    yield (
        "<p>The highest level of which every requirement is proven. The component is biogate "
        "by 62443-4-2; the system is its share of 62443-3-3, without the rows that only the asset "
        "owner can show. What is not proven counts as not met. This is the product's own table, "
        "not a certificate.</p><table class=levels><thead><tr><th></th>"
    )
    yield "".join(f"<th title='{escape(FOUNDATIONAL[fr])}'>{fr}</th>" for fr in FOUNDATIONAL)
    yield "</tr></thead><tbody>"
    for name, vector in (("component", found.component), ("system", found.system)):
        cells = "".join(f"<td>{vector[fr]}</td>" for fr in FOUNDATIONAL)
        yield f"<tr><th>{name}</th>{cells}</tr>"
    cells = "".join(
        f"<td><small>{', '.join(found.held_back(fr))}</small></td>" for fr in FOUNDATIONAL
    )
    yield f"<tr><th>held back by</th>{cells}</tr></tbody></table>"


def requirements_html(found: Evidence, page: str = "") -> Iterator[str]:
    """All requirements, a table for each foundational one. `page` has the attempts."""
    counts = Counter(row.standing for row in found.rows)
    told = ", ".join(f"{counts[standing]} {standing}" for standing in Standing)
    yield f"<h2>Requirements of IEC 62443</h2><p>{told}.</p>"
    for fr, name in FOUNDATIONAL.items():
        yield f"<h3>{fr}: {name}</h3><table class=rows><thead><tr><th>SR / CR</th><th>Title</th>"
        yield "<th>SL</th><th>Standing</th><th>Proof, or what is lacking</th></tr></thead><tbody>"
        for row in found.rows:
            if row.requirement.fr == fr:
                yield _requirement(row, page)
        yield "</tbody></table>"


def _requirement(row: Row, page: str) -> str:
    need = row.requirement
    levels = "/".join(
        "-" if level is None else str(level) for level in (need.sr_min_sl, need.cr_min_sl)
    )
    return (
        f"<tr class={_css(row.standing)}><td>{escape(need.refs)}</td><td>{escape(need.title)}</td>"
        f"<td>{levels}</td><td>{escape(str(row.standing))}</td><td>{_proof(row, page)}</td></tr>"
    )


def _proof(row: Row, page: str) -> str:
    pieces = [escape(row.reason)] if row.reason else []
    if row.attempts:
        shown = " ".join(f"<a href='{page}#{each}'>{each}</a>" for each in row.attempts[:8])
        more = len(row.attempts) - 8
        pieces.append(f"attempts {shown}" + (f" and {more} more" if more > 0 else ""))
    pieces += map(_test, row.proof.tests)
    pieces += [f"page <code>{escape(page)}</code>" for page in row.proof.pages]
    return "<br>".join(pieces)


def _test(node: str) -> str:
    """A test's name is a sentence; where it stands is for who looks it up."""
    file, _, name = node.partition("::")
    sentence = name.removeprefix("test_").replace("_", " ")
    return (
        f"<span title='{escape(node)}'>test: {escape(sentence)}</span> "
        f"<small><code>{escape(file)}</code></small>"
    )


def _attempts(results: Sequence[Result]) -> Iterator[str]:
    yield "<h2>Attempts</h2><p>Expected is what the site file says, read without the policy.</p>"
    yield "<table><thead><tr>"
    for name in ("Id", "Kind", "From", "To", "User", "Action", "Part", "Expected", "Came"):
        yield f"<th>{name}</th>"
    yield "<th>Verdict</th></tr></thead><tbody>"
    for result in sorted(results, key=lambda each: _ORDER[each.verdict]):
        yield _attempt(result)
    yield "</tbody></table>"


_ORDER = {
    verdict: place
    for place, verdict in enumerate(
        (Verdict.LEAKS, Verdict.BLOCKS, Verdict.NOT_COVERED, Verdict.AS_STATED)
    )
}


def _attempt(result: Result) -> str:
    tried = result.attempt
    expected = f"{escape(str(tried.expected))}<br><small>{escape(tried.because)}</small>"
    came = f"{escape(result.status)}<br><small>{escape(result.detail)}</small>"
    cells = [
        *map(escape, (tried.kind, tried.zone, tried.target, tried.user or "anonymous")),
        *map(escape, (tried.action, tried.part)),
        expected,
        came,
        escape(str(result.verdict)),
    ]
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr id={result.id} class={_css(result.verdict)}><td>{result.id}</td>{row}</tr>"


def _css(name: Verdict | Standing) -> str:
    return str(name).replace(" ", "-")
