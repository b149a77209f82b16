"""Run the measurements: `python -m benchmarks --help` says which there are."""

from __future__ import annotations

import importlib
import sys

from benchmarks import compare

_OTHERS = ("warm_start", "columns", "codec", "stalls", "zones", "policy", "audit")


def main() -> int:
    """Run what the command line names."""
    commands = compare.parser()
    arguments = commands.parse_args()
    for name in arguments.other:
        if name not in _OTHERS:
            commands.error(f"no measurement {name!r}; there are {', '.join(_OTHERS)}")
    for name in arguments.other:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()
    return 0 if arguments.other else compare.main(commands, arguments)


if __name__ == "__main__":
    sys.exit(main())
