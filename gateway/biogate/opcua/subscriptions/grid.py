"""When periodic work is due: on a grid that all of the same period have in common.

Subscriptions of equal publishing intervals that speak at the same instant share what has been
sampled and encoded, so their first cycle is shortened to end where those of the others do.
"""

from __future__ import annotations

import math

TOLERANCE_S = 1e-6
"""Instants that are this close are one: they were added up in floating point."""

_WIDEST_S = 1.0


def first_instant(now_s: float, period_s: float) -> float:
    """The last instant of the grid that is within a period from now, and after now.

    The grid is that of the period; one of more than a second starts at a full second.
    """
    step_s = min(period_s, _WIDEST_S)
    return math.floor((now_s + period_s + TOLERANCE_S) / step_s) * step_s


def next_instant(before_s: float, now_s: float, period_s: float) -> float:
    """The instant after `before_s`, which has come; those that went by as well are left out."""
    missed = max(0.0, (now_s + TOLERANCE_S - before_s) // period_s)
    return before_s + period_s * (1 + missed)
