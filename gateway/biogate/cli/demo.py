"""`biogate demo`: a simulated bioreactor, its devices and the gateway, with one command."""

from __future__ import annotations

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
from biogate.demo import DEMO_SITE

DEMO_SPEED = 60.0
"""An hour of the culture passes in a minute: something happens while one looks."""


def demo(
    port: PortOption = None,
    data: DataOption = DEFAULT_DATA,
    speed: SpeedOption = DEMO_SPEED,
    quiet: QuietOption = False,
    log_json: JsonLogOption = False,
    nodesets: NodesetsOption = None,
) -> None:
    """Start a simulated fed-batch E. coli bioreactor and serve it by OPC UA, until Ctrl-C.

    Four simulated devices speak their vendors' protocols over loopback sockets; the gateway
    polls them as it would real ones. Clients on this machine are trusted without asking.
    """
    prepare()
    from biogate.cli.serving import Options, serve

    options = Options(data, port, speed, quiet, log_json, nodesets, auto_trust=True)
    raise typer.Exit(serve(DEMO_SITE, options))
