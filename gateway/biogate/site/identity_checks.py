"""Checks of who may log in: whose certificates are, and where the keys of token issuers lie."""

from __future__ import annotations

from pathlib import Path

from biogate.site.model import Site
from biogate_adapters.document import Document


def check_identities(document: Document, site: Site) -> None:
    """A certificate is one user's, and an issuer's keys are there."""
    seen: dict[str, str] = {}
    for name, user in (site.users or {}).items():
        if user.certificate is None:
            continue
        if user.certificate in seen:
            document.report(
                ("users", name, "certificate"),
                f"the certificate of {name} is that of {seen[user.certificate]} already",
                hint="a certificate says who somebody is: give each user their own",
            )
        seen.setdefault(user.certificate, name)
    for zone in site.zones:
        for key in ("user_certificates", "issued_tokens"):
            if document.has(("zones", zone, "opcua", key)):
                document.report(
                    ("zones", zone, "opcua", key),
                    f"{key} is for the whole site: who users are does not differ by zone",
                    hint="say it in the site's opcua, and which users may come in `users`",
                    key=True,
                )
    tokens = site.opcua.issued_tokens
    if tokens is not None and not Path(tokens.jwks_file).is_file():
        document.report(
            ("opcua", "issued_tokens", "jwks_file"),
            f"there is no file {tokens.jwks_file}",
            hint="save the identity provider's public keys (its JWKS) there",
        )
