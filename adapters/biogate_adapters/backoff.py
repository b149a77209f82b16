"""How long to wait before the next try to connect: exponential, with jitter.

The jitter keeps devices that were lost together (a switch, a power cut) from all coming back in
the same instant.
"""

from __future__ import annotations

from random import Random


class Backoff:
    """Delays in seconds: the n-th lies in [d/2, d] with d = min(`first_s` * 2^n, `highest_s`)."""

    def __init__(self, rng: Random, *, first_s: float = 0.5, highest_s: float = 10.0) -> None:
        self._rng = rng
        self._first_s = first_s
        self._highest_s = highest_s
        self._ceiling_s = first_s

    def next(self) -> float:
        """The delay before the next try."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(2 * ceiling_s, self._highest_s)
        return ceiling_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The device answered: start from the first delay again."""
        self._ceiling_s = self._first_s
