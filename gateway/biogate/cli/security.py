"""`biogate security`: who may do what, what proves it, and the documents that show it."""

from __future__ import annotations

import typer

from biogate.cli.conduits import conduits
from biogate.cli.explain import explain
from biogate.cli.prove import documents, prove

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Explain rights, show and prove conduits, write documents for an assessor.",
)
app.command("explain")(explain)
app.command("conduits")(conduits)
app.command("prove")(prove)
app.command("documents")(documents)
