"""Device profiles: what a device's registers or commands are, as YAML data.

`load_profile("hamilton/arc-ph")` reads a profile that comes with the package; a file of your own
is read by `load_profile_file`. The same profile drives the adapter, the simulator and the
information model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from biogate_adapters.contract import Signal
from biogate_adapters.document import parse_document
from biogate_adapters.problems import DocumentError, KeyPath, Problem, did_you_mean, listed
from biogate_adapters.schema import UNIT, Model
from biogate_adapters.schema_line import LineProfile
from biogate_adapters.schema_modbus import ModbusProfile

_Facts = Annotated[ModbusProfile | LineProfile, Field(discriminator="protocol")]
_FACTS: TypeAdapter[ModbusProfile | LineProfile] = TypeAdapter(_Facts)


class ProfileError(ValueError):
    """A profile that is unknown or wrong; `problems` holds every mistake with its place."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join([message, *map(str, self.problems)]))


class SignalOverride(Model):
    """What one installed device has set differently from its profile."""

    unit: str | None = UNIT
    low: float | None = None
    high: float | None = None
    write_low: float | None = None
    write_high: float | None = None


@dataclass(frozen=True)
class Profile:
    """A device profile, checked. `facts` are the protocol's own part."""

    name: str
    facts: ModbusProfile | LineProfile

    @property
    def protocol(self) -> str:
        """ "modbus" or "line"."""
        return self.facts.protocol

    @property
    def vendor(self) -> str:
        """Who makes the device."""
        return self.facts.vendor

    @property
    def model(self) -> str:
        """The device's model name."""
        return self.facts.model

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """The device's signals in the order of the file; `signals[i].index == i`."""
        points = self.facts.points.items()
        return tuple(point.signal(index, name) for index, (name, point) in enumerate(points))

    @cached_property
    def by_name(self) -> Mapping[str, Signal]:
        """The signals by their names."""
        return {signal.name: signal for signal in self.signals}

    @property
    def evidence(self) -> Mapping[str, str]:
        """Path of each fact → its evidence letter (see `schema.Fact`)."""
        return self.facts.facts()

    def with_signals(self, overrides: Mapping[str, Mapping[str, Any]]) -> Profile:
        """This profile with what one installed device has set differently.

        `overrides`: signal → keys of `SignalOverride`. Some devices tell neither their units nor
        their full scale, so the site has to. The simulator keeps the profile's own units. Raises
        ProfileError for an unknown signal or key, or a wrong range.
        """
        points: dict[str, Any] = dict(self.facts.points)
        for name, changes in overrides.items():
            if name not in points:
                raise ProfileError(f"{self.name}: {_unknown('signal', name, list(points))}")
            points[name] = _override(f"{self.name}: signal {name}", points[name], changes)
        return Profile(self.name, self.facts.model_copy(update={"points": points}))


def available_profiles() -> list[str]:
    """Names of the profiles that come with the package, sorted."""
    return sorted(
        f"{vendor.name}/{file.name.removesuffix('.yaml')}"
        for vendor in _folder().iterdir()
        if vendor.is_dir()
        for file in vendor.iterdir()
        if file.name.endswith(".yaml")
    )


@lru_cache(maxsize=256)
def load_profile(name: str) -> Profile:
    """A profile of the package by its name, for example "hamilton/arc-ph".

    Raises ProfileError when there is none (the message names what there is) or it is wrong.
    """
    known = available_profiles()
    if name not in known:
        raise ProfileError(_unknown("profile", name, known))
    vendor, model = name.split("/")
    file = _folder() / vendor / f"{model}.yaml"
    return _load(file.read_bytes(), file=str(file), name=name)


def load_profile_file(path: Path) -> Profile:
    """A profile from a file. Raises ProfileError with all mistakes as file:line:column, OSError."""
    return _load(path.read_bytes(), file=str(path), name=path.stem)


def profile_json_schema() -> dict[str, Any]:
    """JSON Schema of a profile file, for editors."""
    from biogate_adapters import json_schema, schema, schema_line, schema_modbus

    described = _FACTS.json_schema(by_alias=True)
    models = {**vars(schema), **vars(schema_line), **vars(schema_modbus)}
    json_schema.describe(described["$defs"], models)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "biogate device profile",
        **described,
    }


def _folder() -> Traversable:
    return resources.files("biogate_adapters") / "profiles"


def _load(content: bytes, *, file: str, name: str) -> Profile:
    try:
        document = parse_document(content, file)
    except DocumentError as error:
        raise ProfileError("the profile cannot be read", error.problems) from error
    try:
        facts = _FACTS.validate_python(document.data)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path, message = _of_pydantic(item)
            document.report(path, message, key=item["type"] == "extra_forbidden")
        raise _wrong(document.problems) from error
    for path, message in facts.problems():
        document.report(path, message)
    if document.problems:
        raise _wrong(document.problems)
    return Profile(name, facts)


def _of_pydantic(item: ErrorDetails) -> tuple[KeyPath, str]:
    path = item["loc"][1:]  # the first step is the protocol that told the models apart
    if item["type"] == "extra_forbidden":
        return path, f"unknown key {path[-1]}"
    if item["type"] == "missing":
        return path, f"key {path[-1]} is missing"
    return path, item["msg"].removeprefix("Value error, ")


def _wrong(problems: Sequence[Problem]) -> ProfileError:
    count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    return ProfileError(f"{count} in the profile", problems)


def _override(where: str, point: Any, changes: Mapping[str, Any]) -> Any:
    try:
        checked = SignalOverride.model_validate(changes).model_dump(exclude_unset=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ProfileError(f"{where}: {problem['loc'][0]}: {problem['msg']}") from error
    limits = {
        key.removeprefix("write_"): checked.pop(key)
        for key in ("write_low", "write_high")
        if key in checked
    }
    if limits and point.write is None:
        raise ProfileError(f"{where} cannot be written, so it has no write limits")
    if limits:
        checked["write"] = point.write.model_copy(update=limits)
    changed = point.model_copy(update=checked)
    if problems := changed.problems():
        path, message = problems[0]
        raise ProfileError(f"{where}: {'.'.join(path)}: {message}")
    return changed


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    parts = [f"there is no {what} {name}", f"known: {listed(known)}", did_you_mean(name, known)]
    return "; ".join(part for part in parts if part)
