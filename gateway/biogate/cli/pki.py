"""`biogate pki`: the gateway's certificates, and whose it trusts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biogate.cli.pki_folder import (
    DataOption,
    SiteOption,
    UserOption,
    ZoneOption,
    failures_told,
    folder_of,
    identity_of_site,
    now,
    one_of,
)
from biogate.cli.pki_renew import renew
from biogate.data_folder import DEFAULT_DATA

if TYPE_CHECKING:
    from cryptography import x509

    from biogate_security.pki_doctor import Problem
    from biogate_security.pki_inventory import Entry, Place

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=(
        "List, trust, reject and renew certificates, and find out what is wrong with them. Works"
        " on the data folder of a gateway that runs or is stopped; one that runs takes notice"
        " within seconds."
    ),
)
app.command("renew")(renew)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(
    data: DataOption = DEFAULT_DATA, zone: ZoneOption = None, json: JsonOption = False
) -> None:
    """List certificates: own, trusted, issuers, rejected, and why these are refused."""
    from biogate_security.pki_inventory import inventory

    with failures_told():
        entries = inventory(folder_of(data, zone), now())
    if json:
        _print_json([_as_data(entry) for entry in entries])
        return
    for line in _lines(entries):
        typer.echo(line)


@app.command("trust")
def trust(
    what: Annotated[
        str,
        typer.Argument(
            metavar="THUMBPRINT|FILE",
            help="The beginning of a rejected certificate's thumbprint, or a certificate file.",
        ),
    ],
    issuer: Annotated[
        bool,
        typer.Option(
            "--issuer", help="As an authority that completes chains and is not trusted by itself."
        ),
    ] = False,
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
    user: UserOption = False,
) -> None:
    """Trust a certificate that was refused, or one from a file (DER or PEM).

    Exit code 0: it is trusted; 1: it is, but is refused all the same, and says why; 2: not done.
    """
    from biogate_security import pki_inventory as pki
    from biogate_security.trust_check import is_authority

    with failures_told():
        root = folder_of(data, zone)
        place = _place(user=user, issuer=issuer)
        entry = (
            None
            if _is_file(what)
            else one_of(list(pki.entries_in(root, pki.Place.REJECTED)), what, "that was refused")
        )
        certificate = _read(Path(what)) if entry is None else entry.certificate
        assert certificate is not None
        target = (
            pki.add(root, place, certificate) if entry is None else pki.move(entry, root, place)
        )
        typer.echo(f"{_describe(certificate)}\nnow in {target}")
        if issuer or is_authority(certificate):
            _ask_for_list(certificate)
            return
        refused = pki.refusal(root, _group(user=user), certificate, now())
    if refused:
        typer.echo(f"it is trusted now, and refused all the same: {refused}", err=True)
        raise typer.Exit(1)


@app.command("reject")
def reject(
    thumbprint: Annotated[
        str, typer.Argument(metavar="THUMBPRINT", help="The beginning of its thumbprint.")
    ],
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
    user: UserOption = False,
) -> None:
    """Trust a certificate no longer: its channels are closed, and it lies with the rejected.

    An authority's takes with it all certificates that it issued.
    """
    from biogate_security import pki_inventory as pki

    with failures_told():
        root = folder_of(data, zone)
        places = (_place(user=user, issuer=False), _place(user=user, issuer=True))
        entries = [entry for place in places for entry in pki.entries_in(root, place)]
        entry = one_of(entries, thumbprint, "in the trust list")
        assert entry.certificate is not None
        target = pki.move(entry, root, pki.Place.REJECTED)
    typer.echo(f"{_describe(entry.certificate)}\nno longer {entry.place}, now in {target}")


@app.command("import-crl")
def import_crl(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Revocation lists, DER or PEM.", exists=True),
    ],
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
) -> None:
    """Take in an authority's revocation list, in place of its older one."""
    from biogate_security.revocation_files import import_crl as take_in
    from biogate_security.revocation_files import is_current
    from biogate_security.trust_list import parse_crl

    root = folder_of(data, zone)
    for path in files:
        with failures_told():
            crl = parse_crl(path.read_bytes())
            for taken in take_in(root, crl):
                typer.echo(f"{path}: {len(crl)} revoked, now {taken.file}")
        if not is_current(crl, now()):
            end = crl.next_update_utc
            until = f"{end:%Y-%m-%d %H:%M}" if end else "no date"
            typer.echo(f"{path}: not up to date (until {until}): get the next one", err=True)


