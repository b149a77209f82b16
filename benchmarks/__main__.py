"""Run the measurements: `python -m benchmarks [name ...]`, without a name all of them."""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import benchmarks


def available() -> list[str]:
    """The names of the measurements: modules of this package that are not private."""
    names = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *available()], help="what to measure")
    parser.add_argument("--list", action="store_true", help="say what there is")
    arguments = parser.parse_args()
    for name in arguments.name or available():
        module = importlib.import_module(f"benchmarks.{name}")
        title = (module.__doc__ or "").splitlines()[0]
        print(f"{name}: {title}", flush=True)
        if not arguments.list:
            module.main()


if __name__ == "__main__":
    main()
