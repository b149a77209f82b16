"""The `biogate` command. Each command is a module of its own, imported when it is used."""

from __future__ import annotations

from biogate.cli.assembly import build


def main() -> None:
    """Entry point of the `biogate` script."""
    build()(prog_name="biogate")


__all__ = ["main"]
