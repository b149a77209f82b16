"""`biogate check`: every mistake in a site file, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from biogate.site import Site


def check(
    site: Annotated[Path, typer.Argument(metavar="SITE.yaml", help="The site file to check.")],
) -> None:
    """Check a site file: YAML, keys and values, device profiles, bindings.

    Each mistake is printed on a line of its own as file:line:column.

    Exit code 0: no mistakes; 2: mistakes.
    """
    from biogate.site import SiteError, load_site

    try:
        checked = load_site(site)
    except SiteError as error:
        for problem in error.problems:
            typer.echo(str(problem))
        typer.echo(f"{site}: {_count(len(error.problems), 'problem')}")
        raise typer.Exit(2) from None
    typer.echo(f"{site}: no problems ({', '.join(_found(checked))})")


def _found(site: Site) -> Iterator[str]:
    """What the file describes, in numbers."""
    if site.devices or site.units:
        yield _count(len(site.devices), "device")
        yield _count(len(site.units), "unit")
        yield _count(sum(len(unit.functions) for unit in site.units.values()), "function")
    if site.nodes:
        from biogate.site.node_plan import plan_section

        sections = [plan_section(name, section) for name, section in site.nodes.items()]
        yield _count(sum(len(section.variables) for section in sections), "variable")
        yield _count(sum(len(section.methods) for section in sections), "method")
    if site.zones:
        yield _count(len(site.zones), "zone")
        yield _count(len(site.conduits), "conduit")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
