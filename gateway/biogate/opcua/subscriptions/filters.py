"""DataChangeFilter of a monitored item (Part 4, 7.22.2), checked once and kept plain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from biogate.opcua.errors import StatusError
from biogate.opcua.stack import StatusCodes, ua

# The classes that are decoded; `ua` may show refined ones under the same names.
_DATA_CHANGE = ua.uaprotocol_auto.DataChangeFilter
_UNSUPPORTED = (ua.uaprotocol_auto.EventFilter, ua.uaprotocol_auto.AggregateFilter)


@dataclass(frozen=True, slots=True)
class DataFilter:
    """When a sample counts as a change. `deadband` is absolute, 0 for none.

    `trigger`: 0 status, 1 status or value, 2 status, value or source time.
    """

    trigger: int = 1
    deadband: float = 0.0


DEFAULT_FILTER = DataFilter()


def data_filter(requested: Any, *, is_value: bool, is_number: bool) -> DataFilter:
    """The filter of a request (`requested` None: the default).

    Raises StatusError: Bad_FilterNotAllowed for a filter on another attribute than Value or a
    deadband on something that is not a number; Bad_MonitoredItemFilterUnsupported for event and
    aggregate filters and for a percent deadband; Bad_MonitoredItemFilterInvalid for what is no
    known filter; Bad_DeadbandFilterInvalid for a deadband that is negative or not finite.
    """
    if requested is None or (isinstance(requested, ua.ExtensionObject) and not requested.Body):
        return DEFAULT_FILTER
    if isinstance(requested, _UNSUPPORTED):
        supported = StatusCodes.BadMonitoredItemFilterUnsupported
        raise StatusError(supported if is_value else StatusCodes.BadFilterNotAllowed)
    if not isinstance(requested, _DATA_CHANGE):
        raise StatusError(StatusCodes.BadMonitoredItemFilterInvalid)
    if not is_value:
        raise StatusError(StatusCodes.BadFilterNotAllowed)
    if requested.Trigger not in tuple(ua.DataChangeTrigger):
        raise StatusError(StatusCodes.BadMonitoredItemFilterInvalid)
    deadband = _deadband(requested, is_number=is_number)
    return DataFilter(int(requested.Trigger), deadband)


def _deadband(requested: ua.DataChangeFilter, *, is_number: bool) -> float:
    kind = requested.DeadbandType
    if kind == ua.DeadbandType.None_:
        return 0.0
    if kind not in (ua.DeadbandType.Absolute, ua.DeadbandType.Percent):
        raise StatusError(StatusCodes.BadDeadbandFilterInvalid)
    if not is_number:
        raise StatusError(StatusCodes.BadFilterNotAllowed)
    if kind == ua.DeadbandType.Percent:
        raise StatusError(StatusCodes.BadMonitoredItemFilterUnsupported)
    value = float(requested.DeadbandValue)
    if not math.isfinite(value) or value < 0:
        raise StatusError(StatusCodes.BadDeadbandFilterInvalid)
    return value
