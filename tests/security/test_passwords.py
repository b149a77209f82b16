"""Password rules: length, and more than what anyone would try."""

from __future__ import annotations

import pytest

from biogate_security import passwords
from biogate_security.common_passwords import is_common
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
        Passwords(cheap, 12).check_new("Passwort-2026!", "olga")
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
    some = Passwords(cheap, 12)
    with pytest.raises(PasswordError, match="at most"):
        some.check_new(endless)
    with pytest.raises(PasswordError, match="at most"):
        some.hash(endless)
    assert not some.verify(some.hash("correct horse battery"), endless)
    assert max(lengths) <= passwords.MAX_PASSWORD_BYTES
