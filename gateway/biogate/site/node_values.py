"""The types and initial values of declared variables and arguments, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from biogate.site.data_types import BUILT_IN_TYPES, BuiltInType, enumeration_type
from biogate.site.node_model import NodeSection, VariableConfig
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed

MAX_ELEMENTS = 100_000


class ValueFitError(ValueError):
    """A value that does not fit; `path` is where in the variable, `allowed` what fits."""

    def __init__(self, path: KeyPath, message: str, allowed: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.allowed = allowed


class Shape(NamedTuple):
    """What values look like: `dimensions` are () for a single value, and 0 for any length."""

    dimensions: tuple[int, ...]

    @property
    def value_rank(self) -> int:
        """ValueRank (Part 3, 5.6.2): -1 is a single value."""
        return len(self.dimensions) or -1


def types_of(section: NodeSection) -> Mapping[str, BuiltInType]:
    """What `type` may be in a section, by name."""
    own = {name: enumeration_type(values) for name, values in section.enumerations.items()}
    return {**own, **BUILT_IN_TYPES}


def known_type(
    document: Document, path: KeyPath, name: str, types: Mapping[str, BuiltInType]
) -> BuiltInType | None:
    """The type of that name; reported where there is none. `path` is below a section's."""
    if name not in types:
        if document.has((*path[:2], "enumerations", name)):
            return None  # it has a mistake of its own, which is reported
        document.report(
            (*path, "type"),
            f"there is no type {name}",
            allowed=listed(types),
            hint=did_you_mean(name, types),
        )
    return types.get(name)


def initial_value(config: VariableConfig, type_: BuiltInType) -> tuple[Shape, Any]:
    """The shape of a variable and its initial value. Raises ValueFitError."""
    if config.value is None:
        dimensions = config.dimensions or ()
        return Shape(dimensions), _zeros(dimensions, type_.zero)
    shape = Shape(config.dimensions or (0,) * len(_lengths(config.value)))
    return shape, fitting_value(config.value, shape, type_)


def fitting_value(value: object, shape: Shape, type_: BuiltInType) -> Any:
    """A value of the site file as its type has it. Raises ValueFitError."""
    lengths, dimensions = _lengths(value), shape.dimensions
    fits = len(dimensions) == len(lengths) and all(
        wanted in (0, length) for wanted, length in zip(dimensions, lengths, strict=True)
    )
    if not fits:
        message = f"{_shape_text(lengths)} cannot stand here"
        raise ValueFitError(("value",), message, _shape_text(dimensions))
    return _parsed(value, type_, ("value",))


def _zeros(dimensions: tuple[int, ...], zero: Any) -> Any:
    if not dimensions:
        return zero
    elements = 1
    for length in dimensions:
        elements *= length
    if elements > MAX_ELEMENTS:
        message = f"an array of {elements} values is too large"
        raise ValueFitError(("dimensions",), message, f"at most {MAX_ELEMENTS}")
    return [_zeros(dimensions[1:], zero) for _ in range(dimensions[0])]


def _lengths(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    shapes = {_lengths(item) for item in value}
    if len(shapes) > 1:
        raise ValueFitError(("value",), "the lists in it differ in length", "lists of one length")
    return (len(value), *next(iter(shapes), ()))


def _shape_text(lengths: tuple[int, ...]) -> str:
    if not lengths:
        return "a single value"
    by = " by ".join("any" if length == 0 else str(length) for length in lengths)
    return f"a list of {by} values"


def _parsed(value: object, type_: BuiltInType, path: KeyPath) -> Any:
    if isinstance(value, list):
        return [_parsed(item, type_, (*path, i)) for i, item in enumerate(value)]
    try:
        return type_.parse(value)
    except ValueError as error:
        raise ValueFitError(
            path, f"{_shown(value)} does not fit the type", type_.allowed
        ) from error


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a group of keys"
    if value is None:
        return "an empty value"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return str(value).lower()
