"""Checks of the declared nodes: names that clash, values that do not fit, keys that exclude."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from biogate.site.data_types import BUILT_IN_TYPES, BuiltInType, node_id_parts
from biogate.site.method_checks import check_method
from biogate.site.model import Site
from biogate.site.node_model import NodeSection, ObjectConfig, VariableConfig
from biogate.site.node_plan import NamedConfig, browse_name, repeated
from biogate.site.node_values import (
    Shape,
    ValueFitError,
    initial_value,
    known_type,
    types_of,
)
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, listed

MAX_VARIABLES = 200_000
MAX_SEVERITY = 1000
_OFFICIAL = "http://opcfoundation.org/"


def check_nodes(document: Document, site: Site) -> None:
    """Report what is wrong with the nodes that the site declares."""
    own = {section.namespace for section in site.nodes.values()}
    uris = {site.namespace_uri: "the plant's own nodes", site.application_uri: "the server itself"}
    for name, section in site.nodes.items():
        path: KeyPath = ("nodes", name)
        for kind in ("device", "unit"):
            if name in getattr(site, f"{kind}s"):
                message = f"{name} is already the name of a {kind}"
                document.report(path, message, hint="rename one of them", key=True)
        _check_namespace(document, path, section.namespace, uris)
        _Section(document, path, section, own).check()


def _check_namespace(document: Document, path: KeyPath, uri: str, taken: dict[str, str]) -> None:
    where = (*path, "namespace")
    if uri in taken:
        message = f"{uri} is already the namespace of {taken[uri]}"
        document.report(where, message, hint="give this section a URI of its own")
    elif uri.casefold().startswith(_OFFICIAL):
        message = f"{uri} belongs to the OPC Foundation"
        document.report(where, message, hint="choose a URI of your own")
    taken.setdefault(uri, f"section {path[-1]}")


@dataclass(slots=True)
class _Section:
    """One section while it is checked; `keys` says where each NodeId was given first.

    `namespaces` are those of all sections.
    """

    document: Document
    path: KeyPath
    section: NodeSection
    namespaces: Set[str]
    types: Mapping[str, BuiltInType] = field(init=False)
    keys: dict[str, str] = field(default_factory=dict)
    variables: int = 0

    def __post_init__(self) -> None:
        self.types = types_of(self.section)

    def check(self) -> None:
        for name in self.section.enumerations:
            where: KeyPath = (*self.path, "enumerations", name)
            self._claim(where, name, ("", ".EnumStrings"))
            if name in BUILT_IN_TYPES:
                message = f"{name} is a built-in type"
                self.document.report(where, message, hint="choose another name", key=True)
        self._check_objects((*self.path, "objects"), self.section.objects)

    def _claim(self, path: KeyPath, key: str, endings: tuple[str, ...]) -> None:
        """Take NodeIds: no other node may have them."""
        for ending in endings:
            full = key + ending
            if full in self.keys:
                message = f"{full} is already the NodeId of {self.keys[full]}"
                self.document.report(path, message, hint="rename one of them", key=True)
                return
        for ending in endings:
            self.keys[key + ending] = ".".join(str(part) for part in path[2:])

    def _check_objects(self, path: KeyPath, objects: Mapping[str, ObjectConfig]) -> None:
        self._check_names([path], [objects])
        for key, each in objects.items():
            where = (*path, key)
            self._claim(where, key, ("",))
            kinds = [(*where, kind) for kind in ("objects", "variables", "methods")]
            self._check_names(kinds, [each.objects, each.variables, each.methods])
            for name, variable in each.variables.items():
                self._check_variable((*where, "variables", name), name, variable)
            for name, method in each.methods.items():
                there = (*where, "methods", name)
                self._claim(there, name, ("", ".InputArguments", ".OutputArguments"))
                check_method(self.document, there, method, self.types)
            self._check_objects((*where, "objects"), each.objects)

    def _check_names(
        self, paths: Sequence[KeyPath], groups: Sequence[Mapping[str, NamedConfig]]
    ) -> None:
        """What one object holds differs in its BrowseNames: clients tell it apart by them."""
        seen: dict[str, str] = {}
        for path, group in zip(paths, groups, strict=True):
            for key, config in group.items():
                name = browse_name(key, config)
                if name in seen:
                    message = f"{name} is already the BrowseName of {seen[name]}"
                    self.document.report((*path, key), message, hint="add name: ...", key=True)
                seen.setdefault(name, key)

    def _check_variable(self, path: KeyPath, key: str, config: VariableConfig) -> None:
        self.variables += config.repeat or 1
        if self.variables > MAX_VARIABLES:
            message = f"the section has {self.variables} variables"
            self.document.report(path, message, allowed=f"at most {MAX_VARIABLES}", key=True)
            return
        endings = ("", *_properties(config))
        for full, _ in repeated(key, config):
            before = len(self.document.problems)
            self._claim(path, full, endings)
            if len(self.document.problems) > before:
                break
        type_ = known_type(self.document, path, config.type, self.types)
        if type_ is None:
            return
        try:
            shape, value = initial_value(config, type_)
        except ValueFitError as problem:
            where = (*path, *problem.path)
            self.document.report(where, str(problem), allowed=problem.allowed)
            return
        if config.type == "NodeId":
            self._check_node_ids((*path, "value"), value)
        for name, message, hint in _misfits(config, type_, shape):
            self.document.report((*path, name), message, hint=hint, key=True)

    def _check_node_ids(self, path: KeyPath, value: object) -> None:
        if isinstance(value, list):
            for i, item in enumerate(value):
                self._check_node_ids((*path, i), item)
            return
        uri, _ = node_id_parts(str(value))
        if uri and uri not in self.namespaces:
            message = f"{uri} is no namespace of a section"
            self.document.report(path, message, allowed=listed(sorted(self.namespaces)))


def _properties(config: VariableConfig) -> tuple[str, ...]:
    """The ends of the NodeIds of a variable's properties."""
    ends = {".EngineeringUnits": config.unit, ".EURange": config.range}
    return tuple(end for end, given in ends.items() if given is not None)


