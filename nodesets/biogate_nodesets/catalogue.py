"""The official nodesets that biogate knows: version, file and sha256 of each, pinned.

All come from one npm package; the hashes are those of its XML files (docs/decisions/0012 says
why).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

NPM_PACKAGE = "node-opcua-nodesets"
NPM_VERSION = "2.185.0"
NPM_INTEGRITY = (
    "sha512-7qDwdkYRKIGRBk0gKhY5C3olQ0wRHTCoZj4FbzD1GmXF5xGaZcv/"
    "OatvFa73H7yyq3LxWxTKVteELlbbyziyLg=="
)
NPM_FOLDER = "package/nodesets/"


class Entry(NamedTuple):
    """One nodeset: `requires` names the entries whose nodes it refers to (UA itself is implied)."""

    name: str
    uri: str
    version: str
    publication_date: str
    file: str
    sha256: str
    requires: tuple[str, ...] = ()


# In load order. Namespace indices follow it, so entries are appended, never moved.
_ENTRIES = (
    Entry(
        "ns0",
        "http://opcfoundation.org/UA/",
        "1.05.07",
        "2026-05-01",
        "Opc.Ua.NodeSet2.xml",
        "a749678b5c4f2381fffdfc0e9514ec3315f36b1bdb31af402d3741a2db54f889",
    ),
    Entry(
        "DI",
        "http://opcfoundation.org/UA/DI/",
        "1.05.0",
        "2025-11-15",
        "Opc.Ua.Di.NodeSet2.xml",
        "40a02d98a8b2a014ec9f961625a422df3566d4dd783151ec6ae55b47296199de",
    ),
    Entry(
        "AMB",
        "http://opcfoundation.org/UA/AMB/",
        "1.01.1",
        "2024-02-27",
        "Opc.Ua.AMB.NodeSet2.xml",
        "d2ea805b6f799589156c85ffc7799b5d296a68f4d7cace3a5ffb40a0fd1f065c",
    ),
    Entry(
        "IA",
        "http://opcfoundation.org/UA/IA/",
        "1.01.4",
        "2025-05-23",
        "Opc.Ua.IA.NodeSet2.xml",
        "8ac55e581540258ee8de67617c2d3ef26e9d828dfceabb10f6ba5704c476357d",
        ("DI",),
    ),
    Entry(
        "Machinery",
        "http://opcfoundation.org/UA/Machinery/",
        "1.04.1",
        "2026-01-01",
        "Opc.Ua.Machinery.NodeSet2.xml",
        "1bc4ba9f70d07c51d3310123f2ae2186703eb6cf4f2d26aea4a2853423b61b41",
        ("DI", "IA"),
    ),
    Entry(
        "LADS",
        "http://opcfoundation.org/UA/LADS/",
        "1.0.0",
        "2023-11-30",
        "Opc.Ua.LADS.NodeSet2.xml",
        "15fa32b4952f12a2d696fddd2466a4c764afdac2125d198223547d787aab6adb",
        ("DI", "AMB", "Machinery"),
    ),
    Entry(
        "IRDI",
        "http://opcfoundation.org/UA/Dictionary/IRDI",
        "1.02.0",
        "2025-11-10",
        "Opc.Ua.IRDI.NodeSet2.xml",
        "a51577c39ff7c5a44ca69d331d80d24ddf918585c720b045a7d82c15cac2fc85",
    ),
    Entry(
        "PADIM",
        "http://opcfoundation.org/UA/PADIM/",
        "1.02.0",
        "2025-11-10",
        "Opc.Ua.PADIM.NodeSet2.xml",
        "24f10cf71ccd088cf96239887b9829fa95284ebb27a3d1d72fa9f145ba4fa5ba",
        ("DI", "IRDI"),
    ),
    Entry(
        "ISA95",
        "http://www.OPCFoundation.org/UA/2013/01/ISA95",
        "1.00",
        "2013-11-06",
        "Opc.ISA95.NodeSet2.xml",
        "4f4acb7bb3f4bf0569335e9a0b8cdb5ac02bea1d7c0488a2131f955845458c36",
    ),
    Entry(
        "JC",
        "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/",
        "2.0.0",
        "2024-01-31",
        "opc.ua.isa95-jobcontrol.nodeset2.xml",
        "52327e736beb604c7253a5a5393d1ad525b9ecf35b71fbacb4f429cacb334064",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def entries(names: Iterable[str] | None = None) -> tuple[Entry, ...]:
    """Return the named entries and all that they require, in load order; all when None.

    Raises KeyError, naming the known entries, for a name that the catalogue lacks.
    """
    wanted = {"ns0"}
    pending = list(CATALOGUE if names is None else names)
    while pending:
        name = pending.pop()
        if name not in CATALOGUE:
            raise KeyError(f"no nodeset {name!r} in the catalogue; known: {', '.join(CATALOGUE)}")
        if name not in wanted:
            wanted.add(name)
            pending.extend(CATALOGUE[name].requires)
    return tuple(entry for entry in _ENTRIES if entry.name in wanted)
