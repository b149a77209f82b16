"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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

PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="OPC UA port; 0 takes a free one.  [default: the site file's]",
        show_default=False,
    ),
]

SpeedOption = Annotated[
    float,
    typer.Option(
        "--speed", min=0.1, max=3600, help="Speed of the simulated plant; 1 is real time."
    ),
]

QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Log lines instead of the live table of tags."),
]

JsonLogOption = Annotated[
    bool, typer.Option("--log-json", help="Log lines (on stderr) as JSON, one object a line.")
]

NodesetsOption = Annotated[
    Path | None,
    typer.Option(
        "--nodesets",
        metavar="FOLDER",
        help="Take the official nodesets from this folder instead of the cache or npm.",
        exists=True,
        file_okay=False,
    ),
]
