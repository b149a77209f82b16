"""Loading a site file: text → shape → references, with all problems at once."""

from __future__ import annotations

from pathlib import Path

from biogate.site.conduit_checks import check_conduits
from biogate.site.device_checks import check_devices, load_profiles
from biogate.site.function_checks import check_functions
from biogate.site.identity_checks import check_identities
from biogate.site.model import Site
from biogate.site.node_checks import check_nodes
from biogate.site.profiles import InstalledProfiles, ProfileCatalogue
from biogate.site.signature_checks import check_signatures
from biogate.site.site_checks import (
    check_endpoint,
    check_parts,
    check_test_rig,
    check_users,
)
from biogate.site.structure import validate_structure
from biogate.site.zone_checks import check_zones
from biogate_adapters.document import Document, parse_document
from biogate_adapters.problems import DocumentError, Problem


class SiteError(DocumentError):
    """A site file that cannot be used; `problems` are all its mistakes in file order."""


def load_site(path: str | Path, *, profiles: ProfileCatalogue | None = None) -> Site:
    """Read and check a site file.

    Raises SiteError with every problem found; a file that cannot be read is one of them.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise SiteError([Problem(str(path), 1, 1, "", message)]) from error
    return parse_site(content, str(path), folder=path.parent, profiles=profiles)


def parse_site(
    content: bytes,
    file: str,
    *,
    folder: Path,
    profiles: ProfileCatalogue | None = None,
) -> Site:
    """As `load_site`, from bytes. `file` is the name that problems carry."""
    try:
        document = parse_document(content, file)
    except DocumentError as error:
        raise SiteError(error.problems) from error
    if document.data is None and not document.problems:
        hint = "begin with biogate: 1, and see examples/demo-site.yaml"
        document.report((), "the file is empty", hint=hint)
        raise SiteError(document.problems)
    site = validate_structure(document, folder)
    if site:
        _check_references(document, site, profiles or InstalledProfiles())
    if document.problems or site is None:
        raise SiteError(document.problems)
    return site


def _check_references(document: Document, site: Site, catalogue: ProfileCatalogue) -> None:
    check_parts(document, site)
    check_users(document, site)
    check_identities(document, site)
    check_test_rig(document, site, site.opcua, ("opcua",))
    check_endpoint(document, site.opcua, ("opcua",))
    profiles = load_profiles(document, site, catalogue)
    check_devices(document, site, profiles)
    check_functions(document, site, profiles)
    check_nodes(document, site)
    check_zones(document, site)
    check_conduits(document, site, profiles)
    check_signatures(document, site, profiles)
