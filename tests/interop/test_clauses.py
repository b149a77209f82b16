"""Every check names what it proves, and there are as many as the project promises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKS = 120
CLAUSE = re.compile(r"Part \d+, [\dA-F]+(\.\d+)*")
HERE = Path(__file__)


def checks() -> Iterator[tuple[str, list[str]]]:
    """Each check of this folder with the clauses above it."""
    for path in sorted(HERE.parent.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body if path != HERE else ():
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield (
                    f"{path.name}: {node.name}",
                    [
                        str(ast.literal_eval(decorator.args[0]))
                        for decorator in node.decorator_list
                        if isinstance(decorator, ast.Call)
                        and ast.unparse(decorator.func) == "clause"
                    ],
                )


def test_every_check_names_its_clause() -> None:
    nameless = [
        name
        for name, (*clauses,) in checks()
        if not clauses or not all(map(CLAUSE.fullmatch, clauses))
    ]
    assert nameless == []


def test_there_are_enough_checks() -> None:
    assert len(dict(checks())) >= CHECKS
