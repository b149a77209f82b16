"""The address space that every measured server has, and the command line that starts one."""

from __future__ import annotations

import argparse

APPLICATION_URI = "urn:benchmark"
NAMESPACE = "urn:bench:vars"
SLICES = 10
FOLDERS = 100
VARIABLES_PER_FOLDER = 99


def parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Options of a server process."""
    result = argparse.ArgumentParser(
        prog=program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    add("--vars", type=int, default=1000, help=f"Doubles s=Var0, ... in {NAMESPACE} (1000)")
    add("--sim-hz", type=float, default=10.0, help="changes of each variable a second; 0: none")
    add("--tree", action="store_true", help="add 100 folders of 99 variables, s=Tree.F0.V0, ...")
    add("--hold", action="store_true", help="no variable changes until a SIGUSR2 comes")
    return result


def slices(variables: int) -> list[range]:
    """The variables that change together: a tenth of them each."""
    return [range(variables * s // SLICES, variables * (s + 1) // SLICES) for s in range(SLICES)]
