"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), and the files of the key."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.audit_store.checkpoint import Checkpoint, KeyRing, origin_of
from biogate_security.audit_store.keys import KeyFiles, public_keys, read_public_key
from biogate_security.audit_store.notes import (
    Note,
    SigningKey,
    VerifyingKey,
    sign_note,
    split_notes,
)

ORIGIN = origin_of("a log")

# The note and key that the documentation of Go's note package shows.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8p\
AcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""


@pytest.fixture
def key():
    return SigningKey.generate(ORIGIN.replace(" ", "-"))


@pytest.fixture
def signed(key):
    return Checkpoint.sign(key.name, 7, b"r" * 32, 133_485_408_000_000_001, key)


def test_a_note_that_others_made_and_published_verifies():
    key = VerifyingKey.parse(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    assert key.signed(Note.parse(PUBLISHED_NOTE))
    assert not key.signed(Note.parse(PUBLISHED_NOTE.replace("answer", "Answer")))


def test_a_checkpoint_has_this_form(key, signed):
    lines = signed.note.split("\n")
    assert lines[:5] == [
        key.name,
        "7",
        "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=",
        "time 2024-01-01T00:00:00.0000001Z",
        "",
    ]
    assert lines[5].startswith(f"— {key.name} ")
    assert Checkpoint.parse(signed.note) == signed


def test_only_the_key_it_was_signed_with_is_believed(key, signed):
    assert KeyRing((key.verifying,)).believes(signed)
    assert not KeyRing((SigningKey.generate(key.name).verifying,)).believes(signed)
    assert not KeyRing(()).believes(signed)
    assert not KeyRing(())


@given(st.data())
def test_a_checkpoint_changed_anywhere_is_not_believed(data):
    key = SigningKey("name", Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    note = Checkpoint.sign("name", 12, b"r" * 32, 10**17, key).note
    at = data.draw(st.integers(0, len(note) - 1))
    changed = note[:at] + data.draw(st.characters(exclude_characters=note[at])) + note[at + 1 :]
    try:
        forged = Checkpoint.parse(changed)
    except ValueError:
        return
    assert not KeyRing((key.verifying,)).believes(forged)


def test_a_key_that_the_old_one_announced_is_believed_from_then_on(key):
    new = SigningKey.generate(key.name)
    ring = KeyRing((key.verifying,))
    later = Checkpoint.sign(key.name, 9, b"s" * 32, 0, new)
    assert not ring.believes(later)
    change = Checkpoint.sign(key.name, 8, b"r" * 32, 0, key, new, announce=True)
    assert Checkpoint.parse(change.note) == change
    assert ring.believes(change)
    assert ring.believes(later)


def test_a_signature_added_by_a_stranger_vouches_for_nobody(key, signed):
    stranger = SigningKey.generate(key.name)
    ring = KeyRing((key.verifying,))
    text = Note.parse(signed.note).text
    assert ring.believes(replace(signed, note=signed.note + stranger.line(text)))
    assert not ring.believes(Checkpoint.sign(key.name, 9, b"s" * 32, 0, stranger))


def test_an_announced_key_that_did_not_sign_is_not_believed(key):
    new = SigningKey.generate(key.name)
    change = Checkpoint.sign(key.name, 8, b"r" * 32, 0, key, new, announce=True)
    text = Note.parse(change.note).text
    ring = KeyRing((key.verifying,))
    assert ring.believes(replace(change, note=sign_note(text, key)))
    assert not ring.believes(Checkpoint.sign(key.name, 9, b"s" * 32, 0, new))


def test_a_key_of_another_log_is_not_believed(key):
    other = Checkpoint.sign("another-log", 7, b"r" * 32, 0, key)
    assert not KeyRing((key.verifying,)).believes(other)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text only\n",
        "text\n\nno signature\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name !!!\n",
        "a\n07\nAAAA\ntime 2024-01-01T00:00:00.0000001Z\n\n— name AAAAAAAA\n",
        "a\n7\nAAAA\ntime 2024-01-01T00:00:00.0000001Z\n\n— name AAAAAAAA\n",
        "a\n7\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\nno time\n\n— name AAAAAAAA\n",
    ],
)
def test_what_is_no_checkpoint_is_an_error(note):
    with pytest.raises(ValueError, match=r"not a|base64"):
        Checkpoint.parse(note)


@pytest.mark.parametrize(
    "text", ["", "name", "name+00000000+AAAA", PUBLISHED_KEY.replace("c74", "c75")]
)
def test_what_is_no_key_is_an_error(text):
    with pytest.raises(ValueError, match=r"not an Ed25519 key|not base64|id is"):
        VerifyingKey.parse(text)


def test_notes_one_after_another_are_told_apart(key):
    notes = [Checkpoint.sign(key.name, size, b"r" * 32, 0, key).note for size in range(3)]
    both = Checkpoint.sign(key.name, 4, b"r" * 32, 0, key, key, announce=True).note
    assert split_notes("".join([*notes, both])) == [*notes, both]
    assert split_notes("\n\n".join([*notes, both])) == [*notes, both]
    assert split_notes("") == []
    (garbage,) = split_notes("garbage\nwithout signature\n")
    with pytest.raises(ValueError, match="not a signed note"):
        Checkpoint.parse(garbage)


def test_the_private_key_is_for_its_owner_only_and_the_public_one_beside_it(tmp_path):
    files = KeyFiles(tmp_path / "keys")
    key, new = files.load_or_make("name")
    again, newer = files.load_or_make("name")
    assert (new, newer) == (True, False)
    assert again.verifying == key.verifying == read_public_key(tmp_path / "keys" / "audit.pub")
    assert stat.S_IMODE((tmp_path / "keys" / "audit.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys" / "audit.pub").stat().st_mode) == 0o644


def test_a_replaced_key_leaves_its_public_half(tmp_path):
    files = KeyFiles(tmp_path)
    old, _ = files.load_or_make("name")
    new = files.make_next("name")
    assert files.load_next("name").verifying == new.verifying
    files.promote_next(new)
    assert files.load_or_make("name")[0].verifying == new.verifying
    assert files.load_next("name") is None
    assert set(public_keys(tmp_path)) == {old.verifying, new.verifying}


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_spoilt_key_file_is_named_and_left_alone(tmp_path, content):
    (tmp_path / "audit.pem").write_bytes(content)
    with pytest.raises(ValueError, match=r"audit\.pem is no private key"):
        KeyFiles(tmp_path).load_or_make("name")
    assert (tmp_path / "audit.pem").read_bytes() == content


@given(st.text())
def test_any_text_is_a_checkpoint_and_a_key_or_an_error_that_says_so(text):
    for parse in (Checkpoint.parse, VerifyingKey.parse, Note.parse):
        try:
            parse(text)
        except ValueError:
            continue
    for note in split_notes(text):
        assert isinstance(note, str)
