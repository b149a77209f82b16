"""Requirements, what proves them, and the levels that follow (facts of IEC 62443)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from biogate.prove import evidence as evidence_module
from biogate.prove.attempt import Verdict
from biogate.prove.evidence import Proof, Standing, evidence, proofs
from biogate.prove.requirements import (
    FOUNDATIONAL,
    OWNER,
    component_vector,
    requirements,
    system_vector,
)

KINDS = re.compile(r'"([a-z -]+)"')


def ids() -> list[str]:
    return [each.id for each in requirements()]


def test_each_row_has_a_number_a_title_and_a_level() -> None:
    assert len(ids()) == len(set(ids())) == 114
    for each in requirements():
        assert each.title
        assert each.refs
        assert each.fr in FOUNDATIONAL
        assert each.responsibility in "PSB"
        assert each.sr_min_sl or each.cr_min_sl


def test_a_level_is_reached_when_no_row_up_to_it_is_open() -> None:
    """62443-4-2, annex B: SL-C n needs every row that is ticked for n."""
    assert set(component_vector(()).values()) == {4}
    assert component_vector({"1.2"})["IAC"] == 1
    assert component_vector({"1.1 RE2", "1.2"})["IAC"] == 1
    assert component_vector({"1.1 RE2"})["IAC"] == 2
    assert component_vector({"1.1"}) == {**component_vector(()), "IAC": 0}


def test_a_row_counts_only_where_its_part_of_the_standard_has_it() -> None:
    """2.12 is asked for from SL 1 of a component, and from SL 3 of a system."""
    assert (component_vector({"2.12"})["UC"], system_vector({"2.12"})["UC"]) == (0, 2)
    assert (component_vector({"1.14"})["IAC"], system_vector({"1.14"})["IAC"]) == (1, 4)


def test_an_owners_row_is_never_the_products() -> None:
    owners = {each.id for each in requirements() if each.responsibility == OWNER}
    rows = {row.requirement.id: row.standing for row in evidence([]).rows}

    assert component_vector(owners) == component_vector(())
    assert {rows[each] for each in owners} == {Standing.OWNER}


@pytest.fixture
def one_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requirement 5.2 is proven by the attempts of one kind, and nothing else is."""
    monkeypatch.setattr(
        evidence_module, "proofs", lambda: {"5.2": Proof(attempts=("conduit", "walk"))}
    )


@pytest.mark.usefixtures("one_proof")
def test_what_was_not_tried_is_not_covered(result) -> None:
    def standing(*results):
        found = evidence(results)
        return next(row for row in found.rows if row.requirement.id == "5.2")

    let = result("conduit", Verdict.AS_STATED)
    walk = result("walk", Verdict.AS_STATED, 2)
    left_out = result("walk", Verdict.NOT_COVERED, 3)
    leak = result("conduit", Verdict.LEAKS, 4)

    assert standing().standing is Standing.NOT_COVERED
    assert standing(let).standing is Standing.NOT_COVERED
    assert standing(let, left_out).standing is Standing.NOT_COVERED
    assert standing(let, walk).standing is Standing.PROVEN
    assert standing(let, walk).attempts == ("A0001", "A0002")
    assert standing(let, walk, leak).standing is Standing.REFUTED
    assert standing(let, walk, leak).attempts == ("A0004",)


@pytest.mark.usefixtures("one_proof")
def test_a_row_without_a_proof_is_open_and_lowers_the_level() -> None:
    found = evidence([])

    assert set(found.component.values()) == {0}
    assert {row.standing for row in found.rows} == {Standing.NOT_COVERED, Standing.OWNER}


def test_what_holds_a_level_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"5.2 RE2": Proof(open="no"), "5.2 RE1": Proof(open="no")}
    ours = {each.id: Proof(tests=("t",)) for each in requirements()}
    monkeypatch.setattr(evidence_module, "proofs", lambda: {**ours, **lacking})

    found = evidence([])

    assert (found.component["RDF"], found.held_back("RDF")) == (1, ["5.2 RE1"])
    assert (found.component["RA"], found.held_back("RA")) == (4, [])


# -- the reviewed table ----------------------------------------------------------------------------


def test_the_table_names_requirements_that_there_are() -> None:
    assert set(proofs()) <= set(ids())


def test_every_row_of_the_product_has_a_proof_or_says_what_is_lacking() -> None:
    """So that nothing is open by being forgotten."""
    ours = {each.id for each in requirements() if each.responsibility != OWNER}

    assert ours - set(proofs()) == set()
    for name in ours:
        proof = proofs()[name]
        assert proof.open or proof.not_applicable or proof.tests or proof.attempts, name


def test_every_test_that_the_table_names_exists(project: Path) -> None:
    missing = []
    for name, proof in proofs().items():
        for node in proof.tests:
            file, _, test = node.partition("::")
            path = project / file
            if not path.is_file() or f"def {test}(" not in path.read_text(encoding="utf-8"):
                missing.append(f"{name}: {node}")

    assert missing == []


def test_every_page_that_the_table_names_exists(project: Path) -> None:
    pages = {page for proof in proofs().values() for page in proof.pages}

    assert [page for page in sorted(pages) if not (project / page).is_file()] == []


def test_every_kind_of_attempt_that_the_table_names_is_made(project: Path) -> None:
    folder = project / "gateway" / "biogate" / "prove"
    made = {kind for file in folder.glob("*.py") for kind in KINDS.findall(file.read_text("utf-8"))}

    assert {kind for proof in proofs().values() for kind in proof.attempts} <= made
