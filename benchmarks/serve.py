"""biogate's server for load generators: Doubles below one folder that change by themselves.

    python -m benchmarks.serve --port 4840 --vars 1000 --sim-hz 10 --tree

It listens on 127.0.0.1 only, prints READY when clients can connect, and ends on SIGINT or SIGTERM.
Everyone may read, write and subscribe to everything, on policy None and with each secured policy,
and any client certificate is trusted: this server is for measuring, never for a plant.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import tempfile
from cProfile import Profile
from pathlib import Path

from benchmarks.layout import parser
from benchmarks.served.front_end import bench_front_end
from benchmarks.served.pki import OpenPki
from benchmarks.served.space import BenchSpace
from biogate import event_loop, memory
from biogate.opcua.front_end import FrontEnd
from biogate.opcua.transport.listener import ListenError


def _parser() -> argparse.ArgumentParser:
    result = parser("python -m benchmarks.serve", __doc__)
    result.add_argument("--cert", type=Path, help="own certificate, DER or PEM; default: a new one")
    result.add_argument("--key", type=Path, help="its private key, DER or PEM")
    text = "write a cProfile to this file at the end; with --hold it begins with the changes"
    result.add_argument("--profile", type=Path, help=text)
    return result


async def serve(
    front_end: FrontEnd, space: BenchSpace, arguments: argparse.Namespace, profile: Profile | None
) -> None:
    """Serve until SIGINT or SIGTERM; raises ListenError when the port is taken."""
    await front_end.start()
    gc.collect()
    gc.freeze()
    stop, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR2, go.set)
    if not arguments.hold:
        go.set()

    async def from_go_on() -> None:
        await go.wait()
        if profile is not None:
            profile.enable()
        await space.keep_changing(arguments.sim_hz)

    changing = asyncio.create_task(from_go_on())
    print("READY", flush=True)
    try:
        await stop.wait()
    finally:
        if profile is not None:
            profile.disable()
        changing.cancel()
        await front_end.stop()


def _run(arguments: argparse.Namespace, pki: OpenPki) -> None:
    space = BenchSpace(arguments.vars, tree=arguments.tree)
    profile = Profile() if arguments.profile else None

    async def main() -> None:
        await serve(bench_front_end(space, pki, arguments.port), space, arguments, profile)

    event_loop.run(main())
    if profile is not None:
        profile.dump_stats(arguments.profile)


def main() -> None:
    """Serve as the command line says."""
    commands = _parser()
    arguments = commands.parse_args()
    if (arguments.cert is None) != (arguments.key is None):
        commands.error("--cert and --key go together: give both or neither")
    logging.basicConfig(level=logging.WARNING)
    memory.give_back_what_is_freed()
    memory.collect_rarely()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.cert is None:
            pki = OpenPki.made_in(Path(folder))
        else:
            pki = OpenPki.read(arguments.cert, arguments.key)
        try:
            _run(arguments, pki)
        except ListenError as error:
            commands.exit(1, f"benchmarks.serve: {error}\n")


if __name__ == "__main__":
    main()
