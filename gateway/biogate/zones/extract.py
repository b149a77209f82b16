"""What of the address space a zone may ever see, as data: nodes, references, sources, tags.

What nobody of the zone could ever browse is not there at all, nor is a reference to it; so no
service of the zone's front end can tell that it exists.
"""

from __future__ import annotations

import logging
import marshal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biogate.opcua.codec import encode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.places import Place
from biogate.opcua.space.tag_values import NUMBERS
from biogate.opcua.space.values import FollowSource, StaticSource, TagSource, ValueSource
from biogate.opcua.stack import ua
from biogate.tags import TagTable
from biogate.zones.messages import (
    SourceOfConstant,
    SourceOfFollower,
    SourceOfTag,
    SpaceOf,
    TagOf,
)
from biogate.zones.node_ids import to_bytes
from biogate.zones.tag_map import TagMap
from biogate_nodesets.compiled import flatten
from biogate_nodesets.model import Model, Node
from biogate_security.policy import Action

_log = logging.getLogger(__name__)

NOT_SHOWN = "urn:biogate:not-shown"
_VALUES = (Action.READ, Action.SUBSCRIBE)


@dataclass(frozen=True, slots=True)
class Whole:
    """The core's address space. `of_nodesets` are the nodes that every front end loads itself,
    in the first `nodeset_namespaces` namespaces; `unaudited` NodeIds as text."""

    space: AddressSpace
    table: TagTable
    of_nodesets: frozenset[ua.NodeId]
    nodeset_namespaces: int
    unaudited: frozenset[str]
    has_history: Callable[[str], bool]


Reaches = Callable[[Action, str, str], bool]
"""Whether anybody of a zone could ever do an action on a part of a zone."""


@dataclass(slots=True)
class Extract:
    """What one zone is given: `data`, and what the core needs to understand its requests.

    `variables`: the core's tag → NodeId as text → the Variable by which the zone may name it.
    Writes of `unaudited` leave no record; of `plain` (by the zone's own index) any number will do,
    too. `methods` are what it may call. `zones` (by the zone's own index): where the Variables
    belong that show the tag; `historized` the same of the tags whose history it may read, by name.
    """

    data: SpaceOf
    tags: TagMap
    variables: Mapping[int, Mapping[str, Variable]]
    unaudited: frozenset[int]
    plain: NDArray[np.bool_]
    methods: frozenset[ua.NodeId]
    historized: Mapping[str, frozenset[str]]
    zones: tuple[frozenset[str], ...]


class Variable(NamedTuple):
    """A Variable that shows a tag."""

    node_id: ua.NodeId
    source: TagSource


@dataclass(slots=True)
class _Tags:
    """The zone's own numbering, as its sources come up."""

    own: str
    numbers: dict[int, int] = field(default_factory=dict)
    shown: dict[int, bool] = field(default_factory=dict)
    variables: dict[int, dict[str, Variable]] = field(default_factory=dict)
    zones: dict[int, set[str]] = field(default_factory=dict)
    unaudited: set[int] = field(default_factory=set)
    historized: set[int] = field(default_factory=set)

    def number(self, tag: int, zone: str, *, shown: bool) -> int:
        self.zones.setdefault(tag, set()).add(zone)
        number = self.numbers.setdefault(tag, len(self.numbers))
        self.shown[tag] = self.shown.get(tag, False) or shown
        return number


def extract(whole: Whole, reaches: Reaches, own: str) -> Extract:
    """What the zone called `own` may see of it."""
    space = whole.space
    seen = list(_visible(whole, reaches))
    ids = frozenset(node.node_id for node in seen)
    tags = _Tags(own)
    sources = tuple(_sources(whole, seen, reaches, tags))
    methods = [
        pair for pair in space.methods.bound() if all(_is_there(whole, ids, each) for each in pair)
    ]
    data = SpaceOf(
        namespaces=_namespaces(whole, ids),
        model=_model(whole, seen, ids),
        places=tuple((p.zone, p.part) for p in (space.place(node.node_id) for node in seen)),
        sources=sources,
        notifiers=tuple(to_bytes(each) for each in space.notifiers if each in ids),
        methods=tuple(
            (to_bytes(owner), to_bytes(method), space.methods.is_audited(method))
            for owner, method in methods
        ),
        tags=tuple(_tag_of(whole, t, historized=t in tags.historized) for t in tags.numbers),
        unaudited=tuple(sorted(whole.unaudited & {each.to_string() for each in ids})),
    )
    zones = tuple(frozenset(tags.zones[tag]) for tag in tags.numbers)
    plain = (tag in tags.unaudited and _is_plain(tags.variables[tag]) for tag in tags.numbers)
    return Extract(
        data,
        TagMap(list(tags.numbers), list(tags.shown.values()), len(whole.table)),
        tags.variables,
        frozenset(tags.unaudited),
        np.fromiter(plain, np.bool_, len(tags.numbers)),
        frozenset(method for _, method in methods),
        {each.name: own for each, own in zip(data.tags, zones, strict=True) if each.historized},
        zones,
    )


