"""`biogate nodesets`: the official OPC UA nodesets that the information model is built from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biogate.cli.options import DataOption
from biogate.data_folder import DEFAULT_DATA, nodeset_cache

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Fetch, list and verify the official nodesets.",
)

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Nodesets, for example LADS; all where none is named."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Use the files in this folder first, before the cache and npm.",
        exists=True,
        file_okay=False,
    ),
]


@app.command("fetch")
def fetch(
    names: NamesArgument = None, data: DataOption = DEFAULT_DATA, folder: FolderOption = None
) -> None:
    """Fetch the pinned nodesets into the data folder and compile them for a fast start."""
    from biogate_nodesets.commands import fetch_nodesets
    from biogate_nodesets.errors import NodesetError, NodesetSourceError

    try:
        fetch_nodesets(names or None, cache=nodeset_cache(data), folder=folder, report=typer.echo)
    except (NodesetError, NodesetSourceError) as error:
        typer.echo(f"biogate: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyError as error:
        raise _unknown(error) from error


@app.command("list")
def list_(data: DataOption = DEFAULT_DATA, folder: FolderOption = None) -> None:
    """List the nodesets: version, publication date, URI, and where each file is."""
    from biogate_nodesets.commands import list_nodesets

    list_nodesets(cache=nodeset_cache(data), folder=folder, report=typer.echo)


@app.command("verify")
def verify(
    names: NamesArgument = None, data: DataOption = DEFAULT_DATA, folder: FolderOption = None
) -> None:
    """Compare every file with its pinned sha256 and load all of them strictly from XML.

    Exit code 0: all right; 2: problems.
    """
    from biogate_nodesets.commands import verify_nodesets

    try:
        problems = verify_nodesets(
            names or None, cache=nodeset_cache(data), folder=folder, report=typer.echo
        )
    except KeyError as error:
        raise _unknown(error) from error
    if problems:
        raise typer.Exit(2)


def _unknown(error: KeyError) -> typer.BadParameter:
    return typer.BadParameter(str(error.args[0]))
