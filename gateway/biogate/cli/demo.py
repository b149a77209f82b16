"""`biogate demo`: a simulated bioreactor, its devices and the gateway, with one command."""

from __future__ import annotations

import gc
from importlib import resources

import typer

from biogate.cli.options import (
    DEFAULT_DATA,
    DataOption,
    JsonLogOption,
    NodesetsOption,
    PortOption,
    QuietOption,
    SpeedOption,
)

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
    gc.disable()  # until the gateway runs: a start only ever grows the heap
    from biogate.cli.serving import Options, serve

    site = resources.files("biogate.demo") / "demo-site.yaml"
    options = Options(data, port, speed, quiet, log_json, nodesets, auto_trust=True)
    with resources.as_file(site) as path:
        raise typer.Exit(serve(path, options))
