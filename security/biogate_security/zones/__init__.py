"""Security zones and conduits (IEC 62443-3-2) as data and as pure policy: no I/O."""

from biogate_security.zones.admission import Admission
from biogate_security.zones.explanation import HOLDS, Considered, Explanation, explain
from biogate_security.zones.model import (
    NO_ZONE,
    Conduit,
    ConduitRule,
    SecurityLevels,
    Zone,
    ZoneTable,
)
from biogate_security.zones.parts import PartPattern
from biogate_security.zones.rate_meter import RateMeter
from biogate_security.zones.window import Window
from biogate_security.zones.zone_policy import ZonePolicy

__all__ = [
    "HOLDS",
    "NO_ZONE",
    "Admission",
    "Conduit",
    "ConduitRule",
    "Considered",
    "Explanation",
    "PartPattern",
    "RateMeter",
    "SecurityLevels",
    "Window",
    "Zone",
    "ZonePolicy",
    "ZoneTable",
    "explain",
]
