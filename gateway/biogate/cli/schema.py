"""`biogate schema`: JSON Schema, so that an editor completes and checks while one types."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SchemaOf(StrEnum):
    """The file formats that have a schema."""

    SITE = "site"
    PROFILE = "profile"


def schema(
    of: Annotated[SchemaOf, typer.Argument(help="Which kind of file.")] = SchemaOf.SITE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of site files, or of device profiles."""
    text = json.dumps(_schema(of), indent=2, ensure_ascii=False)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        typer.echo(f"biogate: cannot write {output}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from error


def _schema(of: SchemaOf) -> dict[str, object]:
    if of is SchemaOf.PROFILE:
        from biogate_adapters.profile import profile_json_schema

        return profile_json_schema()
    from biogate.site import site_json_schema

    return site_json_schema()
