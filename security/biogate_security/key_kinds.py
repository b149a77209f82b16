"""Kinds of keys that an application may have: RSA, and one for each curve (Part 12, 7.8.4).

Each kind has a certificate of its own. A curve's kind is called as in the name of its security
policy: ECC_nistP256 asks for a key of the kind nistP256.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

OwnKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
"""A private key of any of these kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class KeyKind:
    """`curve` is None for RSA; `hash` is what a certificate is signed with by such a key."""

    name: str
    curve: ec.EllipticCurve | None
    hash: hashes.SHA256 | hashes.SHA384

    @property
    def file_stem(self) -> str:
        """What the files of its certificate and key are called, without their suffixes."""
        return "application" if self.curve is None else f"application_{self.name}"


RSA = KeyKind("RSA", None, hashes.SHA256())
CURVES: Mapping[str, KeyKind] = {
    kind.name: kind
    for kind in (
        KeyKind("nistP256", ec.SECP256R1(), hashes.SHA256()),
        KeyKind("nistP384", ec.SECP384R1(), hashes.SHA384()),
        KeyKind("brainpoolP256r1", ec.BrainpoolP256R1(), hashes.SHA256()),
        KeyKind("brainpoolP384r1", ec.BrainpoolP384R1(), hashes.SHA384()),
    )
}
KINDS: Mapping[str, KeyKind] = {RSA.name: RSA, **CURVES}


def kind_of(key: object) -> KeyKind | None:
    """The kind of a public or private key; None for one that is of none of them."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return RSA
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return next((kind for kind in CURVES.values() if _same(kind, key.curve)), None)
    return None


def curves_of(policies: Collection[str]) -> tuple[KeyKind, ...]:
    """The kinds that security policies of these short names ask for besides RSA."""
    return tuple(kind for name, kind in CURVES.items() if f"ECC_{name}" in policies)


def _same(kind: KeyKind, curve: ec.EllipticCurve) -> bool:
    return kind.curve is not None and kind.curve.name == curve.name
