"""Declared nodes resolved: repeats written out, values as their types have them, code at hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from biogate.site.data_types import BuiltInType
from biogate.site.expression import Expression, parse_expression
from biogate.site.node_model import (
    InputConfig,
    MethodConfig,
    NodeSection,
    ObjectConfig,
    OutputConfig,
    VariableConfig,
)
from biogate.site.node_values import Shape, initial_value, types_of

NamedConfig = ObjectConfig | VariableConfig | MethodConfig


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """An object; `key` is its NodeId's string, `parent` that of what holds it ("": Objects)."""

    key: str
    name: str
    parent: str
    config: ObjectConfig


@dataclass(frozen=True, slots=True)
class VariablePlan:
    """A variable; `tag` is its name in the tag table, `value` its initial value (plain Python).

    `number` is which of the repeated ones it is, None where it is alone.
    """

    key: str
    name: str
    parent: str
    tag: str
    config: VariableConfig
    type: BuiltInType
    shape: Shape
    value: Any
    number: int | None


@dataclass(frozen=True, slots=True)
class ArgumentPlan:
    """An argument of a method; `expression` is what an output is computed by."""

    name: str
    config: InputConfig
    type: BuiltInType
    shape: Shape
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """A method of the object `parent`; `function` where it is no matter of expressions."""

    key: str
    name: str
    parent: str
    config: MethodConfig
    inputs: tuple[ArgumentPlan, ...]
    outputs: tuple[ArgumentPlan, ...]
    function: Callable[..., Any] | None


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """All nodes of one namespace, what holds others first."""

    name: str
    namespace: str
    enumerations: Mapping[str, tuple[str, ...]]
    objects: tuple[ObjectPlan, ...]
    variables: tuple[VariablePlan, ...]
    methods: tuple[MethodPlan, ...]


def plan_section(name: str, section: NodeSection) -> SectionPlan:
    """Resolve a section that `load_site` accepted. Raises ValueError or ImportError."""
    types = types_of(section)
    objects = tuple(_objects(section.objects, ""))
    return SectionPlan(
        name,
        section.namespace,
        section.enumerations,
        objects,
        tuple(
            variable
            for each in objects
            for key, config in each.config.variables.items()
            for variable in _variables(name, key, each.key, config, types[config.type])
        ),
        tuple(
            _method(key, each.key, config, types)
            for each in objects
            for key, config in each.config.methods.items()
        ),
    )


def browse_name(key: str, config: NamedConfig) -> str:
    """The BrowseName: `name`, or what follows the last dot of the key."""
    return config.name or key.rpartition(".")[2]


def repeated(key: str, config: VariableConfig) -> Iterator[tuple[str, int | None]]:
    """The key of each variable that an entry stands for, and its number where it is repeated."""
    if config.repeat is None:
        yield key, None
        return
    for number in range(config.repeat):
        yield f"{key}{number}", number


def _objects(configs: Mapping[str, ObjectConfig], parent: str) -> Iterator[ObjectPlan]:
    for key, config in configs.items():
        yield ObjectPlan(key, browse_name(key, config), parent, config)
        yield from _objects(config.objects, key)


def _variables(
    section: str, key: str, parent: str, config: VariableConfig, type_: BuiltInType
) -> Iterator[VariablePlan]:
    shape, value = initial_value(config, type_)
    name = browse_name(key, config)
    for full, number in repeated(key, config):
        shown = name if number is None else f"{name}{number}"
        tag = f"{section}.{full}"
        yield VariablePlan(full, shown, parent, tag, config, type_, shape, value, number)


def _method(
    key: str, parent: str, config: MethodConfig, types: Mapping[str, BuiltInType]
) -> MethodPlan:
    inputs = tuple(_input(name, each, types) for name, each in config.inputs.items())
    outputs = tuple(_output(name, each, types, config) for name, each in config.outputs.items())
    function = None if config.function is None else find_function(config.function)
    return MethodPlan(key, browse_name(key, config), parent, config, inputs, outputs, function)


def _input(name: str, config: InputConfig, types: Mapping[str, BuiltInType]) -> ArgumentPlan:
    return ArgumentPlan(name, config, types[config.type], Shape(config.dimensions or ()))


def _output(
    name: str, config: OutputConfig, types: Mapping[str, BuiltInType], method: MethodConfig
) -> ArgumentPlan:
    computed = config.expression and parse_expression(config.expression, method.inputs)
    return replace(_input(name, config, types), expression=computed or None)


def find_function(reference: str) -> Callable[..., Any]:
    """The function `module:name`. Raises ImportError, with what is missing, for any failure."""
    module_name, _, attributes = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # an import may raise anything
        raise ImportError(
            f"module {module_name} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ImportError(f"module {module_name} has no {attributes}")
        found = getattr(found, attribute)
    if not callable(found):
        raise ImportError(f"{reference} is no function")
    return found  # type: ignore[no-any-return]
