"""What a device's signals show while the device does not answer (no I/O).

After the first failed poll the last usable values stay, as Uncertain; when the fault lasts too
long the signals turn Bad and have no value. Nothing goes stale silently.
"""

from __future__ import annotations

import numpy as np

from biogate_adapters import status
from biogate_adapters.contract import SampleBatch

_SEVERITY = np.uint32(0xC0000000)
_BAD = np.uint32(0x80000000)


class SignalMemory:
    """The last sample of each of a device's `size` signals."""

    def __init__(self, size: int) -> None:
        self._value = np.full(size, np.nan)
        self._status = np.full(size, status.BAD_WAITING_FOR_INITIAL_DATA, dtype=np.uint32)
        self._source_time = np.zeros(size, dtype=np.int64)
        self._texts: dict[int, str] = {}

    def remember(self, batch: SampleBatch) -> None:
        """Keep the samples of a poll or a confirmed write."""
        self._value[batch.index] = batch.value
        self._status[batch.index] = batch.status
        self._source_time[batch.index] = batch.source_time
        for row, signal in enumerate(batch.index.tolist()):
            self._texts.pop(signal, None)
            if row in batch.texts:
                self._texts[signal] = batch.texts[row]

    def uncertain(self) -> SampleBatch:
        """The usable ones of the last values, as Uncertain_NoCommunicationLastUsableValue.

        Signals without a usable value are left out: they show what they showed. The source times
        stay those of the values.
        """
        usable = np.flatnonzero((self._status & _SEVERITY) < _BAD).astype(np.int32)
        codes = np.full(len(usable), status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE, np.uint32)
        texts = {
            row: self._texts[signal]
            for row, signal in enumerate(usable.tolist())
            if signal in self._texts
        }
        return SampleBatch(usable, self._value[usable], codes, self._source_time[usable], texts)

    def bad(self, fault_time: int) -> SampleBatch:
        """All signals as Bad_NoCommunication, without values, at the time the fault was seen."""
        size = len(self._value)
        return SampleBatch(
            np.arange(size, dtype=np.int32),
            np.full(size, np.nan),
            np.full(size, status.BAD_NO_COMMUNICATION, dtype=np.uint32),
            np.full(size, fault_time, dtype=np.int64),
        )
