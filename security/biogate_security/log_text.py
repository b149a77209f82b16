"""Text from outside, made safe to store, print and read: bounded, with nothing that can forge."""

from __future__ import annotations

import hashlib
import unicodedata

# Controls, invisible and direction-changing characters, surrogates, line and paragraph breaks.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe_text(text: str, limit: int) -> str:
    r"""`text` with unsafe characters as `\uXXXX`, cut to `limit` characters of the original.

    A backslash becomes two, so that the escapes cannot be imitated. What was cut is named by
    its whole length and SHA-256, so that it can still be identified.
    """
    if len(text) > limit:
        return _escape(text[:limit]) + _cut_mark(text)
    return _escape(text)


def _escape(text: str) -> str:
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _cut_mark(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"… [cut: {len(text)} characters, sha256 {digest}]"
