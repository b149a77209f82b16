"""What the gateway asks of every device adapter, whatever protocol it speaks.

An adapter connects to one device, reads all its due signals as one columnar batch, writes
single set-points and closes. It knows nothing of tags, OPC UA nodes or zones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

DataType = Literal[
    "Boolean", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Float", "Double", "String"
]
"""The OPC UA built-in types that a signal can have, by name."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One value of a device, as its profile declares it.

    `unit` is the UNECE code (Rec 20, for example "CEL"), or None for a number without unit.
    `low`/`high` are the engineering range (EURange), `instrument_low`/`instrument_high` what the
    instrument can show at all (InstrumentRange); None where the profile states none.
    """

    index: int
    name: str
    data_type: DataType
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    instrument_low: float | None = None
    instrument_high: float | None = None
    writable: bool = False
    write_low: float | None = None
    write_high: float | None = None
    description: str = ""


@dataclass(slots=True)
class SampleBatch:
    """Samples of one device from one poll, one row a signal. All arrays have the same length n.

    `index`: int32, the signals' indices in the device's list; `value`: float64, NaN where there
    is none; `status`: uint32 OPC UA StatusCodes; `source_time`: int64 FILETIME ticks (see
    `filetime`); `texts`: row → text for String signals (their `value` is NaN).
    """

    index: NDArray[np.int32]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    texts: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)


class AdapterError(Exception):
    """A device could not be reached or answered nonsense; `status` is what its tags show.

    The message names the device, its address and what to check.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Outcome of one write: `status` Good only when the device confirmed it (reply or read-back).

    `value` is what the device holds afterwards where the protocol tells it, else None.
    """

    status: int
    value: float | str | None = None
    message: str = ""


class Adapter(Protocol):
    """One connection to one device. Used by one task at a time; never reconnects by itself."""

    @property
    def signals(self) -> Sequence[Signal]:
        """The device's signals; `signals[i].index == i`. Fixed for the adapter's life."""
        ...

    async def connect(self) -> None:
        """Open the connection. Raises AdapterError when the device cannot be reached."""
        ...

    async def read(self) -> SampleBatch:
        """Poll all signals once.

        A signal that fails alone is a row with a Bad status. Raises AdapterError only when the
        connection as a whole is lost.
        """
        ...

    async def write(self, signal: int, value: float | str) -> WriteResult:
        """Write one signal and wait for the device's confirmation.

        Raises AdapterError when the connection is lost.
        """
        ...

    async def close(self) -> None:
        """Release the connection. Safe to call twice, and when never connected."""
        ...
