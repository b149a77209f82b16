"""The site file's JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from biogate.site import model
from biogate.site.model import Site
from biogate.site.profiles import InstalledProfiles, ProfileCatalogue
from biogate_adapters.json_schema import describe


def site_json_schema(profiles: ProfileCatalogue | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file; `profile` completes to the installed profiles."""
    schema = Site.model_json_schema()
    describe({**schema["$defs"], "Site": schema}, vars(model))
    profile = schema["$defs"]["DeviceConfig"]["properties"]["profile"]
    names = list((profiles or InstalledProfiles()).names())
    file = {"type": "string", "pattern": r"\.ya?ml$"}
    schema["$defs"]["DeviceConfig"]["properties"]["profile"] = {
        "title": profile["title"],
        "description": profile["description"],
        "anyOf": [{"enum": names}, file],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "biogate site file",
    }
