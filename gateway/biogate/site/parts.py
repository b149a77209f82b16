"""What the parts of a site are called (`Resource.part`), as far as the site file tells."""

from __future__ import annotations

from collections.abc import Mapping

COMPUTED = "Computed"
"""The part that computed tags are below."""

FUNCTIONAL_UNIT = "Unit"
"""BrowseName of a bioreactor's one functional unit."""

# Names of the LADS functions' values (OPC 30500-1, 7.4), and the role whose signal each shows.
# RawValue is mandatory; the gateway filters nothing, so that it shows what SensorValue shows.
FUNCTION_VALUES: Mapping[str, Mapping[str, str]] = {
    "sensor": {"SensorValue": "value", "RawValue": "value"},
    "compensated_sensor": {
        "SensorValue": "value",
        "RawValue": "value",
        "CompensationValue": "compensation",
    },
    "control": {"CurrentValue": "current", "TargetValue": "target"},
    "totalizing_control": {
        "CurrentValue": "current",
        "TargetValue": "target",
        "TotalizedValue": "total",
    },
}
"""Kind of a function → name of a value → role."""
