"""The site file's JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from biogate.site import model, node_model, zone_model
from biogate.site.data_types import BUILT_IN_TYPES
from biogate.site.model import Site
from biogate.site.profiles import InstalledProfiles, ProfileCatalogue
from biogate_adapters.json_schema import describe


def site_json_schema(profiles: ProfileCatalogue | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file; `profile` completes to the installed profiles."""
    schema = Site.model_json_schema()
    describe(
        {**schema["$defs"], "Site": schema}, {**vars(model), **vars(node_model), **vars(zone_model)}
    )
    profile = schema["$defs"]["DeviceConfig"]["properties"]["profile"]
    names = list((profiles or InstalledProfiles()).names())
    file = {"type": "string", "pattern": r"\.ya?ml$"}
    schema["$defs"]["DeviceConfig"]["properties"]["profile"] = {
        "title": profile["title"],
        "description": profile["description"],
        "anyOf": [{"enum": names}, file],
    }
    for name in ("VariableConfig", "InputConfig", "OutputConfig"):
        _complete_types(schema["$defs"][name]["properties"]["type"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "biogate site file",
    }


def _complete_types(key: dict[str, Any]) -> None:
    """Complete to the built-in types; the section's enumerations remain possible."""
    own = {"type": "string", "pattern": key.pop("pattern")}
    del key["type"]
    key["anyOf"] = [{"enum": list(BUILT_IN_TYPES)}, own]
