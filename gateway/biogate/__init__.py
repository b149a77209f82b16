"""biogate: a gateway and OPC UA information-model server for bioreactors.

`Gateway` is the public API; everything else may change without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biogate.gateway import Gateway, WriteRefusedError
    from biogate.site.load import SiteError
    from biogate.tags import TagValue
    from biogate.updates import TagUpdate

__all__ = ["Gateway", "SiteError", "TagUpdate", "TagValue", "WriteRefusedError"]

_HOMES = {
    "Gateway": "biogate.gateway",
    "SiteError": "biogate.site.load",
    "TagUpdate": "biogate.updates",
    "TagValue": "biogate.tags",
    "WriteRefusedError": "biogate.gateway",
}


def __getattr__(name: str) -> Any:
    """Import a public name on use: `biogate --help` does not pay for the whole gateway."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
