"""The site file's JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from pydantic import BaseModel

from biogate.site import model
from biogate.site.model import Site
from biogate.site.profiles import InstalledProfiles, ProfileCatalogue


def site_json_schema(profiles: ProfileCatalogue | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file; `profile` completes to the installed profiles."""
    schema = Site.model_json_schema()
    _describe(schema, Site)
    for name, definition in schema["$defs"].items():
        _describe(definition, getattr(model, name))
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


def _describe(definition: dict[str, Any], described: type[BaseModel]) -> None:
    """Give each property the text that stands below its attribute in the source.

    pydantic can do it itself, but at every import: reading the source costs a start 40 ms.
    """
    for base in reversed(described.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            for name, text in _attribute_docstrings(base).items():
                if name in definition["properties"]:
                    definition["properties"][name]["description"] = text


def _attribute_docstrings(class_: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(class_)).body[0]
    assert isinstance(tree, ast.ClassDef)
    return {
        attribute.target.id: inspect.cleandoc(text.value.value)
        for attribute, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
