"""Files that are there completely or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it, in one step. Raises OSError; leaves no debris."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.close()
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
