"""What is changed in a PKI folder takes effect together, and is noticed by whoever uses it."""

from __future__ import annotations

import stat
from datetime import timedelta
from itertools import count

import pytest
from cryptography import x509

from biogate_security import own_certificate, pki_commit, status
from biogate_security.folder_lock import FileLock
from biogate_security.own_certificate import ApplicationIdentity, new_pair, pem_of
from biogate_security.pki import Pki
from biogate_security.pki_update import OwnUpdate, PkiUpdate, PkiUpdateError
from biogate_security.trust_content import Group, TrustContent

IDENTITY = ApplicationIdentity("urn:example:gateway", ["localhost"])


@pytest.fixture(autouse=True)
def _keys_made_once(monkeypatch, party):
    numbers = count(30)
    monkeypatch.setattr(own_certificate, "new_key", lambda _bits: party("own", next(numbers)).key)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "pki"


@pytest.fixture
def pki(root, clock):
    return Pki(root, IDENTITY, clock=clock.ticks)


def files(folder):
    return {path.name for path in folder.iterdir()}


def own_update(pki, *, new_key=True, keep_old_key=False):
    own = new_pair(IDENTITY, pki.now, None if new_key else pki.private_key)
    der = own.certificate.public_bytes(own_certificate.serialization.Encoding.DER)
    return OwnUpdate(der, pem_of(own.private_key), keep_old_key=keep_old_key)


def test_renewing_makes_a_new_pair_and_keeps_the_old_beside_it(pki, root):
    before = pki.own
    pki.renew()
    assert pki.own.certificate != before.certificate
    assert pki.private_key.private_numbers() != before.private_key.private_numbers()
    assert own_certificate.load(root / "own").certificate == pki.own.certificate
    (old,) = (root / "own" / "certs").glob("application [[]*.der")
    assert x509.load_der_x509_certificate(old.read_bytes()) == before.certificate
    (old_key,) = (root / "own" / "private").glob("application [[]*.pem")
    assert old_key.read_bytes() == pem_of(before.private_key)
    assert stat.S_IMODE(old_key.stat().st_mode) == 0o600


def test_renewing_with_the_same_key_keeps_it(pki, root):
    before = pki.own
    pki.renew(new_key=False)
    assert pki.certificate_der != before.certificate.public_bytes(
        own_certificate.serialization.Encoding.DER
    )
    assert pki.private_key.private_numbers() == before.private_key.private_numbers()
    assert files(root / "own" / "private") == {"application.pem"}


def test_a_key_that_a_new_one_replaces_is_deleted_unless_it_shall_stay(pki, root):
    """Part 12, 7.10.10: the previously active key pair is deleted."""
    pki_commit.commit(root, PkiUpdate(own_update(pki)))
    assert files(root / "own" / "private") == {"application.pem"}


def test_a_pair_that_another_process_put_there_is_noticed_and_used(pki, root, clock):
    other = Pki(root, IDENTITY, clock=clock.ticks)
    assert pki.poll() == []
    other.renew()
    (change,) = pki.poll()
    assert change.group is None
    assert pki.certificate_der == other.certificate_der
    assert pki.private_key.private_numbers() == other.private_key.private_numbers()
    assert own_certificate.thumbprint(pki.own.certificate) in change.new
    assert change.old != change.new
    assert pki.poll() == []


def test_a_pair_that_does_not_fit_is_left_alone_and_told_once(pki, root, caplog):
    before = pki.certificate_der
    stranger = own_certificate.new_key(2048)
    own_certificate.key_path(root / "own").write_bytes(pem_of(stranger))
    assert pki.poll() == []
    assert pki.poll() == []
    assert caplog.text.count("not taken over") == 1
    assert pki.certificate_der == before


