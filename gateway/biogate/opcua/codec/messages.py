"""Whole messages and whole values: the entry points of the codec (Part 6, 6.7.2.4 and 5.2.9)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from typing import Any

from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.limits import DecodeError, DecodeLimits, EncodeError
from biogate.opcua.codec.reader import DEFAULT_LIMITS, Reader
from biogate.opcua.codec.structures import MESSAGES, StructureCodec, codec_of, encoding_id
from biogate.opcua.codec.writer import Writer
from biogate.opcua.stack import StatusCodes, ua

__all__ = [
    "decode_in_steps",
    "decode_message",
    "decode_request_header",
    "decode_variant",
    "encode_data_value",
    "encode_message",
    "encode_results",
    "encode_variant",
    "message_class",
]


def encode_message(message: Any) -> bytes:
    """A service request or response of asyncua as bytes: the NodeId of its encoding, its fields.

    Raises EncodeError for a value that does not fit its type.
    """
    return _write(type(message).__name__, lambda w: codec_of(type(message)).encode(w, message))


def encode_variant(value: ua.Variant) -> EncodedVariant:
    """A Variant as bytes that the writer accepts in its place. Raises EncodeError."""
    return EncodedVariant(_write("Variant", lambda w: w.variant(value)))


def encode_data_value(value: ua.DataValue) -> bytes:
    """A DataValue as bytes. Raises EncodeError."""
    return _write("DataValue", lambda w: w.data_value(value))


def encode_results(response: type, header: ua.ResponseHeader, results: Sequence[bytes]) -> bytes:
    """A response of a header, an array of Results and no DiagnosticInfos, its results encoded.

    Raises EncodeError.
    """

    def write(writer: Writer) -> None:
        writer.node_id(encoding_id(response))
        codec_of(ua.ResponseHeader).encode(writer, header)
        writer.count(results)
        writer.buffer += b"".join(results)
        writer.count(())

    return _write(response.__name__, write)


def _write(what: str, write: Callable[[Writer], None]) -> bytes:
    writer = Writer()
    try:
        write(writer)
    except (struct.error, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise EncodeError(f"{what}: {error}") from error
    except UnicodeEncodeError as error:
        raise EncodeError(f"{what}: {error.object!r} is not Unicode text") from error
    return bytes(writer.buffer)


def decode_message(data: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS) -> Any:
    """The service request or response in `data`.

    Raises DecodeError: Bad_ServiceUnsupported for a message type that nobody knows, otherwise
    Bad_DecodingError or Bad_EncodingLimitsExceeded.
    """
    reader = Reader(data, limits)
    message = _message_codec(reader).decode(reader)
    reader.finish()
    return message


def decode_in_steps(
    data: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS
) -> Generator[None, None, Any]:
    """`decode_message` for a long message: yields now and then, and returns the message."""
    reader = Reader(data, limits)
    message = yield from _message_codec(reader).steps(reader)
    reader.finish()
    return message


def _message_codec(reader: Reader) -> StructureCodec:
    type_id = reader.node_id()
    reader.pos = 0  # the first field of every message is its TypeId
    codec = None
    if type_id.NamespaceIndex == 0:
        codec = MESSAGES.get(type_id.Identifier)
    if codec is None:
        raise DecodeError(StatusCodes.BadServiceUnsupported, f"message of type {type_id}")
    return codec


def message_class(data: bytes | memoryview) -> type:
    """The class of the message in `data`; nothing but its type is read.

    Raises DecodeError like `decode_message`.
    """
    return _message_codec(Reader(data)).cls


_request_header = codec_of(ua.RequestHeader)


def decode_request_header(
    data: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS
) -> ua.RequestHeader:
    """The header of a request whose type or body cannot be decoded, to answer it with a fault.

    Raises DecodeError.
    """
    reader = Reader(data, limits)
    reader.node_id()
    header: ua.RequestHeader = _request_header.decode(reader)
    return header


def decode_variant(data: bytes | memoryview, limits: DecodeLimits = DEFAULT_LIMITS) -> ua.Variant:
    """The Variant that fills `data`. Raises DecodeError."""
    reader = Reader(data, limits)
    value = reader.variant()
    reader.finish()
    return value
