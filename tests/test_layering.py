"""Who may import whom (docs/architecture.md, "The folders"), and what start-up must not pay for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
ROOTS = {
    "biogate": "gateway",
    "biogate_adapters": "adapters",
    "biogate_nodesets": "nodesets",
    "biogate_security": "security",
}
MAY_IMPORT = {
    "biogate": set(ROOTS),
    "biogate_adapters": {"biogate_adapters"},
    "biogate_nodesets": {"biogate_nodesets"},
    "biogate_security": {"biogate_security"},
}


def imports_of(package: str) -> Iterator[tuple[str, str]]:
    """(file relative to the project, imported module) of every import, also inside functions."""
    for file in sorted((PROJECT / ROOTS[package] / package).rglob("*.py")):
        where = str(file.relative_to(PROJECT))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((where, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{where}: relative import; write the package's name"
                yield where, str(node.module)


def top(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("package", ROOTS)
def test_imports_point_down_only(package: str) -> None:
    wrong = [
        (file, module)
        for file, module in imports_of(package)
        if top(module) in ROOTS and top(module) not in MAY_IMPORT[package]
    ]

    assert wrong == []


def test_one_module_of_the_gateway_imports_asyncua_and_so_does_the_client_that_proves_it() -> None:
    """What proves the gateway from outside must not share its mistakes: a client not of ours."""
    files = {file for file, module in imports_of("biogate") if top(module) == "asyncua"}

    assert files == {"gateway/biogate/opcua/stack.py", "gateway/biogate/prove/client.py"}


def test_the_front_end_knows_neither_devices_nor_secrets() -> None:
    """docs/architecture.md, decision 11: it can leave the process."""
    allowed = {
        "biogate_adapters",  # for its status codes
        "biogate_adapters.filetime",
        "biogate_adapters.status",
        "biogate_security.audit",  # the record and the port, no store
        "biogate_security.threads",  # waits for a thread, knows no store
        "biogate_security.certificate",  # reads one, knows none
        "biogate_security.key_kinds",  # a table of curves
        "biogate_security.log_budget",
        "biogate_security.log_text",
        "biogate_security.pki_update",  # plain data
        "biogate_security.policy",
        "biogate_security.record_budget",
        "biogate_security.roles",
        "biogate_security.status",
        "biogate_security.trust_content",  # plain data
    }
    foreign = {
        module
        for file, module in imports_of("biogate")
        if file.startswith("gateway/biogate/opcua/") and top(module) in ROOTS
        if not module.startswith(("biogate.opcua", "biogate.tags", "biogate_nodesets"))
    }

    assert foreign <= allowed


@pytest.mark.parametrize("package", ROOTS)
def test_no_package_imports_the_tests_or_a_folder_by_name(package: str) -> None:
    folders = {"tests", "benchmarks", *ROOTS.values()}

    assert [found for found in imports_of(package) if top(found[1]) in folders] == []


def test_only_the_models_import_scipy_and_only_the_loader_lxml() -> None:
    users = {"scipy": set(), "lxml": set(), "pymodbus": set()}
    for package in ROOTS:
        for file, module in imports_of(package):
            if top(module) in users:
                users[top(module)].add(str(Path(file).parent))

    assert users["scipy"] <= {"gateway/biogate/kinetics"}
    assert users["lxml"] <= {"nodesets/biogate_nodesets"}
    assert users["pymodbus"] <= {
        "adapters/biogate_adapters/modbus",
        "adapters/biogate_adapters/simulators",
    }


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = (
        f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import biogate", {"asyncua", "lxml", "numpy", "pydantic", "pymodbus", "rich", "scipy"}),
        ("import biogate.cli", {"asyncua", "lxml", "numpy", "pydantic", "pymodbus", "scipy"}),
        ("from biogate.site import load_site", {"asyncua", "lxml", "pymodbus", "scipy"}),
        ("from biogate import Gateway", {"lxml", "pymodbus", "scipy"}),
    ],
)
def test_start_up_does_not_pay_for_what_it_may_not_need(statement: str, heavy: set[str]) -> None:
    assert loaded_by(statement) & heavy == set()
