"""Passwords that anyone would try: what is left of one without its common parts is too short."""

from __future__ import annotations

import re

LEAST_LEFT = 6
"""Characters that a password has besides its common parts."""

# Of English and German, and of what is around a bioreactor. Compared without case and marks.
COMMON_WORDS = (
    *("password", "passwort", "passwd", "kennwort", "passphrase", "geheim", "secret", "letmein"),
    *("administrator", "admin", "operator", "engineer", "supervisor", "observer", "root", "user"),
    *("gateway", "biogate", "bioreactor", "reactor", "fermenter", "fermentation", "opcua", "scada"),
    *("welcome", "willkommen", "login", "changeme", "default", "guest", "test", "demo", "service"),
    *("spring", "summer", "autumn", "winter", "fruehling", "sommer", "herbst", "monday", "friday"),
    *("january", "february", "march", "april", "june", "july", "august", "september", "october"),
    *("november", "december", "iloveyou", "sunshine", "princess", "football", "baseball", "dragon"),
    *("monkey", "master", "shadow", "superman", "batman", "trustno", "hello", "hallo", "company"),
    *("qwerty", "qwertz", "asdf", "yxcv", "zxcv", "abc", "xyz"),
)
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
)
_SEQUENCES = tuple(
    row[start : start + 4]
    for digits in ("01234567890", "09876543210")
    for row in (*_ROWS, *(row[::-1] for row in _ROWS), digits)
    for start in range(len(row) - 3)
)
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")
_FEW = 4


def is_common(password: str, name: str = "") -> bool:
    """True when too little is left without common words, the user's name, rows and digits."""
    folded = password.casefold()
    if len(set(folded)) <= _FEW:
        return True
    words = (*COMMON_WORDS, *([name.casefold()] if len(name) > 2 else []))
    return any(len(_left(text, words)) < LEAST_LEFT for text in (folded, _as_letters(folded)))


def _as_letters(folded: str) -> str:
    """With letters for the digits and marks that stand for them, within words only."""
    return re.sub(r"[\W_\d]+$", "", folded).translate(_LOOKALIKES)


def _left(text: str, words: tuple[str, ...]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, " ")
    for sequence in _SEQUENCES:
        text = text.replace(sequence, " ")
    text = re.sub(r"(.)\1{2,}", " ", text)
    text = re.sub(r"(?<![^\W\d_])\d+(?![^\W\d_])", " ", text)  # years and counters, by themselves
    return re.sub(r"[\W_]+", "", text)