@app.command("export")
def export(
    thumbprint: Annotated[
        str | None,
        typer.Argument(metavar="[THUMBPRINT]", help="Whose; the gateway's own where absent."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this file: DER for .der and .crt, else PEM."),
    ] = None,
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
) -> None:
    """Print a certificate as PEM, or write it to a file, to give it to clients. Never the key."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from biogate_security import own_certificate, pki_inventory

    with failures_told():
        root = folder_of(data, zone)
        if thumbprint is None:
            certificate = _read(own_certificate.certificate_path(root / "own"))
        else:
            entry = one_of(pki_inventory.inventory(root, now()), thumbprint, "here")
            assert entry.certificate is not None
            certificate = entry.certificate
        if output is None:
            typer.echo(certificate.public_bytes(Encoding.PEM).decode(), nl=False)
            return
        encoding = Encoding.DER if output.suffix in (".der", ".crt", ".cer") else Encoding.PEM
        output.write_bytes(certificate.public_bytes(encoding))
    typer.echo(f"{_describe(certificate)}\nwritten to {output}")


@app.command("doctor")
def doctor(
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
    site: SiteOption = None,
    json: JsonOption = False,
) -> None:
    """Find what is wrong with the certificates, or soon will be, and say what to do.

    Exit code 0: nothing; 1: something will have to be done; 2: something does not work.
    """
    from biogate_security.pki_doctor import Examination, examine

    with failures_told():
        root = folder_of(data, zone)
        identity = identity_of_site(site, zone) if site is not None else None
        problems = examine(Examination(root, now(), identity))
    if json:
        _print_json([_problem_as_data(problem) for problem in problems])
    else:
        _tell(problems, root)
    raise typer.Exit(max((int(problem.severity) for problem in problems), default=0))


def _tell(problems: list[Problem], root: Path) -> None:
    for problem in problems:
        typer.echo(f"{problem.severity.name.lower()}: {problem.subject}: {problem.what}")
        typer.echo(f"    {problem.advice}")
    if not problems:
        typer.echo(f"{root}: nothing wrong")


def _lines(entries: list[Entry]) -> Iterator[str]:
    place = None
    for entry in entries:
        if entry.place is not place:
            place = entry.place
            yield f"{place}:"
        if entry.certificate is None:
            yield f"  {entry.file.name}: {entry.note}"
            continue
        start, end = entry.certificate.not_valid_before_utc, entry.certificate.not_valid_after_utc
        yield f"  {entry.thumbprint}  {entry.subject}"
        yield f"    {entry.uri or 'no URI'}, valid {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        if entry.note:
            yield f"    refused: {entry.note}"


def _describe(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import hashes

    from biogate_security.certificate import application_uris, thumbprint
    from biogate_security.log_text import safe_text

    sha256 = certificate.fingerprint(hashes.SHA256()).hex().upper()
    uri = " ".join(application_uris(certificate)) or "no URI"
    return (
        f"{safe_text(certificate.subject.rfc4514_string(), 200)}\n"
        f"  {safe_text(uri, 200)}, valid to {certificate.not_valid_after_utc:%Y-%m-%d}\n"
        f"  SHA-1 {thumbprint(certificate)}\n  SHA-256 {sha256}"
    )


def _ask_for_list(certificate: x509.Certificate) -> None:
    from biogate_security.pki_inventory import readable_name

    typer.echo(
        f"certificates of {readable_name(certificate)} are accepted once its revocation list is"
        " here, too: biogate pki import-crl FILE"
    )


def _is_file(what: str) -> bool:
    return Path(what).is_file()


def _read(path: Path) -> x509.Certificate:
    from biogate_security.trust_list import parse_certificate

    return parse_certificate(path.read_bytes())


def _group(*, user: bool) -> Any:
    from biogate_security.trust_content import Group

    return Group.USER if user else Group.APPLICATION


def _place(*, user: bool, issuer: bool) -> Place:
    from biogate_security.pki_inventory import Place

    if user:
        return Place.ISSUER_USER if issuer else Place.TRUSTED_USER
    return Place.ISSUER if issuer else Place.TRUSTED


def _as_data(entry: Entry) -> dict[str, str]:
    shown = {"place": str(entry.place), "file": str(entry.file), "note": entry.note}
    if entry.certificate is None:
        return shown
    return {
        **shown,
        "thumbprint": entry.thumbprint,
        "subject": entry.subject,
        "application_uri": entry.uri,
        "not_before": entry.certificate.not_valid_before_utc.isoformat(),
        "not_after": entry.certificate.not_valid_after_utc.isoformat(),
    }


def _problem_as_data(problem: Problem) -> dict[str, str]:
    return {
        "severity": problem.severity.name.lower(),
        "subject": problem.subject,
        "what": problem.what,
        "advice": problem.advice,
    }


def _print_json(value: object) -> None:
    from json import dumps

    typer.echo(dumps(value, indent=2, ensure_ascii=False))
