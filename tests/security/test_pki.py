"""The PKI folder (Part 12, annex F): trusting is moving a file; strangers leave a bounded trace."""

from __future__ import annotations

import logging
import os
from datetime import timedelta

import pytest
from asyncua.ua import StatusCodes
from cryptography.hazmat.primitives.serialization import Encoding

from biogate_security import log_budget, status
from biogate_security.certificate import thumbprint
from biogate_security.own_certificate import ApplicationIdentity
from biogate_security.pki import Pki

OWN_URI = "urn:example:gateway"
CLIENT_URI = "urn:example:client"


@pytest.fixture
def make(tmp_path, clock):
    def make(**options):
        identity = ApplicationIdentity(OWN_URI, ["127.0.0.1"])
        return Pki(tmp_path / "pki", identity, clock=clock.ticks, **options)

    return make


@pytest.fixture
def pki(make):
    return make()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pki"


def rejected_file(folder):
    (path,) = (folder / "rejected" / "certs").iterdir()
    return path


def test_the_first_start_makes_the_folders(pki, folder):
    for part in ("own/certs", "own/private", "trusted/certs", "trusted/crl"):
        assert (folder / part).is_dir()
    for part in ("issuer/certs", "issuer/crl", "rejected/certs"):
        assert (folder / part).is_dir()


def test_open_needs_no_more_than_a_folder_a_uri_and_host_names(tmp_path):
    first = Pki.open(tmp_path, OWN_URI, ["localhost"])
    again = Pki.open(tmp_path, OWN_URI, ["localhost"])
    assert first.certificate_der == again.certificate_der
    assert first.private_key.key_size == 2048


def test_a_stranger_is_refused_and_told_nothing_but_kept_for_the_administrator(
    pki, folder, party, caplog
):
    client = party("Filler 3")
    verdict = pki.inspect(client.der, CLIENT_URI)
    assert verdict.status == status.BAD_CERTIFICATE_UNTRUSTED
    assert verdict.wire_status == status.BAD_SECURITY_CHECKS_FAILED
    assert verdict.common_name == "Filler 3"
    path = rejected_file(folder)
    assert path.name == f"Filler 3 [{thumbprint(client.certificate)}].der"
    assert path.read_bytes() == client.der
    assert "Bad_CertificateUntrusted" in caplog.text


def test_moving_the_file_to_trusted_makes_it_good_without_a_restart(pki, folder, party):
    client = party()
    assert pki.validate(client.der) == status.BAD_CERTIFICATE_UNTRUSTED
    path = rejected_file(folder)
    trusted = path.rename(folder / "trusted" / "certs" / path.name)
    assert pki.validate(client.der, CLIENT_URI) == status.GOOD
    trusted.unlink()
    assert pki.validate(client.der) == status.BAD_CERTIFICATE_UNTRUSTED


def test_a_trusted_file_replaced_in_place_is_read_again(pki, folder, party):
    one, two = party("one", 0), party("two", 1)
    path = folder / "trusted" / "certs" / "client.der"
    path.write_bytes(one.der)
    assert pki.validate(one.der) == status.GOOD
    path.write_bytes(two.der)
    assert pki.validate(two.der) == status.GOOD
    assert pki.validate(one.der) == status.BAD_CERTIFICATE_UNTRUSTED


def test_pem_files_are_read_too(pki, folder, party):
    client = party()
    (folder / "trusted" / "certs" / "client.pem").write_bytes(
        b"\n" + client.certificate.public_bytes(Encoding.PEM)
    )
    assert pki.validate(client.der) == status.GOOD


def test_a_plants_authority_its_lists_and_a_revocation_all_come_from_the_folders(
    pki, folder, plant
):
    (folder / "trusted" / "certs" / "root.der").write_bytes(plant.root.der)
    (folder / "issuer" / "certs" / "issuing.der").write_bytes(plant.issuing.der)
    assert pki.validate(plant.client.der) == status.BAD_CERTIFICATE_REVOCATION_UNKNOWN
    (folder / "trusted" / "crl" / "root.crl").write_bytes(plant.root.crl())
    (folder / "issuer" / "crl" / "issuing.crl").write_bytes(plant.issuing.crl())
    assert pki.validate(plant.client.der, CLIENT_URI) == status.GOOD
    (folder / "issuer" / "crl" / "issuing.crl").write_bytes(plant.issuing.crl(plant.client))
    verdict = pki.inspect(plant.client.der)
    assert verdict.status == status.BAD_CERTIFICATE_REVOKED
    assert verdict.wire_status == status.BAD_SECURITY_CHECKS_FAILED


def test_a_trusted_client_is_told_that_its_certificate_expired(pki, folder, party, clock):
    client = party()
    (folder / "trusted" / "certs" / "client.der").write_bytes(client.der)
    assert pki.validate(client.der) == status.GOOD
    clock.advance(timedelta(days=366).total_seconds())
    verdict = pki.inspect(client.der)
    assert verdict.status == verdict.wire_status == status.BAD_CERTIFICATE_TIME_INVALID


