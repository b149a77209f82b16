"""What a package offers is what its `__all__` says, no more and no less."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOTS = ("adapters", "security", "nodesets", "gateway")
OURS = ("biogate", "biogate_adapters", "biogate_nodesets", "biogate_security")
PROJECT = Path(__file__).parents[1]
PACKAGES = sorted(
    ".".join(init.parent.relative_to(PROJECT / root).parts)
    for root in ROOTS
    for init in (PROJECT / root).rglob("__init__.py")
)


def defined_names(package: str) -> set[str]:
    """Public names that a package's `__init__` binds: definitions and imports of our own."""
    source = importlib.import_module(package).__file__
    assert source is not None
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
            names |= {alias.asname or alias.name for alias in node.names}
    for node in ast.parse(Path(source).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_the_packages_were_found() -> None:
    assert set(OURS) <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_what_a_package_defines(package: str) -> None:
    module = importlib.import_module(package)
    declared = set(getattr(module, "__all__", ()))
    internal = {"build"} if package == "biogate.cli" else set()

    assert defined_names(package) - internal == declared
    for name in declared:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is(package: str) -> None:
    assert importlib.import_module(package).__doc__, f"{package} has no docstring"


@pytest.mark.parametrize("package", OURS)
def test_a_package_is_typed_for_those_who_use_it(package: str) -> None:
    (folder,) = importlib.import_module(package).__path__

    assert (Path(folder) / "py.typed").exists()