def _is_plain(variables: Mapping[str, Variable]) -> bool:
    return all(each.source.projection in NUMBERS for each in variables.values())


def _visible(whole: Whole, reaches: Reaches) -> Iterator[Node]:
    known: dict[tuple[str, str], bool] = {}
    for node_id, node in whole.space.nodes.items():
        if node_id in whole.of_nodesets:
            continue
        place = whole.space.place(node_id)
        key = (place.zone, place.part)
        if key not in known:
            known[key] = reaches(Action.BROWSE, *key)
        if known[key]:
            yield node


def _is_there(whole: Whole, ids: frozenset[ua.NodeId], node_id: ua.NodeId) -> bool:
    return node_id in ids or node_id in whole.of_nodesets


def _model(whole: Whole, seen: list[Node], ids: frozenset[ua.NodeId]) -> bytes:
    """The nodes with those of their references whose other end is there, too."""
    pruned = (
        replace(node, references=[r for r in node.references if _is_there(whole, ids, r.target)])
        for node in seen
    )
    return marshal.dumps(_exact(flatten(Model([], {node.node_id: node for node in pruned}))))


_PLAIN: tuple[Any, ...] = (int, float, str, bytes)
_EXACT = frozenset({type(None), bool, *_PLAIN})


def _exact(value: Any) -> Any:
    """The value with numbers and texts of exactly Python's types, as marshal takes them."""
    kind = type(value)
    if kind in _EXACT:
        return value
    if kind is tuple or kind is list:
        return kind(map(_exact, value))
    for plain in _PLAIN:
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{kind.__name__} is not for a zone's process")


def _namespaces(whole: Whole, ids: frozenset[ua.NodeId]) -> tuple[str, ...]:
    used = {int(each.NamespaceIndex) for each in ids}
    return tuple(
        uri if index < whole.nodeset_namespaces or index in used else f"{NOT_SHOWN}:{index}"
        for index, uri in enumerate(whole.space.namespaces)
    )


def _sources(
    whole: Whole, seen: list[Node], reaches: Reaches, tags: _Tags
) -> Iterator[SourceOfTag | SourceOfConstant | SourceOfFollower]:
    for position, node in enumerate(seen):
        source = whole.space.source(node.node_id)
        if source is None or (isinstance(source, StaticSource) and source.value is node.value):
            continue
        may = _May(reaches, whole.space.place(node.node_id))
        found = _source(position, node, source, tags, may)
        if found is not None:
            yield found


@dataclass(frozen=True, slots=True)
class _May:
    """What anybody of the zone could ever do with a node."""

    reaches: Reaches
    place: Place

    def __call__(self, *actions: Action) -> bool:
        return any(self.reaches(action, *self.place) for action in actions)


def _source(
    position: int, node: Node, source: ValueSource, tags: _Tags, may: _May
) -> SourceOfTag | SourceOfConstant | SourceOfFollower | None:
    if isinstance(source, TagSource):
        return _tag_source(position, node, source, tags, may)
    if isinstance(source, StaticSource):
        return SourceOfConstant(position, source.value)
    if isinstance(source, FollowSource):
        number = tags.number(source.tag, may.place.zone, shown=may(*_VALUES))
        return SourceOfFollower(position, number, bytes(encode_variant(source.value)))
    _log.error(
        "a value that the core computes is not shown in zones",
        extra={"node": node.node_id.to_string()},
    )
    return None


def _tag_source(
    position: int, node: Node, source: TagSource, tags: _Tags, may: _May
) -> SourceOfTag:
    number = tags.number(source.tag, may.place.zone, shown=may(*_VALUES))
    variable = Variable(node.node_id, source)
    tags.variables.setdefault(source.tag, {})[node.node_id.to_string()] = variable
    # Across a conduit they go by the command service, for the conduit's limits.
    unaudited = source.unaudited and may.place.zone in ("", tags.own)
    if unaudited and may(Action.WRITE):
        tags.unaudited.add(source.tag)
    if may(Action.READ_HISTORY):
        tags.historized.add(source.tag)
    return SourceOfTag(
        position, number, source.projection.value, source.name, source.device,
        source.writable, source.stored, unaudited,
    )  # fmt: skip


def _tag_of(whole: Whole, tag: int, *, historized: bool) -> TagOf:
    info = whole.table.info(tag)
    return TagOf(
        info.name, info.data_type, info.unit, info.low, info.high, info.instrument_low,
        info.instrument_high, info.writable, info.description,
        historized and whole.has_history(info.name),
    )  # fmt: skip
