"""`biogate run`: the gateway for one site, and simulators for the devices that it marks so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biogate.cli.options import (
    DataOption,
    JsonLogOption,
    NodesetsOption,
    PortOption,
    QuietOption,
    SpeedOption,
)
from biogate.cli.startup import prepare
from biogate.data_folder import DEFAULT_DATA


def run(
    site: Annotated[
        Path, typer.Argument(metavar="SITE.yaml", help="The site file; see `biogate check`.")
    ],
    port: PortOption = None,
    data: DataOption = DEFAULT_DATA,
    speed: SpeedOption = 1.0,
    quiet: QuietOption = False,
    log_json: JsonLogOption = False,
    nodesets: NodesetsOption = None,
) -> None:
    """Poll the site's devices and serve them by OPC UA, until Ctrl-C or SIGTERM.

    Devices marked `simulated: true` are played by a simulator process that is started and
    stopped with the gateway. Exit code 0: stopped; 1: could not start; 2: the site file is wrong.
    """
    prepare()
    from biogate.cli.serving import Options, serve

    raise typer.Exit(serve(site, Options(data, port, speed, quiet, log_json, nodesets)))
