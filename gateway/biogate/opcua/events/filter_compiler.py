"""ContentFilterElements checked, and made into a ContentFilter (Part 4, 7.7.1 to 7.7.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from biogate.opcua.codec.messages import encode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.events.content_filter import ContentFilter, Element, Operand
from biogate.opcua.events.event import BASE_EVENT, Event
from biogate.opcua.events.fields import EventField, EventTypes
from biogate.opcua.events.operators import FALSE, OPERATORS, TRUE, Operands
from biogate.opcua.events.typed import T, Typed, cast, typed
from biogate.opcua.space.ids import HIERARCHICAL
from biogate.opcua.stack import StatusCodes, ua

# The classes that are decoded; `ua` may show refined ones under the same names.
_decoded = ua.uaprotocol_auto
_O = ua.FilterOperator
_ASKING = {_O.OfType: 1, _O.Cast: 2}
"""How many operands those take that ask the address space as well."""

_UNSUPPORTED = (_O.InView, _O.RelatedTo)
_NODE_IDS = (T.NodeId, T.ExpandedNodeId)
_NO_LITERALS = (T.Variant, T.DataValue, T.DiagnosticInfo)
_MAX_LITERAL = 4096
_CHARACTERS = 16
"""So many characters of literals count like an operand: what Like costs grows with them."""
_ENCODED = (T.NodeId, T.ExpandedNodeId, T.QualifiedName, T.LocalizedText, T.XmlElement,
            T.ExtensionObject)  # fmt: skip
"""Types whose values are as long as their encoding is."""


class FilterCompiler:
    """Goes through the elements of one filter.

    `results` says of each element and operand what is wrong with it. `limit` is how many operands
    all elements may have together; each element of an array counts, and each 16 characters of text,
    again wherever an element refers to a Cast of them.
    """

    def __init__(self, types: EventTypes, limit: int) -> None:
        self._types = types
        self._left = limit
        self.results: list[ua.ContentFilterElementResult] = []

    def compile(self, requested: Sequence[Any]) -> ContentFilter | None:
        """The filter; None when something is wrong."""
        most = self._left
        elements = [self._element(requested, index) for index in range(min(most, len(requested)))]
        sound = [element for element in elements if element is not None]
        if len(requested) > most:
            too_many = ua.ContentFilterElementResult(_code(StatusCodes.BadTooManyOperations))
            self.results += [too_many] * (len(requested) - most)
        if len(sound) < len(requested) or not self._charge_references(requested, sound):
            return None
        return ContentFilter(self._types.space.types, sound)

    def _element(self, requested: Sequence[Any], index: int) -> Element | None:
        operator, operands = requested[index].FilterOperator, requested[index].FilterOperands or ()
        statuses: list[int] = []
        try:
            self._check_operator(operator, len(operands))
            count = len(requested)
            compiled = [self._operand(operand, index, count, statuses) for operand in operands]
            if any(statuses):
                raise StatusError(StatusCodes.BadFilterOperandInvalid)
            self._check_types(operator, compiled, statuses)
        except StatusError as error:
            self._add(error.status, statuses)
            return None
        self._add(StatusCodes.Good, statuses)
        return Element(self._evaluation(operator), compiled)

    def _add(self, status: int, operands: Sequence[int]) -> None:
        self.results.append(
            ua.ContentFilterElementResult(
                StatusCode=_code(status), OperandStatusCodes=[_code(s) for s in operands]
            )
        )

    def _spend(self, operands: int) -> None:
        """Raises StatusError Bad_TooManyOperations when there are not so many left."""
        self._left -= operands
        if self._left < 0:
            raise StatusError(StatusCodes.BadTooManyOperations)

    def _charge_references(self, requested: Sequence[Any], elements: Sequence[Element]) -> bool:
        """Spend what elements get from others; False when there was not so much left.

        A Cast hands on what it is given: once in the filter, that may be looked at many times.
        """
        handed_on = [0] * len(elements)
        for index in reversed(range(len(elements))):
            weights = [_weight(operand, handed_on) for operand in elements[index].operands]
            if requested[index].FilterOperator == _O.Cast:
                handed_on[index] = weights[0]
            references = zip(elements[index].operands, weights, strict=True)
            try:
                self._spend(sum(weight for each, weight in references if isinstance(each, int)))
            except StatusError as error:
                self.results[index].StatusCode = _code(error.status)
                return False
        return True

    # -- operators ------------------------------------------------------------------------------

    def _check_operator(self, operator: int, count: int) -> None:
        """Raises StatusError with the element's status."""
        self._spend(max(1, count))
        if operator in _UNSUPPORTED:
            raise StatusError(StatusCodes.BadFilterOperatorUnsupported)
        if operator in _ASKING:
            fewest = most = _ASKING[_O(operator)]
        elif operator in OPERATORS:
            fewest, most, _ = OPERATORS[operator]
        else:
            raise StatusError(StatusCodes.BadFilterOperatorInvalid)
        if not fewest <= count <= most:
            raise StatusError(StatusCodes.BadFilterOperandCountMismatch)

    def _check_types(self, operator: int, operands: Sequence[Operand], statuses: list[int]) -> None:
        """OfType and Cast want a type that there is. Raises StatusError."""
        if operator not in _ASKING:
            return
        operand = operands[-1]
        if isinstance(operand, int | EventField):
            return
        if operand is None or not _is_node_id(operand):
            statuses[-1] = StatusCodes.BadFilterLiteralInvalid
        elif operator == _O.OfType and not self._is_known_to_all(operand.value):
            statuses[-1] = StatusCodes.BadNodeIdUnknown
        elif operator == _O.OfType and not self._is_event_type(operand.value):
            statuses[-1] = StatusCodes.BadTypeDefinitionInvalid
        if any(statuses):
            raise StatusError(StatusCodes.BadFilterOperandInvalid)

    def _is_known_to_all(self, node_id: ua.NodeId) -> bool:
        """Filters know nobody's rights: what the site has is told of only where it is a type of
        events, which are there for everybody."""
        is_standard = not node_id.NamespaceIndex and self._types.space.get(node_id) is not None
        return is_standard or self._is_event_type(node_id)

    def _is_event_type(self, type_id: ua.NodeId) -> bool:
        return self._types.space.types.is_subtype(type_id, BASE_EVENT)

    def _evaluation(self, operator: int) -> Callable[[Operands, Event], Typed | None]:
        if operator == _O.OfType:
            return self._of_type
        if operator == _O.Cast:
            return self._cast
        evaluate = OPERATORS[operator].evaluate
        return lambda operands, _event: evaluate(operands)

    def _of_type(self, operands: Operands, event: Event) -> Typed | None:
        wanted = operands[0]
        if wanted is None:
            return None
        if not _is_node_id(wanted):
            return FALSE
        return TRUE if self._types.space.types.is_subtype(event.type, wanted.value) else FALSE

    def _cast(self, operands: Operands, _event: Event) -> Typed | None:
        """NULL for whatever goes wrong (7.7.3)."""
        value, data_type = operands
        if value is None or data_type is None or not _is_node_id(data_type):
            return None
        target = self._types.space.types.built_in(data_type.value)
        return None if target is None else cast(value, target)

    # -- operands -------------------------------------------------------------------------------

    def _operand(self, operand: Any, index: int, count: int, statuses: list[int]) -> Operand:
        """The operand, and its status at the end of `statuses`."""
        compile_ = _OPERANDS.get(type(operand))
        try:
            if compile_ is None:
                raise StatusError(StatusCodes.BadFilterOperandInvalid)
            compiled = compile_(self, operand, index, count)
        except StatusError as error:
            statuses.append(error.status)
            return None
        statuses.append(StatusCodes.Good)
        return compiled

    def _element_operand(self, operand: Any, index: int, count: int) -> Operand:
        if operand.Index >= count:
            raise StatusError(StatusCodes.BadFilterElementInvalid)
        if operand.Index <= index:
            raise StatusError(StatusCodes.BadFilterOperandInvalid)
        return int(operand.Index)

    def _literal(self, operand: Any, _index: int, _count: int) -> Operand:
        variant = operand.Value
        if variant.VariantType in _NO_LITERALS or variant.Dimensions is not None:
            raise StatusError(StatusCodes.BadFilterLiteralInvalid)
        elements = variant.Value if isinstance(variant.Value, list) else [variant.Value]
        self._spend(len(elements) - 1)
        lengths = [_length(variant.VariantType, element) for element in elements]
        if any(length > _MAX_LITERAL for length in lengths):
            raise StatusError(StatusCodes.BadFilterLiteralInvalid)
        self._spend(sum(lengths) // _CHARACTERS)
        return typed(variant)

    def _simple_attribute(self, operand: Any, _index: int, _count: int) -> Operand:
        return self._types.field(
            operand.TypeDefinitionId,
            operand.BrowsePath or (),
            operand.AttributeId,
            operand.IndexRange,
        )

    def _attribute(self, operand: Any, _index: int, _count: int) -> Operand:
        """As a SimpleAttributeOperand, where its path leads forward and down as theirs do."""
        steps = operand.BrowsePath.Elements or ()
        if any(step.IsInverse or not self._is_hierarchical(step.ReferenceTypeId) for step in steps):
            raise StatusError(StatusCodes.BadFilterOperandInvalid)
        names = [step.TargetName for step in steps]
        return self._types.field(operand.NodeId, names, operand.AttributeId, operand.IndexRange)

    def _is_hierarchical(self, type_id: ua.NodeId) -> bool:
        return type_id.is_null() or self._types.space.types.is_subtype(type_id, HIERARCHICAL)


_OPERANDS: Mapping[type, Callable[[FilterCompiler, Any, int, int], Operand]] = {
    _decoded.ElementOperand: FilterCompiler._element_operand,
    _decoded.LiteralOperand: FilterCompiler._literal,
    _decoded.SimpleAttributeOperand: FilterCompiler._simple_attribute,
    _decoded.AttributeOperand: FilterCompiler._attribute,
}


def _is_node_id(value: Typed) -> bool:
    return value.type in _NODE_IDS and not isinstance(value.value, list)


def _weight(operand: Operand, handed_on: Sequence[int]) -> int:
    """What an operand costs beyond its place; `handed_on` has it of the elements."""
    if isinstance(operand, int):
        return handed_on[operand]
    if not isinstance(operand, Typed):
        return 0
    elements = operand.value if isinstance(operand.value, list) else [operand.value]
    lengths = (_length(operand.type, element) for element in elements)
    return len(elements) - 1 + sum(lengths) // _CHARACTERS


def _length(type_: ua.VariantType, value: Any) -> int:
    """How long a text or what is made of texts is: it is kept, and looked at for every event."""
    if isinstance(value, str | bytes):
        return len(value)
    if value is None or type_ not in _ENCODED:
        return 0
    return len(encode_variant(ua.Variant(value, type_)))


def _code(status: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(status))
