"""What `biogate run` and `biogate demo` do: start, tell how to connect, show, stop cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from biogate import event_loop, memory
from biogate.cli.welcome import tell
from biogate.gateway import Gateway, check_port
from biogate.logs import configure
from biogate.sim.process import SimProcess, SimProcessError
from biogate.site import Site, SiteError, load_site
from biogate.storage import StorageError
from biogate_nodesets import NodesetError, NodesetSourceError
from biogate_security.folder_lock import LockHeldError

Result = TypeVar("Result")

STOPPED, NOT_STARTED, BAD_SITE = 0, 1, 2
_START_ERRORS = (
    LockHeldError,
    NodesetError,
    NodesetSourceError,
    OSError,
    SimProcessError,
    StorageError,
)


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options of `run` and `demo`."""

    data: Path
    port: int | None
    speed: float
    quiet: bool
    log_json: bool
    nodesets: Path | None
    auto_trust: bool = False


def serve(site_file: Path, options: Options) -> int:
    """Run until SIGINT or SIGTERM; the exit code. Reports what is wrong on stderr."""
    quiet = options.quiet or not sys.stdout.isatty()
    configure(as_json=options.log_json, level=logging.INFO if quiet else logging.WARNING)
    try:
        site = load_site(site_file)
        site.check_speed(options.speed)
        check_port(site, options.port)
    except SiteError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        return BAD_SITE
    except ValueError as error:
        typer.echo(f"biogate: {error}", err=True)
        return BAD_SITE
    if site.opcua.notice.strip():
        typer.echo(site.opcua.notice.strip())
    try:
        memory.give_back_what_is_freed()
        event_loop.run(_run(site_file, site, options, quiet=quiet))
    except KeyboardInterrupt:
        return STOPPED
    except _START_ERRORS as error:
        typer.echo(f"biogate: {error}", err=True)
        return NOT_STARTED
    return STOPPED


async def _run(site_file: Path, site: Site, options: Options, *, quiet: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        gateway = await _unless(stop, _start(site_file, site, options, stack))
        if gateway is None:
            return
        memory.collect_rarely()
        tell(gateway, options.speed)
        if quiet:
            await stop.wait()
        else:
            from biogate.cli.live import show

            await _unless(stop, show(gateway))
        typer.echo("stopping")
    typer.echo("stopped")


async def _start(site_file: Path, site: Site, options: Options, stack: AsyncExitStack) -> Gateway:
    addresses: dict[str, str] = {}
    if any(device.simulated for device in site.devices.values()):
        simulators = await SimProcess.start(site_file, speed=options.speed)
        stack.push_async_callback(simulators.stop)
        addresses = dict(simulators.addresses)
    gateway = Gateway(
        site,
        data=options.data,
        port=options.port,
        addresses=addresses,
        nodesets=options.nodesets,
        auto_trust=options.auto_trust,
    )
    await gateway.start()
    stack.push_async_callback(gateway.stop)
    return gateway


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of `work`; None when `stop` was set first, with `work` cancelled."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
    return None if working.cancelled() else working.result()
