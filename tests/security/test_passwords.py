"""Password rules: length, and more than what anyone would try."""

from __future__ import annotations

import pytest

from biogate_security import passwords
from biogate_security.common_passwords import is_common
from biogate_security.password_demands import CharacterKind, DemandsError, PasswordDemands
from biogate_security.passwords import PasswordError, Passwords, readable_password


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd1234",
        "Passwort-2026!",
        "administrator",
        "operator-operator",
        "qwertyuiop12",
        "123456789012",
        "abcdefghijkl",
        "aaaaaaaaaaaab",
        "Summer2026!!!!",
        "biogate-biogate",
        "olga olga olga",
    ],
)
def test_what_anyone_would_try_is_common(password):
    assert is_common(password, "olga")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "another long secret", "wet blue kettle 9", "hjk4-9xw2-mmpq-7tzr"],
)
def test_a_phrase_of_ones_own_is_not(password):
    assert not is_common(password, "olga")


def test_passwords_that_are_made_are_never_common():
    assert not any(is_common(readable_password()) for _ in range(500))


def test_a_common_password_is_refused_without_being_shown(cheap):
    with pytest.raises(PasswordError, match="common words") as error:
        Passwords(cheap, PasswordDemands()).check_new("Passwort-2026!", "olga")
    assert "Passwort" not in str(error.value)


def test_an_endless_password_is_not_even_composed(cheap, monkeypatch):
    """Normalisation takes time with the square of the length, and lets nobody else run."""
    lengths = []

    def normalize(form, text):
        lengths.append(len(text))
        return real(form, text)

    real = passwords.unicodedata.normalize
    monkeypatch.setattr(passwords.unicodedata, "normalize", normalize)
    endless = "a" + "\u0315\u0300\u0327" * 10_000
    some = Passwords(cheap, PasswordDemands())
    with pytest.raises(PasswordError, match="at most"):
        some.check_new(endless)
    with pytest.raises(PasswordError, match="at most"):
        some.hash(endless)
    assert not some.verify(some.hash("correct horse battery"), endless)
    assert max(lengths) <= passwords.MAX_PASSWORD_BYTES


# IEC 62443-4-2, CR 1.7: a least length and a variety of characters that can be configured.
@pytest.mark.parametrize(
    ("kinds", "lacking"),
    [
        ("upper", "an upper-case letter"),
        ("lower", ""),
        ("digit", "a digit"),
        ("special", "a special character (no letter, digit or space)"),
        ("digit upper", "an upper-case letter, a digit"),
    ],
)
def test_a_password_without_a_kind_of_character_that_is_asked_for_is_refused(cheap, kinds, lacking):
    demands = PasswordDemands(kinds=frozenset(map(CharacterKind, kinds.split())))
    passwords = Passwords(cheap, demands)
    if lacking:
        with pytest.raises(PasswordError, match="a password needs") as error:
            passwords.check_new("wet blue kettle", "olga")
        assert str(error.value) == f"a password needs {lacking}"
    passwords.check_new("Wet blue kettle, 9", "olga")


@pytest.mark.parametrize("length", [12, 20, 64, 128])
def test_passwords_that_are_made_have_what_is_asked_for(cheap, length):
    demands = PasswordDemands(length, frozenset(CharacterKind))
    passwords = Passwords(cheap, demands)
    for _ in range(50):
        passwords.check_new(readable_password(demands), "olga")


def test_what_is_asked_for_is_kept_in_the_data_folder(tmp_path):
    assert PasswordDemands.of(tmp_path) == PasswordDemands()
    demands = PasswordDemands(16, frozenset({CharacterKind.UPPER, CharacterKind.DIGIT}))
    demands.keep(tmp_path)
    assert PasswordDemands.of(tmp_path) == demands
    PasswordDemands().keep(tmp_path)
    assert PasswordDemands.of(tmp_path) == PasswordDemands()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"minimum_length": 4, "require": []}',
        '{"minimum_length": true, "require": []}',
        '{"minimum_length": 16, "require": ["runes"]}',
    ],
)
def test_a_file_that_asks_for_nothing_that_can_be_understood_is_named(tmp_path, content):
    (tmp_path / "password-rules.json").write_text(content)
    with pytest.raises(DemandsError, match=r"password-rules\.json does not say"):
        PasswordDemands.of(tmp_path)
