"""What makes a start quick; see `python -m benchmarks warm_start`."""

from __future__ import annotations

import gc
from importlib import import_module


def prepare() -> None:
    """Call before a command imports the gateway.

    Garbage is not collected until the gateway runs (`gc.enable`): a start only ever grows the
    heap. And asyncua's 700 data classes are made here, few calls deep. Deep in a chain of imports
    their making can fall on the end of a chunk of CPython's frame stack, and each call then maps
    and unmaps memory: that took a tenth of a second.
    """
    gc.disable()
    import_module("biogate.opcua.stack")
