"""ReadValueIds answered one by one: what Read and the cold path of monitored items share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from biogate.opcua.codec import EncodeError, encode_data_value
from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.fields import from_status
from biogate.opcua.codec.limits import DecodeLimits
from biogate.opcua.codec.messages import decode_variant
from biogate.opcua.errors import StatusError
from biogate.opcua.services.context import ServerContext
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.attributes import VALUE, has_attribute, is_readable, read_attribute
from biogate.opcua.space.index_range import apply_index_range, parse_index_range
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.tag_values import project
from biogate.opcua.space.values import CallSource, StaticSource, TagSource, ValueSource
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work, complete
from biogate_adapters.status import is_bad
from biogate_nodesets.model import Node
from biogate_security.policy import Action

_log = logging.getLogger(__name__)
_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
_OTHER_ENCODINGS = ("Default XML", "Default JSON")
# Constants come from our own nodesets: they may be large, and are not hostile.
_CONSTANT_LIMITS = DecodeLimits(
    max_string_length=1 << 28,
    max_byte_string_length=1 << 28,
    max_array_length=1 << 24,
    max_elements=1 << 24,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that cannot be read: its status stays while `rights.key` does."""

    status: int


Answer = ValueSource | Refusal | Node
"""What an item was found to be: where its Value comes from, or the node of another attribute.

Nothing is made of it before it is encoded: ten thousand items may name the largest value.
"""


def check_read(rights: RightsView, item: ua.ReadValueId) -> Node:
    """The node whose attribute `item` may be read (it need not have a value yet).

    Raises StatusError with the operation's status (Part 4, 5.11.2.4).
    """
    node = rights.require_visible(item.NodeId)
    if not has_attribute(node, item.AttributeId):
        raise StatusError(StatusCodes.BadAttributeIdInvalid)
    check_encoding(item.DataEncoding, is_value=item.AttributeId == VALUE)
    if item.IndexRange:
        parse_index_range(item.IndexRange)
    if item.AttributeId != VALUE:
        return node
    if not is_readable(node):
        raise StatusError(StatusCodes.BadNotReadable)
    if not rights.may(Action.READ, node):
        raise StatusError(rights.refusal(Action.READ, node))
    return node


def read_items(
    server: ServerContext,
    rights: RightsView,
    items: Sequence[ua.ReadValueId],
    timestamps: ua.TimestampsToReturn,
) -> list[ua.DataValue]:
    """One DataValue per item, times as FILETIME ticks. All tags are read at the same moment."""
    return list(complete(read_in_turns(server, rights, items, timestamps)))


def read_in_turns(
    server: ServerContext,
    rights: RightsView,
    items: Sequence[ua.ReadValueId],
    timestamps: ua.TimestampsToReturn,
) -> Work[Iterator[ua.DataValue]]:
    """Like `read_items`, a step for each item; the values are made as they are taken."""
    answers = yield from find_answers(server, rights, items)
    return take_values(server, rights, items, answers, timestamps)


def find_answers(
    server: ServerContext, rights: RightsView, items: Sequence[ua.ReadValueId]
) -> Work[list[Answer]]:
    """What each item is, a step for each."""
    answers = []
    for item in items:
        answers.append(_answer(server.space, rights, item))
        yield
    return answers


def take_values(
    server: ServerContext,
    rights: RightsView,
    items: Sequence[ua.ReadValueId],
    answers: Sequence[Answer],
    timestamps: ua.TimestampsToReturn,
) -> Iterator[ua.DataValue]:
    """The values, made as they are taken: those of tags as they are now."""
    tags = _read_tags(server, [answer for answer in answers if isinstance(answer, TagSource)])
    now = server.wall_clock()
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, TagSource):
            value = next(tags)
        else:
            value = _made(server, rights, item, answer)
        yield _finish(item, value, timestamps, now)


def check_encoding(name: ua.QualifiedName, *, is_value: bool) -> None:
    """Raises StatusError Bad_DataEncodingInvalid or Bad_DataEncodingUnsupported."""
    if not name.Name:
        return
    if is_value and name.NamespaceIndex == 0:
        if name.Name == "Default Binary":
            return
        if name.Name in _OTHER_ENCODINGS:
            raise StatusError(StatusCodes.BadDataEncodingUnsupported)
    raise StatusError(StatusCodes.BadDataEncodingInvalid)


