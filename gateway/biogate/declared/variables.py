"""The tags behind declared variables: made with their initial values, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from biogate.declared.routes import StoredRoute
from biogate.declared.values import projection, stored, to_variant
from biogate.opcua.ports import StoredValue, StoredWrites, UnfitValue
from biogate.opcua.space.values import TagSource
from biogate.opcua.stack import StatusCodes, ua
from biogate.site import SectionPlan, VariablePlan
from biogate.site.membership import Membership
from biogate.site.node_values import fitting_value
from biogate.tags import TagInfo, TagTable

EVENT_SEVERITIES = (0.0, 1000.0)
"""Part 5, 6.4.2: a severity is 1 to 1000. Writing 0 raises no event."""

Raise = Callable[[str, str, int], None]
"""Raises an event of a tag, with a message and a severity."""


class DeclaredVariables:
    """All variables without a device. Building it adds their tags, without values yet.

    Raises ValueError when the name of a tag is taken. `zones` says which sections are written
    across a conduit: its limits hold for each write, so that none takes the short way.
    """

    def __init__(
        self, sections: Iterable[SectionPlan], table: TagTable, zones: Membership | None = None
    ) -> None:
        self._limited: set[str] = set()
        self._namespaces: dict[str, str] = {}
        self._variables: dict[str, VariablePlan] = {}
        self._tags: dict[str, int] = {}
        for section in sections:
            limited = zones is not None and zones.is_written_across(section.name)
            for variable in section.variables:
                if limited:
                    self._limited.add(variable.tag)
                self._namespaces[variable.tag] = section.namespace
                self._variables[variable.tag] = variable
                self._tags[variable.tag] = table.add(_info(variable))

    def __len__(self) -> int:
        return len(self._variables)

    def __iter__(self) -> Iterator[VariablePlan]:
        return iter(self._variables.values())

    def __contains__(self, tag: str) -> bool:
        return tag in self._variables

    def __getitem__(self, tag: str) -> VariablePlan:
        return self._variables[tag]

    def index(self, tag: str) -> int:
        """The index of a variable's tag."""
        return self._tags[tag]

    def source(self, tag: str) -> TagSource:
        """What the variable's node shows, and whether it can be written."""
        variable = self._variables[tag]
        return TagSource(
            self._tags[tag],
            projection(variable),
            tag,
            writable=variable.config.writable,
            stored=True,
            unaudited=tag not in self._limited and _is_set_at_once(variable),
        )

    def initial(self, namespaces: Sequence[str], now: int) -> StoredWrites:
        """The initial values, as of wall time `now` (ticks). Raises ValueError as `to_variant`."""
        values = [
            stored(variable, self._variant(tag, variable.value, namespaces), now)
            for tag, variable in self._variables.items()
        ]
        return columns(list(self._tags.values()), values)

    def converted(
        self, tag: str, value: Any, namespaces: Sequence[str], now: int
    ) -> StoredValue | UnfitValue:
        """A Python value as the variable takes it; written like in the site file."""
        variable = self._variables[tag]
        try:
            plain = fitting_value(value, variable.shape, variable.type)
            variant = self._variant(tag, plain, namespaces)
        except ValueError:
            return UnfitValue(StatusCodes.BadTypeMismatch, f"{value!r:.100}")
        return stored(variable, variant, now)

    def routes(self, raise_event: Raise) -> Iterator[tuple[int, StoredRoute]]:
        """The tags that can be written, and what has to be kept and done then."""
        for tag, variable in self._variables.items():
            if variable.config.writable:
                yield self._tags[tag], _route(variable, raise_event)

    def _variant(self, tag: str, value: Any, namespaces: Sequence[str]) -> ua.Variant:
        namespace = namespaces.index(self._namespaces[tag])
        return to_variant(self._variables[tag].config.type, value, namespaces, namespace)


def columns(tags: Sequence[int], values: Sequence[StoredValue]) -> StoredWrites:
    """Values of tags by column."""
    return StoredWrites(
        np.array(tags, np.int32),
        np.array([each.value for each in values], np.float64),
        np.array([each.status for each in values], np.uint32),
        np.array([each.source_time for each in values], np.int64),
        {row: each.held for row, each in enumerate(values) if each.held is not None},
    )


def _info(variable: VariablePlan) -> TagInfo:
    config = variable.config
    low, high = config.range or (None, None)
    return TagInfo(
        name=variable.tag,
        data_type=projection(variable).name,
        unit=config.unit,
        low=low,
        high=high,
        writable=config.writable,
        description=config.description,
    )


def _is_set_at_once(variable: VariablePlan) -> bool:
    """True where nothing but the table has to know of a write."""
    config = variable.config
    plain = config.write_range is None and config.raises_event is None
    return config.writable and not config.audited and plain


def _route(variable: VariablePlan, raise_event: Raise) -> StoredRoute:
    message = variable.config.raises_event
    limits = variable.config.write_range
    if message is None:
        return StoredRoute(variable.tag, *(limits or (None, None)))

    def tell(number: float) -> None:
        if number >= 1:  # 0 raises none
            raise_event(variable.tag, message, int(number))

    return StoredRoute(variable.tag, *(limits or EVENT_SEVERITIES), tell)
