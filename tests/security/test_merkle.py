"""The Merkle tree of RFC 6962 / RFC 9162: published vectors, and brute force by its definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_security.audit_store.merkle import (
    EMPTY_ROOT,
    Frontier,
    MerkleTree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that the reference implementation of RFC 6962 (certificate-transparency,
# merkletree tests) publishes.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined_root(data):
    """MTH(D[n]) word by word as RFC 6962, 2.1 defines it."""
    if len(data) < 2:
        return hashlib.sha256(b"\x00" + data[0]).digest() if data else hashlib.sha256().digest()
    split = split_of(len(data))
    return hashlib.sha256(
        b"\x01" + defined_root(data[:split]) + defined_root(data[split:])
    ).digest()


def split_of(count):
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def defined_path(index, data):
    """PATH(m, D[n]) as RFC 6962, 2.1.1 defines it."""
    if len(data) < 2:
        return []
    split = split_of(len(data))
    if index < split:
        return [*defined_path(index, data[:split]), defined_root(data[split:])]
    return [*defined_path(index - split, data[split:]), defined_root(data[:split])]


def defined_subproof(older, data, *, whole):
    """SUBPROOF(m, D[n], b) as RFC 6962, 2.1.2 defines it."""
    if older == len(data):
        return [] if whole else [defined_root(data)]
    split = split_of(len(data))
    if older <= split:
        proof = defined_subproof(older, data[:split], whole=whole)
        return [*proof, defined_root(data[split:])]
    proof = defined_subproof(older - split, data[split:], whole=False)
    return [*proof, defined_root(data[:split])]


def frontier_of(data):
    frontier = Frontier()
    for each in data:
        frontier.append(leaf_hash(each))
    return frontier


def tree_of(data):
    return MerkleTree(leaf_hash(each) for each in data)


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size):
    expected = bytes.fromhex(VECTOR_ROOTS[size])
    assert frontier_of(VECTOR_LEAVES[:size]).root() == expected
    assert tree_of(VECTOR_LEAVES[:size]).root() == expected


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Frontier().root() == MerkleTree([]).root() == EMPTY_ROOT == hashlib.sha256().digest()


def test_the_proofs_of_the_worked_example_are_those_nodes():
    """RFC 9162, 2.1.5: seven leaves d0 to d6 with the leaf hashes a b c d e f j."""
    data = VECTOR_LEAVES[:7]
    a, b, c, d, e, f, j = map(leaf_hash, data)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    tree = tree_of(data)
    assert tree.inclusion(0) == [b, h, m]
    assert tree.inclusion(3) == [c, g, m]
    assert tree.inclusion(4) == [f, j, k]
    assert tree.inclusion(6) == [i, k]
    assert tree.consistency(3) == [c, d, g, m]
    assert tree.consistency(4) == [m]
    assert tree.consistency(6) == [i, j, k]


_data = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


@given(_data)
def test_the_root_is_that_of_the_definition_at_every_size(data):
    frontier = Frontier()
    for count, each in enumerate(data, 1):
        frontier.append(leaf_hash(each))
        assert frontier.root() == defined_root(data[:count])
    assert tree_of(data).root() == frontier.root()


@given(_data, st.data())
def test_every_inclusion_proof_is_that_of_the_definition_and_verifies(data, draw):
    index = draw.draw(st.integers(0, len(data) - 1))
    tree = tree_of(data)
    proof = tree.inclusion(index)
    assert proof == defined_path(index, data)
    leaf, size, root = leaf_hash(data[index]), len(data), tree.root()
    assert verify_inclusion(leaf, index, size, proof, root)
    assert not verify_inclusion(leaf_hash(data[index] + b"!"), index, size, proof, root)
    assert not verify_inclusion(leaf, index, size, [*proof, leaf], root)
    assert not verify_inclusion(leaf, size, size, proof, root)
    if proof:
        assert not verify_inclusion(leaf, index, size, proof[:-1], root)


@given(_data, st.data())
def test_every_consistency_proof_is_that_of_the_definition_and_verifies(data, draw):
    older = draw.draw(st.integers(1, len(data)))
    tree, newer = tree_of(data), len(data)
    proof = tree.consistency(older)
    assert proof == defined_subproof(older, data, whole=True)
    old_root, new_root = defined_root(data[:older]), tree.root()
    assert verify_consistency(older, newer, proof, old_root, new_root)
    forged = defined_root([b"forged", *data[1:older]])
    if forged != old_root:
        assert not verify_consistency(older, newer, proof, forged, new_root)
    assert not verify_consistency(older, newer, [*proof, new_root], old_root, new_root)
    assert not verify_consistency(older, newer, proof, old_root, leaf_hash(b"forged"))


@pytest.mark.parametrize(
    ("older", "newer", "proof"), [(0, 3, []), (4, 3, []), (2, 3, []), (3, 5, [])]
)
def test_a_consistency_proof_of_nothing_proves_nothing(older, newer, proof):
    assert not verify_consistency(older, newer, proof, b"a" * 32, b"b" * 32)


@given(_data)
def test_a_frontier_goes_through_bytes_and_grows_on(data):
    frontier = frontier_of(data)
    again = Frontier.from_bytes(frontier.size, frontier.to_bytes())
    copy = frontier.copy()
    again.append(leaf_hash(b"next"))
    assert again.root() == defined_root([*data, b"next"])
    assert frontier.root() == copy.root() == defined_root(data)


@pytest.mark.parametrize(
    ("size", "packed"), [(1, b""), (2, b"x" * 64), (1, b"x" * 31), (-1, b"x" * 32)]
)
def test_hashes_that_are_no_frontier_are_refused(size, packed):
    with pytest.raises(ValueError, match="no frontier"):
        Frontier.from_bytes(size, packed)


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_for_what_is_not_there(index):
    with pytest.raises(IndexError, match="there is no"):
        tree_of([b"a", b"b", b"c"]).inclusion(index)
    with pytest.raises(IndexError, match="there is no"):
        tree_of([b"a", b"b", b"c"]).consistency(index + 1 or 9)


@given(st.integers(0, 40), st.integers(0, 70))
def test_lost_leaves_count_as_zeros(size, lost):
    frontier, slow = Frontier(), Frontier()
    for number in range(size):
        for each in (frontier, slow):
            each.append(leaf_hash(bytes([number])))
    frontier.skip(lost)
    for _ in range(lost):
        slow.append(bytes(32))
    assert (frontier.size, frontier.peaks) == (slow.size, slow.peaks)


def test_however_many_leaves_are_lost_it_takes_no_time():
    frontier = Frontier()
    frontier.append(leaf_hash(b"one"))
    frontier.skip(2**62)
    assert frontier.size == 2**62 + 1
