"""`biogate check`: every mistake in a site file, one a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    functions = sum(len(unit.functions) for unit in checked.units.values())
    found = [
        _count(len(checked.devices), "device"),
        _count(len(checked.units), "unit"),
        _count(functions, "function"),
    ]
    typer.echo(f"{site}: no problems ({', '.join(found)})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