def test_what_was_put_into_or_out_of_a_trust_list_is_told(pki, root, party, plant):
    client = party()
    place = root / "trusted" / "certs" / "client.der"
    place.write_bytes(client.der)
    (root / "issuerUser" / "crl" / "plant.crl").write_bytes(plant.root.crl(plant.client))
    application, user = pki.poll()
    assert (application.group, user.group) == (Group.APPLICATION, Group.USER)
    assert application.added == (
        f"trusted certificate client [{own_certificate.thumbprint(client.certificate)}]",
    )
    assert "revocation list of CN=root" in user.new
    assert "with 1 entries" in user.new
    place.unlink()
    (gone,) = pki.poll()
    assert (gone.added, gone.removed) == ((), application.added)


def test_a_file_touched_without_a_change_is_no_change(pki, root, party):
    place = root / "trusted" / "certs" / "client.der"
    place.write_bytes(party().der)
    assert len(pki.poll()) == 1
    place.write_bytes(place.read_bytes())
    assert pki.poll() == []


def test_a_committed_trust_list_holds_what_it_says_and_nothing_else(pki, root, party, plant):
    trusted = root / "trusted" / "certs"
    kept, gone, new = party("kept", 5), party("gone", 6), party("new", 7)
    (trusted / "my own name.der").write_bytes(kept.der)
    (trusted / "gone.der").write_bytes(gone.der)
    (trusted / "notes.txt").write_bytes(b"who may connect")
    content = TrustContent((kept.der, new.der), (), (plant.root.der,), (plant.root.crl(),))
    pki_commit.commit(root, PkiUpdate(lists={Group.APPLICATION: content}))
    mark = own_certificate.thumbprint(new.certificate)
    assert files(trusted) == {"my own name.der", f"new [{mark}].der", "notes.txt"}
    held = pki.trust_lists[Group.APPLICATION].content()
    assert set(held.trusted) == set(content.trusted)
    assert (held.issuers, held.issuer_crls) == (content.issuers, content.issuer_crls)


class CrashError(Exception):
    pass


@pytest.mark.parametrize("step", range(28))
def test_a_crash_at_any_write_leaves_all_of_the_old_or_all_of_the_new(
    pki, root, party, plant, clock, monkeypatch, step
):
    """A file is the unit that can be lost; the next start sees a whole state."""
    old = party("old", 5)
    (root / "trusted" / "certs" / "old.der").write_bytes(old.der)
    before = (pki.certificate_der, {old.der})
    update = PkiUpdate(
        own_update(pki, keep_old_key=True),
        {Group.APPLICATION: TrustContent((plant.root.der,), (plant.root.crl(),), (), ())},
    )
    after = (update.own.certificate, {plant.root.der})
    left = iter(range(step))

    def limited(function):
        def run(*args, **kwargs):
            if next(left, None) is None:
                raise CrashError
            return function(*args, **kwargs)

        return run

    monkeypatch.setattr(pki_commit, "write_private", limited(pki_commit.write_private))
    monkeypatch.setattr(pki_commit, "sync_folder", limited(pki_commit.sync_folder))
    try:
        pki_commit.commit(root, update)
        crashed = False
    except CrashError:
        crashed = True
    monkeypatch.undo()
    started = Pki(root, IDENTITY, clock=clock.ticks)
    trusted = started.trust_lists[Group.APPLICATION].content().trusted
    state = (started.certificate_der, set(trusted))
    assert state in ((before, after) if crashed else (after,))
    assert not pki_commit.is_under_way(root)


