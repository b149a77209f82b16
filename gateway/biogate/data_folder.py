"""Where a gateway keeps its state; imports nothing, so that every command can afford it."""

from __future__ import annotations

from pathlib import Path

DEFAULT_DATA = Path("biogate-data")
"""The data folder where none is named."""


def nodeset_cache(folder: Path) -> Path:
    """Where the official nodesets and their compiled form are, in a data folder."""
    return folder / "nodesets"
