"""ContentFilter (Part 4, 7.7) as it is asked for every event.

An element refers to later elements only (7.7.4.2), so that going through them from the last to
the first has every operand ready: nothing recurses, and nothing is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from biogate.opcua.events.event import Event
from biogate.opcua.events.fields import EventField
from biogate.opcua.events.operators import Operands, truth
from biogate.opcua.events.typed import T, Typed, typed
from biogate.opcua.space.types import TypeTree

Operand = int | EventField | Typed | None
"""The index of a later element, a field of the event, or a literal."""


@dataclass(frozen=True, slots=True)
class Element:
    """One operator with its operands. `evaluate` gets their values, and the event."""

    evaluate: Callable[[Operands, Event], Typed | None]
    operands: Sequence[Operand]


class ContentFilter:
    """A filter that is sound: without elements it lets everything pass."""

    def __init__(self, types: TypeTree, elements: Sequence[Element] = ()) -> None:
        self._types = types
        used = _used(elements)
        self._elements = [(i, elements[i]) for i in sorted(used, reverse=True)]

    def passes(self, event: Event) -> bool:
        """True when the first element is TRUE, neither FALSE nor NULL."""
        if not self._elements:
            return True
        results: dict[int, Typed | None] = {}
        for index, element in self._elements:
            operands = [self._value(operand, event, results) for operand in element.operands]
            results[index] = element.evaluate(operands, event)
        return truth(results[0]) is True

    def _value(
        self, operand: Operand, event: Event, results: Mapping[int, Typed | None]
    ) -> Typed | None:
        if isinstance(operand, int):
            return results[operand]
        if not isinstance(operand, EventField):
            return operand
        value = typed(operand.of(event, self._types))
        if value is not None and value.type is T.StatusCode and not operand.may_be_status:
            return None  # it says why there is no value
        return value


def _used(elements: Sequence[Element]) -> set[int]:
    """The elements that can be reached from the first one; others are ignored (7.7.1)."""
    used = {0} if elements else set()
    for index, element in enumerate(elements):
        if index in used:
            used.update(operand for operand in element.operands if isinstance(operand, int))
    return used