@pytest.mark.parametrize("removed", range(8))
def test_a_crash_while_the_change_is_cleared_away_takes_nothing_back(
    pki, root, party, plant, clock, monkeypatch, removed
):
    """A folder is removed file by file: what is left of it is not what was asked for."""
    client = party("client", 5)
    update = PkiUpdate(
        own_update(pki),
        {Group.APPLICATION: TrustContent((client.der, plant.root.der), (plant.root.crl(),))},
    )

    def cut_short(folder, **_):
        for path in [path for path in sorted(folder.rglob("*")) if path.is_file()][:removed]:
            path.unlink()
        raise CrashError

    monkeypatch.setattr(pki_commit.shutil, "rmtree", cut_short)
    with pytest.raises(CrashError):
        pki_commit.commit(root, update)
    monkeypatch.undo()
    started = Pki(root, IDENTITY, clock=clock.ticks)
    held = started.trust_lists[Group.APPLICATION].content()
    assert started.certificate_der == update.own.certificate
    assert set(held.trusted) == {client.der, plant.root.der}
    assert len(held.trusted_crls) == 1
    started.renew()
    assert not list(root.glob(".commit*")), "with a private key in it"


def test_two_changes_at_a_time_are_one_too_many(pki, root):
    with FileLock(root / "pki.lock", "the folder"), pytest.raises(PkiUpdateError, match="in use"):
        pki.renew()


def test_validity_begins_an_hour_before_for_clocks_that_are_late(pki):
    begin = pki.own.certificate.not_valid_before_utc
    assert pki.now - begin == timedelta(hours=1)


def test_what_was_accepted_in_spite_of_a_fault_is_told_once_and_counted(
    root, clock, party, now, caplog
):
    """Part 4, 6.1.3: suppressed errors are recorded."""
    pki = Pki.open(root, "urn:example:gateway", ["h"], suppress=["expired"], clock=clock.ticks)
    client = party(end=now - timedelta(days=1))
    (root / "trusted" / "certs" / "client.der").write_bytes(client.der)
    assert pki.validate(client.der) == pki.validate(client.der) == 0
    (accepted,) = pki.take_accepted()
    assert accepted.certificate == client.der
    assert status.name(accepted.status) == "Bad_CertificateTimeInvalid"
    assert pki.take_accepted() == []
    assert pki.counters["suppressed Bad_CertificateTimeInvalid"] == 2
    assert caplog.text.count("in spite of Bad_CertificateTimeInvalid") == 1
    assert pki.validate(client.der) == 0
    assert len(pki.take_accepted()) == 1


def test_while_a_trust_list_cannot_be_read_newcomers_stay_out_and_others_in(
    pki, root, party, monkeypatch
):
    client = party()
    (root / "trusted" / "certs" / "client.der").write_bytes(client.der)
    assert len(pki.poll()) == 1
    assert pki.judge_again(client.der) == pki.validate(client.der) == 0

    def no_more_files(_folder):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("biogate_security.trust_list._stamps", no_more_files)
        assert pki.validate(client.der) != 0
        assert pki.judge_again(client.der) == 0
        assert pki.poll() == []
    assert pki.validate(client.der) == 0
    assert pki.poll() == []
    (root / "trusted" / "certs" / "client.der").unlink()
    assert status.name(pki.judge_again(client.der)) == "Bad_CertificateUntrusted"
    assert len(pki.poll()) == 1


def test_an_own_certificate_that_cannot_be_read_is_kept_beside_its_successor(pki, root):
    place = root / "own" / "certs" / "application.der"
    place.write_bytes(b"spoilt")
    pki_commit.commit(root, PkiUpdate(own_update(pki)))
    assert (place.parent / "application [unreadable].der").read_bytes() == b"spoilt"
    assert len(pki.poll()) == 1


def test_a_stranger_is_judged_though_nothing_can_be_kept(pki, party, monkeypatch):
    def no_more_files(_folder):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Pki, "rejected", no_more_files)
    assert status.name(pki.validate(party().der)) == "Bad_CertificateUntrusted"
    assert pki.counters["not_kept"] == 1


def test_a_gateway_that_runs_for_long_says_each_day_that_its_certificate_ends(pki, clock, caplog):
    clock.advance((5 * 365 - 20) * 86_400)
    pki.poll()
    pki.poll()
    assert caplog.text.count("own certificate: it expires on") == 1
    clock.advance(86_400)
    pki.poll()
    assert caplog.text.count("own certificate: it expires on") == 2
