"""DataChangeFilter of a monitored item (Part 4, 7.22.2), checked once and kept plain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes, ua

# The classes that are decoded; `ua` may show refined ones under the same names.
_DATA_CHANGE = ua.uaprotocol_auto.DataChangeFilter
_EVENT = ua.uaprotocol_auto.EventFilter
_AGGREGATE = ua.uaprotocol_auto.AggregateFilter

_STATUS_VALUE = 1
_MOST_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class DataFilter:
    """When a sample counts as a change. `deadband` is absolute, 0 for none.

    `trigger`: 0 status, 1 status or value, 2 status, value or source time. `percent`: the deadband
    is that much of the EURange (Part 8, 6.2); None for any other.
    """

    trigger: int = 1
    deadband: float = 0.0
    percent: float | None = None

    def over(self, span: float) -> DataFilter:
        """A percent deadband over an EURange of that span."""
        return replace(self, deadband=(self.percent or 0.0) / 100.0 * span)


DEFAULT_FILTER = DataFilter()


def data_filter(
    requested: Any, *, is_value: bool, is_number: bool, span: Callable[[], float | None]
) -> DataFilter:
    """The filter of a request (`requested` None: the default). `span`: high - low of the EURange,
    None where there is none.

    Raises StatusError: Bad_FilterNotAllowed for a filter on another attribute than Value, an event
    filter, a deadband on something that is not a number or a percent deadband without an EURange;
    Bad_MonitoredItemFilterUnsupported for an aggregate filter;
    Bad_MonitoredItemFilterInvalid for what is no known filter; Bad_DeadbandFilterInvalid for a
    deadband that is negative, not finite, or of more than 100 percent.
    """
    if requested is None or (isinstance(requested, ua.ExtensionObject) and not requested.Body):
        return DEFAULT_FILTER
    if not isinstance(requested, _DATA_CHANGE | _AGGREGATE | _EVENT):
        raise StatusError(StatusCodes.BadMonitoredItemFilterInvalid)
    if not is_value or isinstance(requested, _EVENT):
        raise StatusError(StatusCodes.BadFilterNotAllowed)
    if not isinstance(requested, _DATA_CHANGE):
        raise StatusError(StatusCodes.BadMonitoredItemFilterUnsupported)
    if requested.Trigger not in tuple(ua.DataChangeTrigger):
        raise StatusError(StatusCodes.BadMonitoredItemFilterInvalid)
    return _with_deadband(requested, is_number=is_number, span=span)


def _with_deadband(
    requested: ua.DataChangeFilter, *, is_number: bool, span: Callable[[], float | None]
) -> DataFilter:
    kind, value = requested.DeadbandType, float(requested.DeadbandValue)
    if kind == ua.DeadbandType.None_:
        return DataFilter(int(requested.Trigger))
    if kind not in (ua.DeadbandType.Absolute, ua.DeadbandType.Percent):
        raise StatusError(StatusCodes.BadDeadbandFilterInvalid)
    if not is_number:
        raise StatusError(StatusCodes.BadFilterNotAllowed)
    most = _MOST_PERCENT if kind == ua.DeadbandType.Percent else math.inf
    if not (math.isfinite(value) and 0 <= value <= most):
        raise StatusError(StatusCodes.BadDeadbandFilterInvalid)
    # With a deadband a new source time alone is no change (Part 4, 7.22.2).
    trigger = min(int(requested.Trigger), _STATUS_VALUE)
    if kind == ua.DeadbandType.Absolute:
        return DataFilter(trigger, value)
    width = span()
    if width is None:
        raise StatusError(StatusCodes.BadFilterNotAllowed)
    return DataFilter(trigger, percent=value).over(width)
