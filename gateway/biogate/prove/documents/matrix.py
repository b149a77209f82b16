"""The SR/CR matrix: each requirement, how it stands, and links to what proves it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from biogate.prove.evidence import Evidence, Row, Standing
from biogate.prove.report import row_as_data
from biogate.prove.requirements import FOUNDATIONAL

_RULE = (
    "The levels follow by one rule: SL-C n means that no requirement with a level of n or less is "
    "open; what is not proven is open. The system's row is without what only the asset owner can "
    "show. This is the product's own table, not a certificate."
)


def matrix_markdown(found: Evidence) -> str:
    """The matrix as Markdown."""
    counts = Counter(row.standing for row in found.rows)
    lines = [
        "# Requirements of IEC 62443-3-3 (SR) and 62443-4-2 (CR)",
        "",
        ", ".join(f"{counts[standing]} {standing}" for standing in Standing) + ".",
        "",
        _RULE,
        "",
        f"| SL-C | {' | '.join(FOUNDATIONAL)} |",
        "|---|" + "---|" * len(FOUNDATIONAL),
        _vector("component (62443-4-2)", found.component),
        _vector("system, the product's share (62443-3-3)", found.system),
        "| what holds the component back | "
        + " | ".join(", ".join(found.held_back(fr)) for fr in FOUNDATIONAL)
        + " |",
    ]
    for fr, name in FOUNDATIONAL.items():
        lines += ["", f"## {fr}: {name}", ""]
        lines += ["| SR / CR | Title | SL | Standing | Proof, or what is lacking |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_line(row) for row in found.rows if row.requirement.fr == fr]
    return "\n".join(lines) + "\n"


def matrix_json(found: Evidence) -> str:
    """The matrix for programs."""
    document = {
        "requirements": [row_as_data(row) for row in found.rows],
        "sl_c": {"component": found.component, "system": found.system},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _vector(name: str, levels: Mapping[str, int]) -> str:
    return f"| {name} | " + " | ".join(str(levels[fr]) for fr in FOUNDATIONAL) + " |"


def _line(row: Row) -> str:
    need, proof = row.requirement, row.proof
    levels = [need.sr_min_sl, need.cr_min_sl]
    level = "/".join("-" if each is None else str(each) for each in levels)
    pieces = [row.reason] if row.reason else []
    if row.attempts:
        pieces.append(f"[{len(row.attempts)} attempts](evidence.html#{row.attempts[0]})")
    pieces += [f"`{test}`" for test in proof.tests]
    pieces += [f"page `{page}`" for page in proof.pages]
    return f"| {need.refs} | {need.title} | {level} | {row.standing} | {'<br>'.join(pieces)} |"
