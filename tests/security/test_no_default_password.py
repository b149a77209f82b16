"""No default password anywhere (IEC 62443-4-2 CR 1.5): not in code, data or examples."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOTS = ("gateway", "security", "adapters", "nodesets")
WORDS = re.compile(r"(password|passwd|passwort|secret|credential)", re.IGNORECASE)
HASH = re.compile(r"\$argon2|\$2[aby]\$|\$6\$|\$5\$")
# Texts about passwords that are none, one by one.
NOT_SECRETS = {"not the password"}  # `biogate security prove` tries a wrong one


def python_files(project: Path) -> Iterator[Path]:
    for root in ROOTS:
        yield from (project / root).rglob("*.py")


def assigned(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, name and text of every text that is given to a name about passwords."""
    for node in ast.walk(tree):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(ast.unparse(target), node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            pairs = [(ast.unparse(node.target), node.value)]
        elif isinstance(node, ast.keyword):
            pairs = [(node.arg or "", node.value)]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            positional = node.args.posonlyargs + node.args.args
            defaults = node.args.defaults
            late = positional[len(positional) - len(defaults) :]
            pairs = [(a.arg, d) for a, d in zip(late, defaults, strict=True)]
            pairs += [
                (a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            ]
        for name, value in pairs:
            text = value.value if isinstance(value, ast.Constant) else None
            if WORDS.search(name) and isinstance(text, str | bytes) and text:
                yield getattr(node, "lineno", 0), name, str(text)


def test_no_text_in_the_code_is_a_password(project: Path) -> None:
    found = [
        f"{file.relative_to(project)}:{line}: {name} = {text!r}"
        for file in python_files(project)
        for line, name, text in assigned(ast.parse(file.read_text(encoding="utf-8")))
        if text not in NOT_SECRETS
    ]
    assert found == []


def test_no_hash_of_a_password_is_in_what_is_delivered(project: Path) -> None:
    files = [
        *python_files(project),
        *(project / "examples").rglob("*.*"),
        *(f for root in ROOTS for f in (project / root).rglob("*.yaml")),
    ]
    found = [
        str(file.relative_to(project))
        for file in files
        if HASH.search(file.read_text(encoding="utf-8", errors="replace"))
        and file.name != "passwords.py"  # where hashes are made
    ]
    assert found == []


def test_no_site_file_has_a_key_for_a_password(project: Path) -> None:
    for file in (project / "examples").rglob("*.yaml"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            key = line.split("#")[0]
            assert not re.search(r"\b(password|secret)\s*:", key), f"{file}:{number}"


@pytest.mark.parametrize(
    "source",
    ['password = "pa55word!"', 'connect(password="hunter2")', 'def f(secret="s3"): ...'],
)
def test_the_scan_would_find_one(source: str) -> None:
    ((_, _, text),) = assigned(ast.parse(source))
    assert text not in NOT_SECRETS
