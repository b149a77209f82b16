"""Write all documents into one folder, and the index that leads to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from biogate.prove.documents.diagram import diagram
from biogate.prove.documents.index import Page, index_html, matrix_html
from biogate.prove.documents.matrix import matrix_json, matrix_markdown
from biogate.prove.documents.records import records
from biogate.prove.documents.sbom import sbom as bill_of_materials
from biogate.prove.documents.settings import settings
from biogate.prove.errors import EvidenceError
from biogate.prove.evidence import Evidence, evidence
from biogate.prove.report import HTML_NAME, results_of
from biogate.prove.session import read_site


@dataclass(frozen=True, slots=True)
class _Document:
    """A file, what it is, and what makes its text."""

    name: str
    title: str
    make: Callable[[], str]


def write_documents(
    site_file: Path, out: Path, *, data: Path, evidence: Path | None, sbom: bool
) -> Iterator[Path]:
    """Write all documents into `out`; each path once it is written.

    `evidence` is the JSON of an earlier run of the prover. Raises SiteError,
    SiteWithoutZonesError, EvidenceError, SbomError or OSError.
    """
    site, content = read_site(site_file)
    found = _evidence(evidence)
    drawing = diagram(content)
    documents = [
        _Document("zones.svg", "Zone and conduit diagram", lambda: drawing),
        _Document("records.md", "Zone and conduit records (ZCR 6)", lambda: records(content)),
        _Document("matrix.html", "SR/CR matrix", lambda: matrix_html(found)),
        _Document("matrix.md", "SR/CR matrix (Markdown)", lambda: matrix_markdown(found)),
        _Document("matrix.json", "SR/CR matrix (JSON)", lambda: matrix_json(found)),
        _Document(
            "settings.json",
            "Security settings in effect (SR 7.6 RE1)",
            lambda: settings(site, site_file, data),
        ),
    ]
    if sbom:
        documents.append(
            _Document("sbom.cdx.json", "Software bill of materials (CycloneDX)", bill_of_materials)
        )
    out.mkdir(parents=True, exist_ok=True)
    for document in documents:
        yield _write(out / document.name, document.make())
    pages = [Page(each.name, each.title) for each in documents]
    for report in _reports(evidence):
        yield _write(out / report.name, report.read_text(encoding="utf-8"))
        pages.append(Page(report.name, "What was tried, and what came"))
    title = f"{site.enterprise}, {site.site}, {site.process_cell}"
    yield _write(out / "index.html", index_html(title, version("biogate"), drawing, pages, found))


def _reports(evidence: Path | None) -> list[Path]:
    """The page beside the JSON: what the matrix links to."""
    page = None if evidence is None else evidence.with_name(HTML_NAME)
    return [page] if page is not None and page.is_file() else []


def _evidence(file: Path | None) -> Evidence:
    if file is None:
        return evidence([])
    try:
        return evidence(results_of(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(
            f"{file} is no evidence.json of `biogate security prove`: {error}"
        ) from error


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
