"""The shape of a site file: pydantic's findings as located problems, and what is still usable.

One mistake must not hide another. So the parts that are wrong are cut out, and what remains is a
`Site` again where possible: the checks against the device profiles run on that.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from biogate.site import model, node_model, shapes, zone_model
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed
from biogate_adapters.schema import UNIT_CODE_PATTERN

_PATTERNS = {
    shapes.NAME_PATTERN: shapes.NAME_RULE,
    shapes.LABEL_PATTERN: "1 to 100 characters of text without / or line breaks",
    shapes.SIGNAL_PATTERN: "DEVICE.signal, for example AE101.ph",
    shapes.PROFILE_PATTERN: "vendor/model, or a file name that ends in .yaml",
    shapes.ADDRESS_PATTERN: "tcp://host:port, or rtu+tcp://host:port for Modbus RTU over TCP",
    shapes.URI_PATTERN: "a URI, for example urn:example-bio:pilot-plant",
    UNIT_CODE_PATTERN: "a UNECE Recommendation 20 code such as CEL (°C), P1 (%) or L2 (l/min)",
    shapes.UNIT_LETTER_PATTERN: "one letter, A to Z",
    shapes.HOST_PATTERN: "a host name or an IP address",
    shapes.CLIENT_URL_PATTERN: "where a client waits, for example opc.tcp://mes.example:4841",
    shapes.NODE_PATTERN: shapes.NODE_RULE,
    shapes.ARGUMENT_PATTERN: "a letter or _, then letters, digits or _ (at most 64)",
    shapes.FUNCTION_PATTERN: "module:function, for example acme.calibration:two_point",
    zone_model.CLOCK_PATTERN: "a time of the day from 00:00 to 24:00",
    zone_model.FINGERPRINT_PATTERN: "SHA-256 or SHA-1 of a certificate: 64 or 40 hex digits",
}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "finite_number": "a finite number",
}
_GIVEN = ((str, "text"), (bool, "a truth value"), (int | float, "a number"))
_OBJECT = ("nodes", "*", "objects", "*")
_MODELS: dict[tuple[str | int, ...], type[BaseModel]] = {
    (): model.Site,
    ("opcua",): model.OpcUaConfig,
    ("opcua", "*"): model.IssuedTokensConfig,
    ("devices", "*"): model.DeviceConfig,
    ("devices", "*", "signals", "*"): model.SignalConfig,
    ("units", "*"): model.UnitConfig,
    ("users", "*"): model.UserConfig,
    ("passwords",): model.PasswordsConfig,
    ("nodes", "*"): node_model.NodeSection,
    ("zones", "*"): model.ZoneConfig,
    ("zones", "*", "target"): zone_model.TargetConfig,
    ("zones", "*", "opcua"): model.ZoneOpcUaConfig,
    ("zones", "*", "opcua", "*"): model.IssuedTokensConfig,
    ("conduits", "*"): zone_model.ConduitConfig,
    ("conduits", "*", "target"): zone_model.TargetConfig,
    ("conduits", "*", "allow", "*"): zone_model.AllowConfig,
    ("conduits", "*", "allow", "*", "window"): zone_model.WindowConfig,
    ("conduits", "*", "allow", "*", "bounds", "*"): zone_model.BoundsConfig,
    ("conduits", "*", "deny", "*"): zone_model.DenyConfig,
    ("conduits", "*", "deny", "*", "window"): zone_model.WindowConfig,
    (*_OBJECT,): node_model.ObjectConfig,
    (*_OBJECT, "variables", "*"): node_model.VariableConfig,
    (*_OBJECT, "variables", "*", "source"): node_model.CounterSource,
    (*_OBJECT, "methods", "*"): node_model.MethodConfig,
    (*_OBJECT, "methods", "*", "inputs", "*"): node_model.InputConfig,
    (*_OBJECT, "methods", "*", "outputs", "*"): node_model.OutputConfig,
}
_KINDS: dict[str, type[BaseModel]] = {
    "sensor": model.SensorFunction,
    "compensated_sensor": model.CompensatedSensorFunction,
    "control": model.ControlFunction,
    "totalizing_control": model.TotalizingControlFunction,
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}


class _PartialSite(model.Site):
    """What the reference checks need of a site, where the rest of it is wrong or missing."""

    biogate: Literal[1] = 1
    enterprise: shapes.Label = "?"
    site: shapes.Label = "?"
    area: shapes.Label = "?"
    process_cell: shapes.Label = "?"
    devices: dict[shapes.Name, model.DeviceConfig] = Field(default_factory=dict)
    units: dict[shapes.Name, model.UnitConfig] = Field(default_factory=dict)


def validate_structure(document: Document, folder: Path) -> model.Site | None:
    """Report every wrong key and value in `document`; return the part of the site that is right.

    None when nothing usable remains. `folder` is where profile files are looked for.
    """
    site = _validate(model.Site, document.data, folder)
    if isinstance(site, model.Site):
        return site
    for error in site:
        _report(document, error)
    return _usable_part(document.data, folder)


def _usable_part(data: object, folder: Path) -> model.Site | None:
    """Cut wrong values out until what remains is right; each round cuts at least one."""
    if not isinstance(data, dict):
        return None
    rest = copy.deepcopy(data)
    while True:
        site = _validate(_PartialSite, rest, folder)
        if isinstance(site, model.Site):
            return site
        _cut(rest, site)


def _validate(
    shape: type[model.Site], data: object, folder: Path
) -> model.Site | list[ErrorDetails]:
    try:
        return shape.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        return error.errors(include_url=False)


def _cut(data: dict[str, Any], errors: Iterable[ErrorDetails]) -> None:
    """Remove each wrong value; for a missing one, and in a list, what holds it."""
    wrong = set()
    for error in errors:
        path = document_path(data, error["loc"])
        if error["type"] == "missing" or not _present(data, path):
            path = path[:-1]
        wrong.add(path)
    for path in sorted(wrong, key=lambda path: (len(path), str(path)), reverse=True):
        parent = _at(data, path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
        elif isinstance(parent, list):
            _at(data, path[:-2]).pop(path[-2], None)


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _present(data: Any, path: KeyPath) -> bool:
    parent = _at(data, path[:-1])
    if isinstance(parent, dict):
        return path[-1] in parent
    return isinstance(parent, list) and isinstance(path[-1], int) and path[-1] < len(parent)


def document_path(data: object, location: tuple[int | str, ...]) -> KeyPath:
    """Pydantic's error location as a path in the file: union tags and key markers drop out."""
    path: list[int | str] = []
    for i, part in enumerate(location):
        last = i == len(location) - 1
        step = _at(data, tuple(path))
        if part == "[key]" and not (isinstance(step, dict) and part in step):
            break
        known = (isinstance(step, dict) and part in step) or (
            isinstance(step, list) and isinstance(part, int)
        )
        if known or (last and isinstance(step, dict)):
            path.append(part)
    return tuple(path)