def _answer(space: AddressSpace, rights: RightsView, item: ua.ReadValueId) -> Answer:
    try:
        node = check_read(rights, item)
    except StatusError as error:
        return Refusal(error.status)
    if item.AttributeId != VALUE:
        return node
    source = space.source(node.node_id)
    if source is not None:
        return source
    is_type = node.node_class is ua.NodeClass.VariableType
    return Refusal(StatusCodes.BadAttributeIdInvalid if is_type else StatusCodes.BadNoValue)


def _made(
    server: ServerContext,
    rights: RightsView,
    item: ua.ReadValueId,
    answer: CallSource | StaticSource | Refusal | Node,
) -> ua.DataValue:
    if isinstance(answer, Refusal):
        return data_value(None, answer.status)
    if isinstance(answer, StaticSource):
        return data_value(EncodedVariant(answer.value), source_time=server.started_ticks)
    if isinstance(answer, CallSource):
        return _call(server, item.NodeId, answer)
    variant = read_attribute(answer, item.AttributeId, server.space, rights)
    if variant is None:
        return data_value(None, StatusCodes.BadAttributeIdInvalid)
    return data_value(variant)


def _call(server: ServerContext, node_id: ua.NodeId, source: CallSource) -> ua.DataValue:
    """The value of a function; one that fails is logged once, until it works again."""
    failing, key = server.failing, ("read", node_id)
    try:
        value = source.read()
    except Exception:  # noqa: BLE001  answered and logged
        if key not in failing:
            failing.add(key)
            _log.exception("a value could not be read", extra={"node": node_id.to_string()})
        return data_value(None, StatusCodes.BadInternalError)
    failing.discard(key)
    return value


def _read_tags(server: ServerContext, sources: Sequence[TagSource]) -> Iterator[ua.DataValue]:
    """The values of tags as they are now, made as they are taken."""
    tags = [source.tag for source in sources]
    columns = server.tags.snapshot(tags) if tags else ()
    held = [server.tags.object_at(tag) for tag in tags]
    rows = zip(sources, *(column.tolist() for column in columns), held, strict=True)
    return (_tag_value(*row) for row in rows)


def _tag_value(
    source: TagSource, value: float, status: int, source_time: int, server_time: int, held: Any
) -> ua.DataValue:
    variant, shown = project(source.projection, value, status, held)
    # What is stored here is known to be so at this moment (Part 4, 7.11.4).
    known_time = None if source.stored else server_time or None
    return data_value(variant, shown, source_time or None, known_time)


def data_value(
    value: ua.Variant | EncodedVariant | None,
    status: int = StatusCodes.Good,
    source_time: int | None = None,
    server_time: int | None = None,
) -> ua.DataValue:
    """A DataValue with times as FILETIME ticks."""
    return ua.DataValue(
        Value=cast(Any, value),
        StatusCode=ua.StatusCode(ua.UInt32(status)),
        SourceTimestamp=cast(Any, source_time),
        ServerTimestamp=cast(Any, server_time),
    )


def encode_item(server: ServerContext, item: ua.ReadValueId, value: ua.DataValue) -> bytes:
    """The value, or Bad_EncodingError in its place; logged once, until it works again."""
    failing, key = server.failing, ("encode", item.NodeId)
    try:
        encoded = encode_data_value(value)
    except EncodeError as error:
        if key not in failing:
            failing.add(key)
            context = {"node": item.NodeId.to_string(), "error": str(error)}
            _log.error("a value cannot be encoded", extra=context)
        return encode_data_value(data_value(None, StatusCodes.BadEncodingError))
    failing.discard(key)
    return encoded


def _finish(
    item: ua.ReadValueId, value: ua.DataValue, timestamps: ua.TimestampsToReturn, now: int
) -> ua.DataValue:
    if item.IndexRange:
        value = _cut(item.IndexRange, value)
    if timestamps not in _SOURCE or item.AttributeId != VALUE:
        value.SourceTimestamp = None
    if timestamps not in _SERVER:
        value.ServerTimestamp = None
    elif not value.ServerTimestamp:
        value.ServerTimestamp = cast(Any, now)
    return value


def _cut(index_range: str, value: ua.DataValue) -> ua.DataValue:
    if is_bad(from_status(value.StatusCode)):
        return value
    variant = value.Value or ua.Variant()
    if isinstance(variant.Value, EncodedVariant):
        variant = decode_variant(variant.Value, _CONSTANT_LIMITS)
    try:
        variant = apply_index_range(variant, parse_index_range(index_range))
    except StatusError as error:
        return data_value(None, error.status)
    return ua.DataValue(variant, value.StatusCode, value.SourceTimestamp, value.ServerTimestamp)
