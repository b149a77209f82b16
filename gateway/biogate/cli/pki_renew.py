"""`biogate pki renew`: another own certificate, self-signed or from an authority."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biogate.cli.pki_folder import (
    DataOption,
    SiteOption,
    ZoneOption,
    fail,
    failures_told,
    folder_of,
    identity_of_site,
)
from biogate.data_folder import DEFAULT_DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biogate_security.key_kinds import KeyKind
    from biogate_security.own_certificate import ApplicationIdentity
    from biogate_security.pki import Pki


def renew(
    same_key: Annotated[
        bool, typer.Option("--same-key", help="Keep the private key; otherwise a new one is made.")
    ] = False,
    request: Annotated[
        Path | None,
        typer.Option(
            "--request",
            metavar="FILE",
            help="Make a signing request (PKCS #10) for an authority instead, and write it there.",
        ),
    ] = None,
    subject: Annotated[
        str,
        typer.Option("--subject", help="Of the request, as CN=name/O=organization; else as now."),
    ] = "",
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="Take over what the authority made of the request (DER or PEM).",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    issuer: Annotated[
        list[Path] | None,
        typer.Option(
            "--issuer",
            metavar="FILE",
            help="With --certificate: an authority's certificate, where it is not here yet.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            metavar="NAME",
            help="Only the certificate of this curve (nistP256, ...); otherwise all that there"
            " are, or for --request the RSA one. A request of a curve is for the present key.",
        ),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=7300, help="Validity of a self-signed one.")
    ] = 1825,
    site: SiteOption = None,
    data: DataOption = DEFAULT_DATA,
    zone: ZoneOption = None,
) -> None:
    """Renew the gateway's own certificate; the old one and its key stay beside it.

    ApplicationUri and host names are those of the present certificate, or of --site. A gateway
    that runs closes its secure channels and offers the new certificate: clients that trusted the
    old one have to be given the new one (biogate pki export).
    """
    from biogate_security import own_certificate
    from biogate_security.pki import Pki

    if request is not None and certificate is not None:
        raise typer.BadParameter("either --request or --certificate")
    with failures_told():
        root = folder_of(data, zone)
        present = own_certificate.load(root / "own").certificate
        identity = own_certificate.identity_of(present)
        if site is not None:
            wanted = identity_of_site(site, zone)
            identity = replace(
                identity, application_uri=wanted.application_uri, hostnames=wanted.hostnames
            )
        curves = own_certificate.curves_in(root / "own")
        pki = Pki(root, replace(identity, validity=timedelta(days=days)), curves=curves)
        kind = _kind(pki, curve)
        if request is not None:
            _request(pki, request, subject, kind, new_key=not same_key and kind.curve is None)
        elif certificate is not None:
            _take_over(pki, certificate, issuer or [])
        else:
            kinds = pki.kinds if curve is None else (kind,)
            _self_signed(pki, identity, kinds, same_key=same_key)


def _kind(pki: Pki, curve: str | None) -> KeyKind:
    """The kind of key that the user means. Exits with 2 for one of which there is none."""
    kinds = {kind.name: kind for kind in pki.kinds}
    if curve is not None and curve not in kinds:
        there = ", ".join(name for name, kind in kinds.items() if kind.curve) or "none"
        fail(f"there is no certificate of the curve {curve!r}; there are those of: {there}")
    return kinds[curve or "RSA"]


def _self_signed(
    pki: Pki, identity: ApplicationIdentity, kinds: Sequence[KeyKind], *, same_key: bool
) -> None:
    for kind in kinds:
        own = pki.pair(kind).certificate
        if own.issuer == own.subject:
            continue
        fail(
            f"the certificate is from {own.issuer.rfc4514_string()}, and renewing it here would"
            " make it self-signed: use --request, and --certificate with the authority's answer;"
            " --curve renews one of several certificates"
        )
    pki.renew(new_key=not same_key, kinds=kinds)
    key = "the same key" if same_key else "a new key"
    typer.echo(f"renewed with {key}, for {identity.application_uri}")
    _tell(pki, kinds)


def _request(pki: Pki, place: Path, subject: str, kind: KeyKind, *, new_key: bool) -> None:
    from secrets import token_bytes

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from biogate_security.pki_admin import MIN_NONCE_BYTES, PkiAdministrator

    admin = PkiAdministrator(pki)
    nonce = token_bytes(MIN_NONCE_BYTES)
    der = admin.signing_request(subject, new_key=new_key, nonce=nonce, kind=kind)
    encoding = Encoding.DER if place.suffix == ".der" else Encoding.PEM
    place.write_bytes(x509.load_der_x509_csr(der).public_bytes(encoding))
    key = "a new key, which waits here" if new_key else "the present key"
    typer.echo(
        f"request for {key} written to {place}: let the authority sign it, then\n"
        f"biogate pki renew --certificate FILE --issuer AUTHORITY"
    )


def _take_over(pki: Pki, place: Path, issuers: list[Path]) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from biogate_security.certificate import read_certificate
    from biogate_security.key_kinds import kind_of
    from biogate_security.pki_admin import PkiAdministrator
    from biogate_security.pki_update import PkiUpdate
    from biogate_security.trust_list import parse_certificate

    admin = PkiAdministrator(pki)
    ders = [
        parse_certificate(path.read_bytes()).public_bytes(Encoding.DER)
        for path in (place, *issuers)
    ]
    kind = kind_of(read_certificate(ders[0]).public_key())
    if kind not in pki.kinds:
        fail(f"{place}: there is no certificate with such a key that it could take the place of")
    update = admin.check_certificate(ders[0], ders[1:], kind=kind)
    admin.commit(PkiUpdate(replace(update, keep_old_key=True)))
    pki.poll()
    typer.echo(f"{place} is the gateway's certificate now")
    _tell(pki, (kind,))


def _tell(pki: Pki, kinds: Sequence[KeyKind]) -> None:
    from biogate_security.certificate import thumbprint

    for kind in kinds:
        own = pki.pair(kind).certificate
        typer.echo(f"  {kind.name}: {thumbprint(own)}, valid to {own.not_valid_after_utc:%Y-%m-%d}")
    typer.echo("give it to the clients that have to trust it: biogate pki export")
