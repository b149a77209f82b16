"""`biogate sim site`: the simulated devices of a site without the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from biogate.cli.options import JsonLogOption, SpeedOption

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Simulate devices.")


@app.callback()
def _group() -> None:
    """Simulate devices."""


@app.command()
def site(
    site_file: Annotated[
        Path, typer.Argument(metavar="SITE.yaml", help="The site file; see `biogate check`.")
    ],
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Play the recording in this folder (an MFCS export, online.CSV) instead of the"
            " model.",
        ),
    ] = None,
    speed: SpeedOption = 1.0,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="DEVICE", help="Simulate this device only; may be repeated."),
    ] = None,
    log_json: JsonLogOption = False,
) -> None:
    """Start the devices that a site marks `simulated: true`, until Ctrl-C.

    Prints the plant's clock and each device's address; point a gateway, or any client of the
    device's protocol, there. The devices speak their vendors' protocols.
    """
    from biogate.sim.run import run
    from biogate.sim.site import SimulationOptions

    options = SimulationOptions(speed, replay, tuple(only or ()))
    raise typer.Exit(run(site_file, options, log_json=log_json))
