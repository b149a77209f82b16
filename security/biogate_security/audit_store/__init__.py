"""The audit store: segments, Merkle tree, signed checkpoints, verification, retention, export."""
