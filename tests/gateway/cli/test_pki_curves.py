"""`biogate pki` with certificates of elliptic curves beside the RSA one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pki_parties import Party, made

from biogate.site import SiteError, load_site
from biogate_security.key_kinds import CURVES
from biogate_security.pki import Pki

Run = Callable[..., Any]
URI = "urn:test:gateway"


def opened(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "pki", URI, ["gate-1"], curves=[CURVES["nistP256"]])


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return opened(tmp_path)


@pytest.fixture
def run(biogate: Run, pki: Pki, tmp_path: Path) -> Run:
    def run(command: str, *arguments: str | Path) -> Any:
        return biogate("pki", command, *map(str, arguments), "--data", str(tmp_path))

    return run


def test_list_shows_each_own_certificate_and_the_doctor_is_content(run: Run) -> None:
    shown = [e["file"] for e in json.loads(run("list", "--json").out) if e["place"] == "own"]
    assert [Path(file).name for file in shown] == ["application.der", "application_nistP256.der"]
    assert run("doctor").code == 0


def test_renew_renews_all_of_them(run: Run, pki: Pki, tmp_path: Path) -> None:
    outcome = run("renew")
    assert outcome.code == 0
    assert "RSA: " in outcome.out
    assert "nistP256: " in outcome.out
    after = opened(tmp_path)
    assert after.certificate_der != pki.certificate_der
    assert after.certificate_of("nistP256") != pki.certificate_of("nistP256")


def test_renew_renews_the_one_of_a_curve_alone(run: Run, pki: Pki, tmp_path: Path) -> None:
    assert run("renew", "--curve", "nistP256").code == 0
    after = opened(tmp_path)
    assert after.certificate_der == pki.certificate_der
    assert after.certificate_of("nistP256") != pki.certificate_of("nistP256")


def test_a_curve_of_which_there_is_none_is_told(run: Run) -> None:
    outcome = run("renew", "--curve", "nistP384")
    assert outcome.code == 2
    assert "there are those of: nistP256" in outcome.err


def test_an_authority_signs_the_one_of_a_curve(run: Run, pki: Pki, tmp_path: Path) -> None:
    request, answer, issuer = (tmp_path / name for name in ("r.csr", "own.crt", "ca.crt"))
    assert run("renew", "--request", request, "--curve", "nistP256").code == 0
    authority: Party = made("plant authority", 2)
    csr = x509.load_pem_x509_csr(request.read_bytes())
    answer.write_bytes(signed_request(csr, authority))
    issuer.write_bytes(authority.der)
    outcome = run("renew", "--certificate", answer, "--issuer", issuer)
    assert outcome.code == 0, outcome.err
    after = opened(tmp_path)
    assert after.certificate_of("nistP256") == answer.read_bytes()
    assert after.certificate_der == pki.certificate_der
    refused = run("renew")
    assert refused.code == 2
    assert "--curve renews one of several" in refused.err


def signed_request(csr: x509.CertificateSigningRequest, authority: Party) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    builder = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.certificate.not_valid_before_utc)
        .not_valid_after(authority.certificate.not_valid_after_utc)
    )
    for extension in csr.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_export_gives_the_one_of_a_curve_by_its_thumbprint(
    run: Run, pki: Pki, tmp_path: Path
) -> None:
    entries = json.loads(run("list", "--json").out)
    (mark,) = [e["thumbprint"] for e in entries if e["file"].endswith("nistP256.der")]
    assert run("export", mark[:8], "-o", tmp_path / "out.der").code == 0
    assert (tmp_path / "out.der").read_bytes() == pki.certificate_of("nistP256")


SITE = """
biogate: 1
enterprise: E
site: S
area: A
process_cell: C
namespace: urn:test:site
opcua:
  security_policies: [{}]
nodes:
  notes:
    namespace: urn:test:notes
    objects:
      Notes: {{variables: {{Text: {{type: String}}}}}}
"""


def test_a_site_names_the_policies_of_curves(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(", ".join(f"ECC_{name}" for name in CURVES)))
    assert load_site(file).opcua.security_policies == tuple(f"ECC_{name}" for name in CURVES)
    file.write_text(SITE.format("ECC_curve25519"))
    with pytest.raises(SiteError):
        load_site(file)
