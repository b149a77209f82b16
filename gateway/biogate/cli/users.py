"""`biogate users`: the accounts of a data folder, while no gateway uses it."""

from __future__ import annotations

from typing import Annotated

import typer

from biogate.cli.options import DataOption
from biogate.data_folder import DEFAULT_DATA

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List and change the accounts of a data folder.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user name.")]
RolesOption = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="Well-known role; may be given several times."),
]
AskOption = Annotated[
    bool,
    typer.Option("--ask", help="Ask for the password, instead of making one for one login."),
]


@app.command("list")
def list_(data: DataOption = DEFAULT_DATA) -> None:
    """List the accounts: roles, how they log in, and what is special. Also beside a gateway."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.list_users(data))


@app.command("add")
def add(
    name: NameArgument,
    role: RolesOption = None,
    certificate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HEX",
            help="Thumbprint of a certificate to log in with, then without a password.",
        ),
    ] = None,
    ask: AskOption = False,
    description: Annotated[str, typer.Option(metavar="TEXT", help="For people.")] = "",
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Add an account; its password, made for one login within 24 hours, is printed this once."""
    from biogate.cli import users_work

    password = _asked() if ask else None
    raise typer.Exit(
        users_work.add(data, name, role or [], certificate or [], password, description)
    )


@app.command("passwd")
def passwd(name: NameArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Set a password, which is asked for."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.set_password(data, name, _asked()))


@app.command("reset")
def reset(name: NameArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Give a password for one login within 24 hours, and print it this once."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.reset(data, name))


@app.command("disable")
def disable(name: NameArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Shut an account, whatever the site file says of it."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.set_disabled(data, name, disabled=True))


@app.command("enable")
def enable(name: NameArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Open an account that an administrator has shut."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.set_disabled(data, name, disabled=False))


@app.command("roles")
def roles(
    name: NameArgument,
    role: Annotated[list[str], typer.Argument(metavar="ROLE...", help="All that it shall have.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Give an account other roles. Of accounts in a site file, the file says the roles."""
    from biogate.cli import users_work

    raise typer.Exit(users_work.set_roles(data, name, role))


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
