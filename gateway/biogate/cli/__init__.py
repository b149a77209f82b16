"""The `biogate` command. Each command is a module of its own, imported when it is used."""

from __future__ import annotations

import sys

from biogate.cli.assembly import build


def main() -> None:
    """Entry point of the `biogate` script."""
    build(next(iter(sys.argv[1:]), ""))(prog_name="biogate")


__all__ = ["main"]
