"""What `biogate nodesets fetch | list | verify` do, without a terminal: lines go to a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from biogate_nodesets.cache import compile_model, namespaces_of
from biogate_nodesets.catalogue import Entry, entries
from biogate_nodesets.errors import NodesetError
from biogate_nodesets.fetch import locate, sha256_of, wrong_hash

Report = Callable[[str], None]


class State(NamedTuple):
    """Where a nodeset's file is. `problem` is empty when it is there and is the pinned one."""

    entry: Entry
    path: Path | None
    problem: str


def fetch_nodesets(
    names: Iterable[str] | None = None, *, cache: Path, folder: Path | None = None, report: Report
) -> dict[str, Path]:
    """Make sure that the named nodesets (None: all) are in the cache, or in `folder`.

    The compiled model is made, too, so that the first start is a warm one. Raises KeyError,
    NodesetSourceError, NodesetError.
    """
    chosen = entries(names)
    found = locate([entry.name for entry in chosen], folder=folder, cache=cache, progress=report)
    model = compile_model(names, folder=folder, cache=cache)
    report(f"{len(found)} nodesets are ready: {len(model.nodes):,} nodes")
    return found


def list_nodesets(*, cache: Path, folder: Path | None = None, report: Report) -> list[State]:
    """Report every nodeset of the catalogue: version, date, URI, and where its file is."""
    states = [_state(entry, cache, folder) for entry in entries()]
    for entry, path, problem in states:
        where = problem or str(path)
        report(
            f"{entry.name:<10} {entry.version:<8} {entry.publication_date}  {entry.uri}  {where}"
        )
    return states


def verify_nodesets(
    names: Iterable[str] | None = None, *, cache: Path, folder: Path | None = None, report: Report
) -> int:
    """Check the files of the named nodesets (None: all), and load them strictly from XML.

    Returns the number of problems, each reported on a line. Raises KeyError for unknown names.
    """
    from biogate_nodesets.link import build  # imports lxml, which other commands need not

    chosen = entries(names)
    states = [_state(entry, cache, folder) for entry in chosen]
    for entry, _, problem in states:
        report(f"{entry.name} {entry.version}: {problem or 'sha256 is right'}")
    problems = sum(1 for state in states if state.problem)
    paths = [state.path for state in states if state.path is not None and not state.problem]
    if problems:
        return problems
    try:
        model = build(paths, namespaces_of(chosen))
    except NodesetError as error:
        report(str(error))
        return 1
    references = sum(len(node.references) for node in model.nodes.values()) // 2
    report(f"all loaded strictly: {len(model.nodes):,} nodes, {references:,} references")
    return 0


def _state(entry: Entry, cache: Path, folder: Path | None) -> State:
    for place in (folder, cache):
        path = None if place is None else place / entry.file
        if path is not None and path.is_file():
            actual = sha256_of(path)
            problem = "" if actual == entry.sha256 else wrong_hash(entry, path, actual)
            return State(entry, path, problem)
    return State(entry, None, "not fetched yet: run `biogate nodesets fetch`")
