"""What `biogate sim site` and `python -m biogate.sim` do: load, simulate, end with a code."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from biogate.logs import configure
from biogate.sim.lifetime import stop_event
from biogate.sim.mfcs import RecordingError
from biogate.sim.site import SimulationError, SimulationOptions, run_site_simulators
from biogate.site import Site, SiteError, load_site

_log = logging.getLogger(__name__)

ENDED, FAILED, BAD_INPUT = 0, 1, 2


def run(site_file: Path, options: SimulationOptions, *, log_json: bool = False) -> int:
    """Simulate a site's devices until told to stop; the exit code. Mistakes go to stderr."""
    configure(as_json=log_json)
    try:
        site = load_site(site_file)
        asyncio.run(_simulate(site, options))
    except (SiteError, SimulationError, RecordingError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    except Exception:  # noqa: BLE001  logged with its traceback; the process ends with 1
        _log.exception("the simulation has failed")
        return FAILED
    return ENDED


async def _simulate(site: Site, options: SimulationOptions) -> None:
    await run_site_simulators(site, options, emit=_emit, stop=stop_event())


def _emit(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
