"""EventFilter (Part 4, 7.22.3): which events an item gets, and what of them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.codec.limits import EncodeError
from biogate.opcua.codec.messages import encode_message, encode_variant
from biogate.opcua.config import Limits
from biogate.opcua.errors import StatusError
from biogate.opcua.events.content_filter import ContentFilter
from biogate.opcua.events.event import Event
from biogate.opcua.events.fields import NO_FIELD, EventField, EventTypes
from biogate.opcua.events.filter_compiler import FilterCompiler
from biogate.opcua.stack import StatusCodes, ua

# The classes that are decoded; `ua` may show refined ones under the same names.
_EVENT_FILTER = ua.uaprotocol_auto.EventFilter
_DATA_FILTERS = (ua.uaprotocol_auto.DataChangeFilter, ua.uaprotocol_auto.AggregateFilter)
_NULL = b"\0"
_MAX_FILTERS_BYTES = 8 << 20
_HARMLESS = frozenset((StatusCodes.Good, StatusCodes.BadNodeIdUnknown))


class FilterError(StatusError):
    """A filter that cannot be. `result` says which of its clauses are wrong; None: none is."""

    def __init__(self, status: int, result: ua.EventFilterResult | None = None) -> None:
        super().__init__(status)
        self.result = result


class EventFilter:
    """A filter that is sound. `result` names fields that no event will have; None: there is none.

    Items with equal filters have the same one.
    """

    def __init__(
        self,
        types: EventTypes,
        fields: Sequence[EventField],
        where: ContentFilter,
        result: ua.EventFilterResult | None,
    ) -> None:
        self._types = types.space.types
        self._fields = fields
        self._where = where
        self.result = result

    def passes(self, event: Event) -> bool:
        """True when the where clause does not keep the event back."""
        return self._where.passes(event)

    def select(self, event: Event) -> list[bytes]:
        """The selected fields as encoded Variants; one that cannot be encoded says so."""
        return [_encoded(field.of(event, self._types)) for field in self._fields]


def _encoded(variant: ua.Variant | None) -> bytes:
    if variant is None or variant.Value is None:
        return _NULL
    try:
        return encode_variant(variant)
    except EncodeError:
        return status_field(StatusCodes.BadEncodingError)


def status_field(status: int) -> bytes:
    """What stands in an event for a field that cannot be given: why, as an encoded Variant."""
    return encode_variant(ua.Variant(_code(status), ua.VariantType.StatusCode))


class EventFilters:
    """The filters in use, each once."""

    def __init__(self, types: EventTypes, limits: Limits) -> None:
        self._types = types
        self._limits = limits
        self._held = ByteBudget(_MAX_FILTERS_BYTES)
        self._filters: weakref.WeakValueDictionary[bytes, EventFilter] = (
            weakref.WeakValueDictionary()
        )

    def get(self, requested: Any) -> EventFilter:
        """The filter of a request for events.

        Raises FilterError: Bad_EventFilterInvalid without a filter, without select clauses, or
        with a clause that is wrong; Bad_FilterNotAllowed for a filter of data;
        Bad_MonitoredItemFilterInvalid for what is no filter; Bad_OutOfMemory when all filters
        together are too large. A field that no event has is no reason to refuse: it is null.
        """
        if requested is None or (isinstance(requested, ua.ExtensionObject) and not requested.Body):
            raise FilterError(StatusCodes.BadEventFilterInvalid)
        if isinstance(requested, _DATA_FILTERS):
            raise FilterError(StatusCodes.BadFilterNotAllowed)
        if not isinstance(requested, _EVENT_FILTER):
            raise FilterError(StatusCodes.BadMonitoredItemFilterInvalid)
        key = encode_message(requested)
        known = self._filters.get(key)
        if known is not None:
            return known
        made = self._compile(requested)
        if not self._held.take(len(key)):
            raise FilterError(StatusCodes.BadOutOfMemory)
        weakref.finalize(made, self._held.give_back, len(key))
        self._filters[key] = made
        return made

    def _compile(self, requested: Any) -> EventFilter:
        limits = self._limits
        fields, statuses = self._select(requested.SelectClauses or ())
        compiler = FilterCompiler(self._types, limits.max_where_clause_parameters)
        where = compiler.compile(requested.WhereClause.Elements or ())
        result = None
        if where is None or any(statuses):
            result = ua.EventFilterResult(
                SelectClauseResults=[_code(status) for status in statuses],
                WhereClauseResult=ua.ContentFilterResult(ElementResults=compiler.results),
            )
        if where is None or not fields or not _HARMLESS.issuperset(statuses):
            raise FilterError(StatusCodes.BadEventFilterInvalid, result)
        return EventFilter(self._types, fields, where, result)

    def _select(self, clauses: Sequence[Any]) -> tuple[list[EventField], list[int]]:
        """The field of each clause, and its status."""
        most = self._limits.max_select_clause_parameters
        fields, statuses = [], []
        for clause in clauses[:most]:
            field, status = NO_FIELD, StatusCodes.Good
            try:
                path = clause.BrowsePath or ()
                field = self._types.field(
                    clause.TypeDefinitionId, path, clause.AttributeId, clause.IndexRange
                )
            except StatusError as error:
                status = error.status
            fields.append(field)
            statuses.append(status)
        return fields, statuses + [StatusCodes.BadTooManyOperations] * (len(clauses) - most)


def _code(status: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(status))