def test_a_file_that_is_no_certificate_takes_no_other_with_it(pki, folder, party, caplog):
    client = party()
    (folder / "trusted" / "certs" / "a note.txt").write_text("ask Anna")
    (folder / "trusted" / "crl" / "broken.crl").write_text("ask Anna")
    (folder / "trusted" / "certs" / "client.der").write_bytes(client.der)
    for _ in range(3):
        assert pki.validate(client.der) == status.GOOD
    left_out = [r.file for r in caplog.records if "left out" in r.message]
    assert sorted(name.rsplit("/", 1)[1] for name in left_out) == ["a note.txt", "broken.crl"]


def test_rejected_keeps_the_newest_hundred_or_what_is_configured(make, folder, party):
    pki = make(max_rejected=3)
    for number in range(5):
        pki.validate(party(f"client {number}").der)
        # Files made within one tick of the clock have no order: give them one.
        for age, path in enumerate(pki.rejected()):
            os.utime(path, (number * 10 + age, number * 10 + age))
    names = {path.name.split(" [")[0] for path in pki.rejected()}
    assert names == {"client 2", "client 3", "client 4"}


def test_a_flood_of_strangers_does_not_wait_for_the_disk_and_leaves_some_of_them(
    make, folder, party, clock, monkeypatch
):
    """They come on the event loop, before any login: nothing else runs meanwhile."""
    pki = make()
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for number in range(log_budget.LINES_PER_MINUTE + 5):
        assert pki.validate(party(f"client {number}").der) == status.BAD_CERTIFICATE_UNTRUSTED
    assert synced == []
    assert len(pki.rejected()) == log_budget.LINES_PER_MINUTE
    assert pki.counters["not_kept"] == 5
    clock.wall += timedelta(minutes=1)
    pki.validate(party("later").der)
    assert len(pki.rejected()) == log_budget.LINES_PER_MINUTE + 1


def test_a_strangers_name_cannot_choose_the_file(pki, folder, party):
    pki.validate(party("../../trusted/certs/x\n\x1b[2J").der)
    path = rejected_file(folder)
    assert path.parent == folder / "rejected" / "certs"
    assert path.name.split(" [")[0] == "_.._trusted_certs_x___2J"
    assert list((folder / "trusted" / "certs").iterdir()) == []


def test_a_stranger_is_logged_once_while_it_lies_in_rejected(pki, party, caplog):
    client = party()
    for _ in range(5):
        pki.validate(client.der)
    assert sum("certificate refused" in record.message for record in caplog.records) == 1
    assert pki.counters["Bad_CertificateUntrusted"] == 5


def test_forged_certificates_are_not_kept(pki, folder, party, plant):
    forged = party("client", 3, signer=plant.root.key)
    assert pki.validate(forged.der) == status.BAD_CERTIFICATE_INVALID
    assert list((folder / "rejected" / "certs").iterdir()) == []


def test_auto_trust_takes_a_sound_self_signed_stranger_in_and_says_so(make, folder, party, caplog):
    pki = make(auto_trust=True)
    client = party()
    assert pki.validate(client.der, CLIENT_URI) == status.GOOD
    assert "trusted on first use" in caplog.text
    caplog.clear()
    assert pki.validate(client.der, CLIENT_URI) == status.GOOD
    assert caplog.text == ""
    assert [path.read_bytes() for path in (folder / "trusted" / "certs").iterdir()] == [client.der]


def test_auto_trust_takes_in_nothing_else(make, folder, party, plant, now):
    pki = make(auto_trust=True)
    expired = party(end=now - timedelta(days=1))
    assert pki.validate(expired.der) == status.BAD_CERTIFICATE_TIME_INVALID
    assert pki.validate(party().der, "urn:other") == status.BAD_CERTIFICATE_URI_INVALID
    sent = plant.client.der + plant.issuing.der + plant.root.der
    assert pki.validate(sent) == status.BAD_CERTIFICATE_UNTRUSTED
    assert list((folder / "trusted" / "certs").iterdir()) == []


def test_the_own_certificates_faults_are_logged_at_start_and_renewal_mends_them(
    make, clock, caplog
):
    make()
    clock.advance(timedelta(days=5 * 365 - 10).total_seconds())
    pki = make()
    assert pki.warnings == ("it expires on 2031-11-23",)
    assert "own certificate: it expires on 2031-11-23" in caplog.text
    before = pki.certificate_der
    pki.renew()
    assert pki.certificate_der != before
    assert pki.warnings == ()


@pytest.mark.parametrize("code", sorted(status.NAMES))
def test_only_what_part_4_allows_reaches_a_peer(code):
    told = {
        "Good",
        "Bad_CertificateTimeInvalid",
        "Bad_CertificateIssuerTimeInvalid",
        "Bad_CertificateUriInvalid",
        "Bad_CertificateUseNotAllowed",
    }
    expected = status.name(code) if status.name(code) in told else "Bad_SecurityChecksFailed"
    assert status.name(status.wire_status(code)) == expected


def test_the_codes_are_those_of_the_standard():
    for code, name in status.NAMES.items():
        assert getattr(StatusCodes, name.replace("_", "")) == code


def test_a_flood_of_strangers_is_not_a_flood_of_log_lines(pki, party, caplog, clock):
    caplog.set_level(logging.WARNING)
    for number in range(log_budget.LINES_PER_MINUTE + 5):
        pki.validate(party(f"client {number}").der)
    assert len(caplog.records) == log_budget.LINES_PER_MINUTE
    clock.advance(60)
    pki.validate(party("late").der)
    assert caplog.records[-1].lines_left_out == 5
