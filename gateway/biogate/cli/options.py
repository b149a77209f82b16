"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_DATA = Path("biogate-data")

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="BIOGATE_DATA",
        help="Folder of all state: caches, keys, databases.",
        file_okay=False,
    ),
]
