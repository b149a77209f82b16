"""biogate's server for load generators: Doubles below one folder that change by themselves.

    python -m benchmarks.serve --port 4840 --vars 1000 --sim-hz 10 --tree

It listens on 127.0.0.1 only, prints READY when clients can connect, and ends on SIGINT or SIGTERM.
Everyone may read, write and subscribe to everything, on policy None and with each secured policy,
and any client certificate is trusted: this server is for measuring, never for a plant.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import logging
import signal
import tempfile
from pathlib import Path

from benchmarks.served.front_end import bench_front_end
from benchmarks.served.pki import OpenPki
from benchmarks.served.space import NAMESPACE, BenchSpace
from biogate.opcua.front_end import FrontEnd

_GC_THRESHOLDS = (50_000, 20, 50)  # those of `biogate run`


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m benchmarks.serve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    add("--vars", type=int, default=1000, help=f"Doubles s=Var0, ... in {NAMESPACE} (1000)")
    add("--sim-hz", type=float, default=10.0, help="changes of each variable a second; 0: none")
    add("--tree", action="store_true", help="add 100 folders of 99 variables, s=Tree.F0.V0, ...")
    add("--cert", type=Path, help="own certificate, DER or PEM; default: one made for this run")
    add("--key", type=Path, help="its private key, DER or PEM")
    add("--profile", type=Path, help="write a cProfile of the serving to this file at the end")
    return result


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def serve(front_end: FrontEnd, space: BenchSpace, sim_hz: float) -> None:
    """Serve until SIGINT or SIGTERM; raises ListenError when the port is taken."""
    await front_end.start()
    gc.collect()
    gc.freeze()
    changing = asyncio.create_task(space.keep_changing(sim_hz)) if sim_hz > 0 else None
    print("READY", flush=True)
    try:
        await _stopped()
    finally:
        if changing is not None:
            changing.cancel()
        await front_end.stop()


def _run(arguments: argparse.Namespace, pki: OpenPki) -> None:
    space = BenchSpace(arguments.vars, tree=arguments.tree)
    profile = cProfile.Profile() if arguments.profile else None

    async def main() -> None:
        front_end = bench_front_end(space, pki, arguments.port)
        if profile is not None:
            profile.enable()
        try:
            await serve(front_end, space, arguments.sim_hz)
        finally:
            if profile is not None:
                profile.disable()
                profile.dump_stats(arguments.profile)

    asyncio.run(main())


def main() -> None:
    """Serve as the command line says."""
    commands = parser()
    arguments = commands.parse_args()
    if (arguments.cert is None) != (arguments.key is None):
        commands.error("--cert and --key go together: give both or neither")
    logging.basicConfig(level=logging.WARNING)
    gc.set_threshold(*_GC_THRESHOLDS)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.cert is None:
            pki = OpenPki.made_in(Path(folder))
        else:
            pki = OpenPki.read(arguments.cert, arguments.key)
        _run(arguments, pki)


if __name__ == "__main__":
    main()
