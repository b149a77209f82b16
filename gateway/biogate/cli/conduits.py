"""`biogate security conduits`: which conduits are open, as a data folder keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biogate.cli.options import DataOption
from biogate.data_folder import DEFAULT_DATA

_FAILED, _WRONG_FILE = 1, 2


def conduits(
    site: Annotated[
        Path | None,
        typer.Argument(metavar="[SITE.yaml]", help="The site file, to list all its conduits."),
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Show which conduits were opened or closed at run time, also beside a running gateway.

    With the site file: each conduit and whether it is open. What is shown is what the next start
    begins with. Conduits are opened and closed over OPC UA (Server/Conduits).

    Exit code 0: shown; 1: the file cannot be read, so that a start closes all; 2: the site file
    is wrong.
    """
    from biogate.conduit_control import FILE, read_changes

    try:
        changed = read_changes(data)
    except (OSError, ValueError) as error:
        typer.echo(
            f"biogate: {data / FILE} cannot be read ({error}): a start closes all conduits. "
            "Remove the file to begin as the site file says",
            err=True,
        )
        raise typer.Exit(_FAILED) from error
    lines = _changed_lines(changed, data) if site is None else _all_lines(site, changed)
    for line in lines:
        typer.echo(line)


def _changed_lines(changed: dict[str, bool], data: Path) -> list[str]:
    if not changed:
        return [f"in {data} all conduits are as the site file says"]
    return [f"{name}: {_word(is_open)}" for name, is_open in sorted(changed.items())]


def _all_lines(path: Path, changed: dict[str, bool]) -> list[str]:
    from biogate.site import SiteError, load_site

    try:
        site = load_site(path)
    except SiteError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(_WRONG_FILE) from error
    if not site.conduits:
        return ["the site has no conduits"]
    lines = []
    for name, conduit in site.conduits.items():
        is_open = changed.get(name, conduit.open)
        unlike = "" if is_open == conduit.open else f"; the site file says {_word(conduit.open)}"
        route = f"from {conduit.from_} to {conduit.to}"
        lines.append(f"{name}: {_word(is_open)}, {route}{unlike}")
    return lines


def _word(is_open: bool) -> str:
    return "open" if is_open else "closed"
