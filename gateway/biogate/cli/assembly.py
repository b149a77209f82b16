"""The table of commands, and how they become one program with a fast `--help`."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from biogate.cli.plugins import find_plugins

# Command → module:attribute (a function or a typer.Typer), and the line that --help shows.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("biogate.cli.demo:demo", "Start a simulated bioreactor and serve it by OPC UA."),
    "run": ("biogate.cli.run:run", "Run the gateway for one site."),
    "sim": ("biogate.cli.sim:app", "Simulate the devices of a site, without the gateway."),
    "check": ("biogate.cli.check:check", "Check a site file and list every mistake."),
    "schema": ("biogate.cli.schema:schema", "Print the JSON Schema of site files or profiles."),
    "users": ("biogate.cli.users:app", "List and change the accounts of a data folder."),
    "security": ("biogate.cli.security:app", "Explain rights, prove zones, write documents."),
    "audit": ("biogate.cli.audit:app", "Verify, show and export the audit trail."),
    "backup": ("biogate.cli.backup:backup", "Back up a data folder, also while it is in use."),
    "restore": ("biogate.cli.backup:restore", "Restore a data folder from a backup."),
    "wipe": ("biogate.cli.wipe:wipe", "Take a data folder out of service: wipe keys and accounts."),
    "pki": ("biogate.cli.pki:app", "List, trust and renew certificates; find what is wrong."),
    "nodesets": ("biogate.cli.nodesets:app", "Fetch, list and verify the official nodesets."),
}


class LazyCommand(TyperCommand):
    """Stands in the list with its name and help; the real command is imported to run."""

    def __init__(self, name: str, target: str, *, help_line: str) -> None:
        super().__init__(name=name, help=help_line)
        self._target = target

    def load(self) -> Any:
        """The function or typer.Typer behind the command."""
        module, _, attribute = self._target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        """The context of the real command, which then runs in the place of this one."""
        return as_command(str(self.name), self.load()).make_context(info_name, args, *more, **extra)


class PluginCommand(LazyCommand):
    """A command of another package. One that cannot be loaded says so and harms no other."""

    def __init__(self, plugin: metadata.EntryPoint) -> None:
        self._package = plugin.dist.name if plugin.dist else "an unknown package"
        help_line = f"From the package {self._package}."
        super().__init__(plugin.name, plugin.value, help_line=help_line)
        self._plugin = plugin

    def load(self) -> Any:
        """What the entry point names. Exits with 1 and a message where that fails."""
        try:
            return self._plugin.load()
        except Exception as error:
            typer.echo(
                f"biogate: the command {self.name} of the package {self._package} cannot be "
                f"loaded ({self._plugin.value}): {type(error).__name__}: {error}\n"
                f"Upgrade or uninstall {self._package}; the other commands work.",
                err=True,
            )
            raise typer.Exit(1) from error


def as_command(name: str, target: Any) -> Any:
    """A typer function or a typer.Typer as one command called `name`."""
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command(name)(function)
    command = typer.main.get_command(target)
    command.name = name
    return command


def build(first: str = "") -> TyperGroup:
    """The whole program: the table above, then the commands of other packages.

    `first` is the first word of the command line. Where it is a command of the table, no other
    package is looked for: reading the metadata of all that is installed costs 30 ms.
    """
    app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    app.callback()(_program)
    group = cast(TyperGroup, typer.main.get_command(app))
    for name, (target, help_line) in COMMANDS.items():
        group.add_command(LazyCommand(name, target, help_line=help_line))
    for plugin in () if first in COMMANDS else find_plugins(COMMANDS):
        group.add_command(PluginCommand(plugin))
    return group


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"biogate {metadata.version('biogate')}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=lambda wanted: _print_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    """Gateway and OPC UA information-model server for bioreactors."""