def _misfits(
    config: VariableConfig, type_: BuiltInType, shape: Shape
) -> Iterator[tuple[str, str, str]]:
    """Keys that have no meaning beside the others: key, message, hint."""
    single_number = type_.is_number and not shape.dimensions
    for key in ("unit", "range", "write_range"):
        if getattr(config, key) is not None and not type_.is_number:
            yield key, f"a {config.type} has no {key}", "remove it"
    if config.source is not None:
        yield from _misfits_of_source(config, type_, shape)
    if config.raises_event is not None and not (single_number and type_.whole):
        yield "raises_event", "the severity of an event is a whole number", "choose type: UInt16"
    if config.raises_event is not None and config.write_range is not None:
        low, high = config.write_range
        if low < 0 or high > MAX_SEVERITY:
            yield "write_range", "a severity is 1 to 1000, and 0 raises no event", "[0, 1000]"
    if config.writable:
        return
    for key in ("write_range", "raises_event"):
        if getattr(config, key) is not None:
            yield key, f"{key} is about writes, and this variable cannot be written", _MAKE_WRITABLE
    if not config.audited:
        yield "audited", "there are no writes that could be audited", "remove it"


_MAKE_WRITABLE = "add writable: true"


def _misfits_of_source(
    config: VariableConfig, type_: BuiltInType, shape: Shape
) -> Iterator[tuple[str, str, str]]:
    assert config.source is not None
    if not type_.is_number or shape.dimensions:
        yield "source", "a counter is a single number", "choose type: Double"
    elif type_.whole and not config.source.step.is_integer():
        message = f"an {config.type} counts in whole steps, not by {config.source.step:g}"
        yield "source", message, "choose type: Double"
    if config.writable:
        yield "writable", "a variable that counts by itself cannot be written", "remove it"