def _report(document: Document, error: ErrorDetails) -> None:
    path = document_path(document.data, error["loc"])
    is_key = error["loc"][-1:] == ("[key]",)
    message, allowed, hint = _describe(error, path)
    if error["type"] == "missing":
        path = path[:-1]
    elif error["type"] == "union_tag_invalid":
        path = (*path, "kind")
    at_key = is_key or error["type"] in ("extra_forbidden", "missing")
    document.report(path, message, allowed=allowed, hint=hint, key=at_key)


def _describe(error: ErrorDetails, path: KeyPath) -> tuple[str, str, str]:
    """Message, what is allowed, and hint."""
    kind, given = error["type"], error["input"]
    if kind in _DESCRIPTIONS:
        return _DESCRIPTIONS[kind](error, path)
    if kind in _TYPES:
        return _wrong_type(given), _TYPES[kind], ""
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        noun = "characters" if isinstance(given, str) else "entries"
        what = f"{len(given)} {noun}" if "length" in limit else _shown(given)
        return f"{what} is out of bounds", f"{word} {error['ctx'][limit]}", ""
    return f"{_shown(given)}: {error['msg']}", "", ""


def _unknown_key(error: ErrorDetails, path: KeyPath) -> tuple[str, str, str]:
    known = _known_keys(path[:-1], error["loc"])
    return f"unknown key {path[-1]}", listed(known), did_you_mean(path[-1], known)


def _missing(_error: ErrorDetails, path: KeyPath) -> tuple[str, str, str]:
    return f"key {path[-1]} is missing", "", f"add {path[-1]}: ..."


def _pattern(error: ErrorDetails, _path: KeyPath) -> tuple[str, str, str]:
    return f"{_shown(error['input'])} cannot stand here", _PATTERNS[error["ctx"]["pattern"]], ""


def _literal(error: ErrorDetails, _path: KeyPath) -> tuple[str, str, str]:
    allowed = re.split(", | or ", str(error["ctx"]["expected"]).replace("'", ""))
    given = error["input"]
    return f"{_shown(given)} is not known", listed(allowed), did_you_mean(given, allowed)


def _kind(error: ErrorDetails, _path: KeyPath) -> tuple[str, str, str]:
    given = error["ctx"]["tag"]
    return f"kind {_shown(given)} is not known", listed(_KINDS), did_you_mean(given, _KINDS)


def _no_kind(_error: ErrorDetails, _path: KeyPath) -> tuple[str, str, str]:
    return "key kind is missing", listed(_KINDS), ""


def _value_error(error: ErrorDetails, _path: KeyPath) -> tuple[str, str, str]:
    return str(error["ctx"]["error"]), "", ""


_DESCRIPTIONS: dict[str, Callable[[ErrorDetails, KeyPath], tuple[str, str, str]]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "string_pattern_mismatch": _pattern,
    "literal_error": _literal,
    "union_tag_invalid": _kind,
    "union_tag_not_found": _no_kind,
    "value_error": _value_error,
}


def _known_keys(path: KeyPath, location: tuple[int | str, ...]) -> list[str]:
    """The keys of the model at `path`; the kind of a function stands in pydantic's location."""
    if path[:1] == ("units",) and len(path) > 2:
        return list(_KINDS[str(location[4])].model_fields)
    shape = tuple("*" if i % 2 else part for i, part in enumerate(path))
    while shape[2:6] == ("objects", "*", "objects", "*"):
        shape = (*shape[:2], *shape[4:])
    fields = _MODELS[shape].model_fields
    return [field.alias or name for name, field in fields.items()]


def _wrong_type(value: object) -> str:
    """`'1000' is text` and the like; one noun only where the value itself is not worth showing."""
    if value is None or isinstance(value, list | dict):
        return f"{_shown(value)} cannot stand here"
    noun = next(noun for kind, noun in _GIVEN if isinstance(value, kind))
    return f"{_shown(value)} is {noun}"


def _shown(value: object) -> str:
    """A value as the user wrote it, cut short."""
    if value is None:
        return "an empty value"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a group of keys"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return str(value).lower()
