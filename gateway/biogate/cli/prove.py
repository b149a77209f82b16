"""`biogate security prove` and `biogate security documents`: evidence for an assessor."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biogate.cli.options import DataOption
from biogate.data_folder import DEFAULT_DATA

if TYPE_CHECKING:
    from biogate.prove.access import Login

SiteArgument = Annotated[
    Path, typer.Argument(metavar="SITE.yaml", help="The site file, with zones and conduits.")
]
_COULD_NOT = 2


def prove(
    site: SiteArgument,
    data: DataOption = DEFAULT_DATA,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="Start the gateway for it: simulated devices, loopback, a temporary folder.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="DIR", help="Write evidence.json and evidence.html into it."
        ),
    ] = None,
    as_: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="ZONE=USER",
            help="An account to try a zone with; its password comes from BIOGATE_PASSWORD_USER, "
            "or is asked for. More than once: more accounts.",
        ),
    ] = None,
    allow_writes: Annotated[
        bool,
        typer.Option(
            "--allow-writes",
            help="On a running plant, also make the writes that should be let and those beyond "
            "bounds. Without it only writes that should be refused are tried, with the "
            "present value.",
        ),
    ] = False,
    sample: Annotated[
        int,
        typer.Option("--sample", min=0, help="Parts to try by rule, action and user; 0 tries all."),
    ] = 2,
) -> None:
    """Try every conduit from both sides over sockets, and tell where it is not as stated.

    What should come is read from the site file alone; the gateway's policy is never asked.

    Exit code 0: all as stated; 1: a conduit leaks, or blocks what it should let; 2: something
    could not be tried.
    """
    import asyncio

    from biogate.prove.session import Options, read_site
    from biogate.prove.session import prove as run

    with _told():
        _, content = read_site(site)
        logins = {} if rehearse else _logins(content, as_ or ())
        options = Options(data, report, rehearse, allow_writes, sample, logins)
        code = asyncio.run(run(site, options, typer.echo))
    raise typer.Exit(code)


def documents(
    site: SiteArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write into.")],
    data: DataOption = DEFAULT_DATA,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="evidence.json of `biogate security prove`, for the matrix to refer to.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    sbom: Annotated[
        bool, typer.Option("--sbom/--no-sbom", help="The software bill of materials, too.")
    ] = True,
) -> None:
    """Write what an assessor asks for: diagram, zone records, matrix, SBOM, settings.

    Exit code 0: written; 2: the site file is wrong, or something is missing.
    """
    from biogate.prove.documents.write import write_documents

    with _told():
        for file in write_documents(site, out, data=data, evidence=evidence, sbom=sbom):
            typer.echo(f"wrote {file}")


def _logins(content: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, list[Login]]:
    """The accounts to try a running plant with; passwords from the environment, or asked for."""
    from biogate.prove.access import Login, accounts_of, password_of

    pairs = [each.partition("=")[::2] for each in wanted] or [
        (zone, user)
        for zone in content["zones"]
        for user in accounts_of(content, zone)
        if password_of(user)
    ]
    logins: dict[str, list[Login]] = {}
    for zone, user in pairs:
        roles = accounts_of(content, zone).get(user) if zone in content["zones"] else None
        if roles is None:
            raise typer.BadParameter(f"--as {zone}={user}: the site has no such user in that zone")
        password = password_of(user) or _asked(user)
        logins.setdefault(zone, []).append(Login(user, roles, password))
    return logins


def _asked(user: str) -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"the password of {user} is in no environment variable")
    return getpass.getpass(f"password of {user}: ")


@contextmanager
def _told() -> Iterator[None]:
    """Turn what can be wrong as a whole into a message and exit code 2."""
    from biogate.prove.errors import ProveError
    from biogate.site import SiteError
    from biogate_security.pki_update import PkiError

    try:
        yield
    except SiteError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(_COULD_NOT) from error
    except (OSError, PkiError, ProveError) as error:
        typer.echo(f"biogate: {error}", err=True)
        raise typer.Exit(_COULD_NOT) from error
