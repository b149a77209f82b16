"""The Merkle tree of RFC 6962, 2.1 (RFC 9162, 2.1): leaves, roots, proofs. No I/O.

A leaf is SHA-256(0x00 | data), a node SHA-256(0x01 | left | right), the empty tree SHA-256("").
Who holds a root can be shown that one record is among the leaves (inclusion), and that an older
root's leaves are still the first ones (consistency), by some log2(n) hashes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds `data`."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two hashes."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that its root and its next leaf need.

    `peaks` are the roots of the perfect subtrees, one for each 1 in the binary form of `size`,
    the largest first; appending costs 1 hash on average and log2(size) at most.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Raises ValueError where the peaks are not those of a tree of `size` leaves."""
        self.size = size
        self.peaks = list(peaks)
        fits = size >= 0 and size.bit_count() == len(self.peaks)
        if not fits or any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise ValueError(f"{len(self.peaks)} hashes are no frontier of {size} leaves")

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Self:
        """The frontier that `to_bytes` packed. Raises ValueError for anything else."""
        steps = range(0, len(packed), HASH_BYTES)
        return cls(size, (packed[at : at + HASH_BYTES] for at in steps))

    def to_bytes(self) -> bytes:
        """The peaks, one after the other."""
        return b"".join(self.peaks)

    def copy(self) -> Frontier:
        """One that grows on its own."""
        return Frontier(self.size, self.peaks)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        self._add(leaf, 0)

    def skip(self, count: int) -> None:
        """Add `count` leaves of 32 zero bytes: in the place of records that are lost."""
        while count:
            height = count.bit_length() - 1
            if self.size:
                height = min(height, (self.size & -self.size).bit_length() - 1)
            self._add(_zeros(height), height)
            count -= 1 << height

    def _add(self, subtree: bytes, height: int) -> None:
        size = self.size >> height
        while size & 1:
            subtree = node_hash(self.peaks.pop(), subtree)
            size >>= 1
        self.peaks.append(subtree)
        self.size += 1 << height

    def root(self) -> bytes:
        """The Merkle tree head of the leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


class MerkleTree:
    """A whole tree in memory (64 bytes a leaf), for proofs. Leaves are given as hashes.

    Each level pairs the one below; a node without a partner moves up as it is, which gives the
    tree of RFC 6962.
    """

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self._levels = [bytearray().join(leaves)]
        while len(self._levels[-1]) > HASH_BYTES:
            self._levels.append(_level_above(self._levels[-1]))

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0]) // HASH_BYTES

    def root(self) -> bytes:
        """The Merkle tree head."""
        return bytes(self._levels[-1]) or EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """The proof that leaf `index` (from 0) is in the tree (RFC 9162, 2.1.3.1)."""
        if not 0 <= index < self.size:
            raise IndexError(f"there is no leaf {index} in a tree of {self.size}")
        proof = []
        for level in self._levels[:-1]:
            if partner := _node(level, index ^ 1):
                proof.append(partner)
            index >>= 1
        return proof

    def consistency(self, older: int) -> list[bytes]:
        """The proof that the first `older` leaves are an older tree's (RFC 9162, 2.1.4.1)."""
        if not 0 < older <= self.size:
            raise IndexError(f"there is no tree of {older} leaves in one of {self.size}")
        proof: list[bytes] = []
        start, end, known = 0, self.size, True
        while older != end:
            split = start + _largest_power_below(end - start)
            if older <= split:
                proof.append(self._subtree(split, end))
                end = split
            else:
                proof.append(self._subtree(start, split))
                start, known = split, False
        if not known:
            proof.append(self._subtree(start, end))
        return proof[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        """The root of leaves `start` to `end`, a subtree: its node on the level of its height."""
        height = (end - start - 1).bit_length()
        return _node(self._levels[height], start >> height)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether `proof` shows leaf `index` (from 0) under `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, computed = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(step, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, step)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def verify_consistency(
    older: int, newer: int, proof: Sequence[bytes], older_root: bytes, newer_root: bytes
) -> bool:
    """Whether `proof` shows the older tree to be the newer one's start (RFC 9162, 2.1.4.2)."""
    if older == newer:
        return not proof and older_root == newer_root
    if not 0 < older < newer:
        return False
    steps = [older_root, *proof] if older & (older - 1) == 0 else list(proof)
    if not steps:
        return False
    node, last = older - 1, newer - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    return last == 0 and old == older_root and new == newer_root


def _level_above(level: bytearray) -> bytearray:
    above, pair = bytearray(), 2 * HASH_BYTES
    for at in range(0, len(level), pair):
        nodes = level[at : at + pair]
        above += sha256(b"\x01" + nodes).digest() if len(nodes) == pair else nodes
    return above


def _node(level: bytearray, index: int) -> bytes:
    return bytes(level[index * HASH_BYTES : (index + 1) * HASH_BYTES])


def _zeros(height: int) -> bytes:
    """The root of 2 ** height leaves of zero bytes."""
    root = bytes(HASH_BYTES)
    for _ in range(height):
        root = node_hash(root, root)
    return root


def _largest_power_below(number: int) -> int:
    """The largest power of two less than `number` (2 or more)."""
    return 1 << (number - 1).bit_length() - 1
