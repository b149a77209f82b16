"""`biogate pki` on the files of a gateway that is stopped; tests/e2e has one that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pki_parties import Party, made, signed

from biogate_security.own_certificate import load, pem_of
from biogate_security.pki import Pki
from biogate_security.private_file import write_private

Run = Callable[..., Any]
URI = "urn:test:gateway"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "pki", URI, ["gate-1", "127.0.0.1"])


@pytest.fixture
def run(biogate: Run, pki: Pki, tmp_path: Path) -> Run:
    """`run("list", ...)` on the data folder."""

    def run(command: str, *arguments: str | Path) -> Any:
        return biogate("pki", command, *map(str, arguments), "--data", str(tmp_path))

    return run


@pytest.fixture
def client() -> Party:
    return made("scada", 1, uri="urn:test:scada")


@pytest.fixture
def authority() -> Party:
    return made("plant authority", 2)


def listed(run: Run) -> dict[str, list[dict[str, str]]]:
    entries: dict[str, list[dict[str, str]]] = {}
    for entry in json.loads(run("list", "--json").out):
        entries.setdefault(entry["place"], []).append(entry)
    return entries


def problems(run: Run, *arguments: str | Path) -> tuple[int, list[str]]:
    outcome = run("doctor", "--json", *arguments)
    found = json.loads(outcome.out)
    assert all(problem["advice"] for problem in found)
    return outcome.code, [problem["what"] for problem in found]


def test_list_tells_whose_certificates_are_where_and_why_one_was_refused(
    run: Run, pki: Pki, client: Party
) -> None:
    pki.validate(client.der)
    outcome = run("list")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[lines.index("rejected:") + 1] == f"  {client.thumbprint}  CN=scada"
    assert "urn:test:scada, valid" in outcome.out
    assert "refused: Bad_CertificateUntrusted" in outcome.out
    (own,) = listed(run)["own"]
    assert own["application_uri"] == URI


def test_a_rejected_certificate_is_trusted_by_the_beginning_of_its_thumbprint(
    run: Run, pki: Pki, client: Party
) -> None:
    pki.validate(client.der)
    outcome = run("trust", client.thumbprint[:6].lower())
    assert outcome.code == 0
    assert client.thumbprint in outcome.out
    assert pki.validate(client.der) == 0
    entries = listed(run)
    assert "rejected" not in entries
    assert [entry["thumbprint"] for entry in entries["trusted"]] == [client.thumbprint]


def test_trusting_what_is_refused_for_another_reason_says_so(run: Run, pki: Pki) -> None:
    expired = made("old", 1, uri="urn:test:old", days=-1)
    pki.validate(expired.der)
    outcome = run("trust", expired.thumbprint)
    assert outcome.code == 1
    assert "Bad_CertificateTimeInvalid" in outcome.err


def test_a_thumbprint_that_fits_several_is_asked_for(
    run: Run, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (made(name, 1, uri=f"urn:test:{name}") for name in ("first", "second"))
    pki.validate(first.der)
    pki.validate(second.der)
    asked: list[str] = []

    def answer(_question: str, **_options: object) -> int:
        asked.append(_question)
        return 0 if len(asked) == 1 else 2

    # Two certificates whose thumbprints begin alike take too long to make.
    monkeypatch.setattr("typer.prompt", answer)
    monkeypatch.setattr(
        "biogate_security.pki_inventory.matching", lambda entries, _prefix: list(entries)
    )
    refused = run("trust", "A")
    assert refused.code == 2
    assert "2 certificates begin with A" in refused.out
    assert "trusted" not in listed(run)
    assert run("trust", "A").code == 0
    assert len(listed(run)["trusted"]) == len(listed(run)["rejected"]) == 1


@pytest.mark.parametrize("thumbprint", ["", "FFFF", "xyz"])
def test_a_thumbprint_that_fits_none_changes_nothing(
    run: Run, pki: Pki, client: Party, thumbprint: str
) -> None:
    pki.validate(client.der)
    if client.thumbprint.startswith(thumbprint or "-"):
        pytest.skip("a certificate of just that thumbprint")
    outcome = run("trust", thumbprint)
    assert outcome.code == 2
    assert "biogate pki list" in outcome.err
    assert len(listed(run)["rejected"]) == 1


def test_an_authority_is_trusted_from_a_file_and_needs_its_list(
    run: Run, pki: Pki, authority: Party, tmp_path: Path
) -> None:
    client = made("scada", 1, uri="urn:test:scada", issuer=authority)
    file, crl = tmp_path / "authority.crt", tmp_path / "authority.crl"
    file.write_bytes(authority.der)
    crl.write_bytes(authority.crl())
    outcome = run("trust", file)
    assert outcome.code == 0
    assert "import-crl" in outcome.out
    assert pki.validate(client.der) != 0
    assert run("import-crl", crl).code == 0
    assert pki.validate(client.der) == 0


def test_a_user_is_trusted_as_a_user_only(run: Run, pki: Pki, tmp_path: Path) -> None:
    user, file = made("olga", 3, uri="urn:test:olga"), tmp_path / "olga.der"
    file.write_bytes(user.der)
    assert run("trust", file, "--user").code == 0
    assert [entry["thumbprint"] for entry in listed(run)["trusted user"]] == [user.thumbprint]
    assert pki.validate(user.der) != 0
    assert run("reject", user.thumbprint, "--user").code == 0
    assert "trusted user" not in listed(run)


def test_a_rejected_one_is_out_and_can_come_back(run: Run, pki: Pki, client: Party) -> None:
    pki.validate(client.der)
    run("trust", client.thumbprint)
    assert run("reject", client.thumbprint).code == 0
    assert pki.validate(client.der) != 0
    assert run("trust", client.thumbprint).code == 0
    assert pki.validate(client.der) == 0


def test_a_newer_list_takes_the_place_of_an_older_one_and_never_the_other_way(
    run: Run, authority: Party, tmp_path: Path
) -> None:
    (tmp_path / "ca.der").write_bytes(authority.der)
    run("trust", tmp_path / "ca.der")
    old, new = tmp_path / "old.crl", tmp_path / "new.crl"
    old.write_bytes(authority.crl(age_days=3))
    new.write_bytes(authority.crl(made("x", 1, uri="urn:x", issuer=authority)))
    folder = tmp_path / "pki" / "trusted" / "crl"
    assert run("import-crl", old).code == 0
    assert run("import-crl", new).code == 0
    assert [path.read_bytes() for path in folder.iterdir()] == [new.read_bytes()]
    refused = run("import-crl", old)
    assert refused.code == 2
    assert "is newer" in refused.err
    assert [path.read_bytes() for path in folder.iterdir()] == [new.read_bytes()]


def test_a_list_of_an_authority_that_is_not_here_is_refused(
    run: Run, authority: Party, tmp_path: Path
) -> None:
    crl = tmp_path / "ca.crl"
    crl.write_bytes(authority.crl())
    outcome = run("import-crl", crl)
    assert outcome.code == 2
    assert "CN=plant authority" in outcome.err
    assert "biogate pki trust" in outcome.err


# renew


@pytest.mark.parametrize("same", [False, True])
def test_renewing_keeps_the_identity_and_the_old_certificate(
    run: Run, pki: Pki, tmp_path: Path, same: bool
) -> None:
    before = pki.own
    outcome = run("renew", *(["--same-key"] if same else []), "--days", "100")
    assert outcome.code == 0
    after = load(tmp_path / "pki" / "own")
    assert after.certificate != before.certificate
    same_key = after.private_key.private_numbers() == before.private_key.private_numbers()
    assert same_key is same
    assert after.certificate.subject == before.certificate.subject
    assert (after.certificate.not_valid_after_utc - pki.now).days in (99, 100)
    assert len(list((tmp_path / "pki" / "own" / "certs").iterdir())) == 2
    assert problems(run) == (0, [])


def test_a_request_goes_to_an_authority_and_its_answer_is_taken_over(
    run: Run, pki: Pki, authority: Party, tmp_path: Path
) -> None:
    request, answer, ca = tmp_path / "gate.csr", tmp_path / "gate.der", tmp_path / "ca.der"
    outcome = run("renew", "--request", request, "--subject", "CN=Gate 1/O=Plant")
    assert outcome.code == 0
    csr = x509.load_pem_x509_csr(request.read_bytes())
    assert csr.subject.rfc4514_string() == "O=Plant,CN=Gate 1"
    assert problems(run)[0] == 1
    ca.write_bytes(authority.der)
    der = csr.public_bytes(Encoding.DER)
    answer.write_bytes(signed(der, authority))
    refused = run("renew", "--certificate", answer)
    assert refused.code == 2
    assert "Bad_CertificateChainIncomplete" in refused.err
    assert run("renew", "--certificate", answer, "--issuer", ca).code == 0
    assert load(tmp_path / "pki" / "own").certificate.subject == csr.subject
    again = run("renew")
    assert again.code == 2
    assert "--request" in again.err


# export


def test_export_gives_the_certificate_and_never_the_key(run: Run, pki: Pki, tmp_path: Path) -> None:
    outcome = run("export")
    assert outcome.code == 0
    assert x509.load_pem_x509_certificate(outcome.out.encode()) == pki.own.certificate
    assert "PRIVATE" not in outcome.out
    assert run("export", "-o", tmp_path / "gate.der").code == 0
    assert (tmp_path / "gate.der").read_bytes() == pki.certificate_der


# doctor


def test_a_fresh_folder_has_nothing_wrong(run: Run) -> None:
    outcome = run("doctor")
    assert (outcome.code, outcome.err) == (0, "")
    assert "nothing wrong" in outcome.out


def test_the_doctor_tells_of_keys_open_to_others(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "pki" / "own" / "private" / "application.pem"
    key.chmod(0o644)
    (tmp_path / "pki" / "trusted" / "certs").chmod(0o777)
    code, found = problems(run)
    assert code == 2
    assert any("others than its owner may use it (mode 0644)" in what for what in found)
    assert any("may put certificates into it" in what for what in found)


def test_the_doctor_tells_of_a_pair_that_does_not_fit(run: Run, tmp_path: Path) -> None:
    stranger = made("x", 5, uri="urn:x")
    write_private(tmp_path / "pki" / "own" / "private" / "application.pem", pem_of(stranger.key))
    code, found = problems(run)
    assert code == 2
    assert "is not the key of" in found[0]


def test_the_doctor_tells_of_lists_that_are_missing_old_or_nobodys(
    run: Run, authority: Party, tmp_path: Path
) -> None:
    trusted = tmp_path / "pki" / "trusted"
    (trusted / "certs" / "ca.der").write_bytes(authority.der)
    code, found = problems(run)
    assert code == 2
    assert "there is no current revocation list of it" in found[0]
    (trusted / "crl" / "ca.crl").write_bytes(authority.crl(days=-0.5))
    assert problems(run)[0] == 2
    (trusted / "crl" / "ca.crl").write_bytes(authority.crl(days=0.05))
    code, (found,) = problems(run)
    assert code == 1
    assert "up to date until" in found
    (trusted / "crl" / "ca.crl").write_bytes(authority.crl())
    assert problems(run) == (0, [])
    (trusted / "crl" / "other.crl").write_bytes(made("other", 6).crl())
    code, (found,) = problems(run)
    assert code == 1
    assert "no authority here signed it" in found


def test_the_doctor_tells_of_trusted_certificates_that_are_none_or_refused(
    run: Run, authority: Party, tmp_path: Path
) -> None:
    folder = tmp_path / "pki" / "trusted" / "certs"
    (folder / "junk.der").write_bytes(b"junk")
    orphan = made("orphan", 1, uri="urn:test:orphan", issuer=authority)
    (folder / "orphan.der").write_bytes(orphan.der)
    (folder / "old.der").write_bytes(made("old", 3, uri="urn:test:old", days=-1).der)
    (folder / "soon.der").write_bytes(made("soon", 4, uri="urn:test:soon", days=5).der)
    code, found = problems(run)
    assert code == 2
    text = "\n".join(found)
    assert "it is no certificate" in text
    assert "Bad_CertificateChainIncomplete" in text
    assert "it expired on" in text
    assert "it expires on" in text


def test_the_doctor_compares_with_the_site_file(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "biogate: 1\nnamespace: urn:plant:line\nenterprise: E\nsite: S\narea: A\n"
        "process_cell: C\n"
        "opcua: {application_uri: 'urn:test:other', host: gate.example}\n"
        "nodes:\n  recipes:\n    namespace: urn:plant:recipes\n"
        "    objects: {Line: {variables: {Speed: {type: Double}}}}\n"
    )
    outcome = run("doctor", "--json", "--site", site)
    assert outcome.code == 2, outcome.err
    found = [problem["what"] for problem in json.loads(outcome.out)]
    assert any("the site is urn:test:other" in what for what in found)
    assert any("gate.example" in what for what in found)


def test_each_zone_has_certificates_of_its_own(biogate: Run, tmp_path: Path) -> None:
    Pki.open(tmp_path / "zones" / "cell" / "pki", f"{URI}:cell", ["127.0.0.1"])
    outcome = biogate("pki", "list", "--zone", "cell", "--data", str(tmp_path))
    assert outcome.code == 0
    assert f"{URI}:cell" in outcome.out
    missing = biogate("pki", "list", "--zone", "dmz", "--data", str(tmp_path))
    assert missing.code == 2
    assert "zone dmz" in missing.err
    escaping = biogate("pki", "list", "--zone", "../..", "--data", str(tmp_path))
    assert escaping.code == 2
