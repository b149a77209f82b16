"""Which PKI folder a command works on, and how its failures are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from biogate.cli.options import DataOption

if TYPE_CHECKING:
    from biogate_security.own_certificate import ApplicationIdentity
    from biogate_security.pki_inventory import Entry

__all__ = [
    "DataOption",
    "SiteOption",
    "UserOption",
    "ZoneOption",
    "failures_told",
    "folder_of",
    "now",
    "one_of",
]

ZoneOption = Annotated[
    str | None,
    typer.Option("--zone", metavar="ZONE", help="The certificates of this zone, not the site's."),
]
UserOption = Annotated[
    bool, typer.Option("--user", help="The trust list of users' certificates, not of programs'.")
]
SiteOption = Annotated[
    Path | None,
    typer.Option(
        "--site",
        metavar="SITE.yaml",
        help="Compare with, or take, the ApplicationUri and host names of this site file.",
        exists=True,
        dir_okay=False,
    ),
]
FAILED = 2


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def folder_of(data: Path, zone: str | None) -> Path:
    """The PKI folder. Exits with 2 and a message where there is none."""
    root = data / "pki" if zone is None else data / "zones" / zone / "pki"
    if zone is not None and Path(zone).name != zone:
        raise typer.BadParameter(f"{zone!r} is no name of a zone", param_hint="--zone")
    if not (root / "own").is_dir():
        whose = "site" if zone is None else f"zone {zone}"
        fail(
            f"there are no certificates of the {whose} in {root}: start the gateway once, or name"
            " its data folder (--data)"
        )
    return root


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit with 2."""
    typer.echo(f"biogate: {message}", err=True)
    raise typer.Exit(FAILED)


@contextmanager
def failures_told() -> Iterator[None]:
    """Tell errors of the PKI in one line and exit with 2."""
    from biogate_security.certificate import CertificateFormatError
    from biogate_security.pki_update import PkiError

    try:
        yield
    except (PkiError, CertificateFormatError) as error:
        fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}")


def identity_of_site(site_file: Path, zone: str | None) -> ApplicationIdentity:
    """What the site file asks of the own certificate. Exits with 2 for a site with mistakes."""
    from biogate.site import SiteError, load_site
    from biogate.storage import host_names
    from biogate_security.own_certificate import ApplicationIdentity

    try:
        site = load_site(site_file)
    except SiteError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(FAILED) from error
    if zone is None:
        return ApplicationIdentity(site.application_uri, host_names(site.opcua.host))
    if zone not in site.zones or site.zones[zone].opcua is None:
        raise typer.BadParameter(f"{site_file} has no zone {zone!r} with an endpoint")
    opcua = site.zone_opcua(zone)
    uri = opcua.application_uri or f"{site.application_uri}:{zone}"
    return ApplicationIdentity(uri, host_names(opcua.host))


def one_of(entries: list[Entry], prefix: str, where: str) -> Entry:
    """The one whose thumbprint begins so; asks where several do. Exits with 2 for none."""
    from biogate_security.pki_inventory import matching

    found = matching(entries, prefix)
    if not found:
        fail(f"no certificate {where} whose thumbprint begins with {prefix}: see biogate pki list")
    if len(found) == 1:
        return found[0]
    typer.echo(f"{len(found)} certificates begin with {prefix}:")
    for number, entry in enumerate(found, 1):
        typer.echo(f"  {number}  {entry.thumbprint}  {entry.subject}")
    answer: int = typer.prompt("Which one (number; 0 for none)", type=int, default=0)
    if not 1 <= answer <= len(found):
        fail("nothing was changed")
    return found[answer - 1]
