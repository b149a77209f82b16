"""What can be made to go wrong with a simulated device, for tests and demonstrations."""

from __future__ import annotations


class Faults:
    """The device's present faults; a new one has none."""

    def __init__(self) -> None:
        self.silent = False
        """The device accepts connections and requests, and never answers."""
        self._busy = 0

    def busy(self, requests: int) -> None:
        """Answer the next `requests` requests with "device busy"."""
        self._busy = requests

    def take_busy(self) -> bool:
        """True when this request is to be answered with "device busy"."""
        if self._busy:
            self._busy -= 1
            return True
        return False

    def clear(self) -> None:
        """The device is sound again."""
        self.silent = False
        self._busy = 0
