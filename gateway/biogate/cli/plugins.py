"""Commands of other packages, found by the entry-point group `biogate.commands`."""

from __future__ import annotations

from collections.abc import Collection
from importlib import metadata

import typer

GROUP = "biogate.commands"


def find_plugins(taken: Collection[str]) -> list[metadata.EntryPoint]:
    """Entry points in the order of their names, without importing any.

    A name that is taken (by a built-in command or an earlier plug-in) is told on stderr and left
    out, so that installing a package never changes what an existing command does.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for plugin in sorted(metadata.entry_points(group=GROUP), key=_order):
        if plugin.name in taken or plugin.name in found:
            package = plugin.dist.name if plugin.dist else plugin.value
            typer.echo(
                f"biogate: the command {plugin.name} of the package {package} is left out: "
                "the name is taken",
                err=True,
            )
            continue
        found[plugin.name] = plugin
    return list(found.values())


def _order(plugin: metadata.EntryPoint) -> tuple[str, str]:
    return plugin.name, plugin.value
