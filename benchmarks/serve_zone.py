"""biogate's server as `benchmarks.serve`, its front end in a process of its own.

It takes the same options, and is measured by `python -m benchmarks zones`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal

from benchmarks.layout import parser
from benchmarks.served.space import BenchSpace
from benchmarks.served.zone import bench_zone
from biogate import event_loop, memory


async def _serve(arguments: argparse.Namespace) -> None:
    space = BenchSpace(arguments.vars, tree=arguments.tree)
    with bench_zone(space, arguments.port) as supervisor:
        await supervisor.start()
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
            await space.keep_changing(arguments.sim_hz)

        changing = asyncio.create_task(from_go_on())
        print("READY", flush=True)
        try:
            await stop.wait()
        finally:
            changing.cancel()
            await supervisor.stop()


def main() -> None:
    """Serve as the command line says."""
    arguments = parser("python -m benchmarks.serve_zone", __doc__).parse_args()
    logging.basicConfig(level=logging.WARNING)
    memory.give_back_what_is_freed()
    memory.collect_rarely()
    event_loop.run(_serve(arguments))


if __name__ == "__main__":
    main()
