"""Verification in a process of its own, at the lowest priority, so that nothing waits for it.

`python -m biogate_security.audit_store.background FOLDER` prints what is wrong as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from pathlib import Path

from biogate_security.audit_store.verify import verify_log

_LOWEST_PRIORITY = 19


async def verify_apart(folder: Path) -> list[str]:
    """What is wrong with the log, each with its place. Raises OSError when it could not run."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise OSError(f"the log could not be verified: {last}")
    return [str(problem) for problem in json.loads(output)]


def main() -> None:
    """Verify the folder that the first argument names."""
    os.nice(_LOWEST_PRIORITY)
    try:
        report = verify_log(Path(sys.argv[1]))
    except (sqlite3.Error, OSError, ValueError) as error:
        sys.exit(str(error))
    json.dump([str(problem) for problem in report.problems], sys.stdout)


if __name__ == "__main__":
    main()
