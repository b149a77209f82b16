"""OPC UA Binary: reading under budgets, writing, and the structures of namespace 0 (Part 6, 5)."""

from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.limits import DecodeError, DecodeLimits, EncodeError
from biogate.opcua.codec.messages import (
    decode_in_steps,
    decode_message,
    decode_request_header,
    decode_variant,
    encode_data_value,
    encode_message,
    encode_results,
    encode_variant,
    message_class,
)
from biogate.opcua.codec.reader import Reader
from biogate.opcua.codec.writer import Writer

__all__ = [
    "DecodeError",
    "DecodeLimits",
    "EncodeError",
    "EncodedVariant",
    "Reader",
    "Writer",
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
