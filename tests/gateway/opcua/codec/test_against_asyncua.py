"""The codec against an independent one: asyncua's ua_binary, in both directions.

Where asyncua departs from Part 6 the values drawn keep away from it, and say so; those places have
byte-level tests in `test_wire_format.py` and are compared with node-opcua in
`test_against_node_opcua.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from hypothesis import HealthCheck, given, settings
from oracles.values import Values

from biogate.opcua.codec import Reader, Writer, decode_variant, encode_variant
from biogate.opcua.codec.structures import MESSAGES, STRUCTURES, codec_of
from biogate.opcua.stack import ua

ALL = Values()
# asyncua takes the namespace index of a QualifiedName, a UInt16, for an Int16 (Part 6, 5.2.2.13),
# writes the picoseconds of a DataValue in another order than the specification has it (5.2.2.17),
# swaps the mask bits of Locale and LocalizedText in a DiagnosticInfo and writes an inner one as an
# ExtensionObject (5.2.2.12).
SHARED = Values(last_namespace=0x7FFF, picoseconds=False, all_diagnostics=False)

MODEST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ALL_CLASSES = sorted(
    (codec.cls for codec in (*STRUCTURES.values(), *MESSAGES.values())),
    key=lambda cls: cls.__name__,
)
# asyncua: a String named Encoding taken for a mask; optional fields without a mask; arrays of
# abstract structures not supported.
DEPARTS = {
    "SessionSecurityDiagnosticsDataType",
    "LogRecord",
    "LogRecordsDataType",
    "DatagramConnectionTransport2DataType",
    "DatagramDataSetReaderTransportDataType",
    "DatagramWriterGroupTransport2DataType",
}


def ours(value: Any) -> bytes:
    writer = Writer()
    codec_of(type(value)).encode(writer, value)
    return bytes(writer.buffer)


@MODEST
@given(SHARED.flat_variants)
def test_a_variant_is_the_same_bytes_as_asyncuas(value):
    assert encode_variant(value) == ua_binary.variant_to_binary(value)


# asyncua writes a Good status and a Null value into the DataValues of a Variant (5.2.2.17), so that
# only the meaning is compared.
@MODEST
@given(SHARED.all_variants)
def test_a_variant_means_the_same_to_asyncua(value):
    encoded = encode_variant(value)
    decoded, theirs = decode_variant(encoded), ua_binary.variant_from_binary(Buffer(encoded))
    assert decoded == theirs == value
    assert decoded.Dimensions == theirs.Dimensions
    assert decoded.is_array == theirs.is_array
    assert decode_variant(ua_binary.variant_to_binary(value)) == value


@MODEST
@given(ALL.data_values)
def test_a_data_value_comes_back_as_it_was_sent(value):
    writer = Writer()
    writer.data_value(value)
    reader = Reader(bytes(writer.buffer))
    assert reader.data_value() == value
    reader.finish()


@MODEST
@given(SHARED.data_values)
def test_a_data_value_without_picoseconds_means_the_same_to_asyncua(value):
    writer = Writer()
    writer.data_value(value)
    assert ua_binary.struct_from_binary(ua.DataValue, Buffer(bytes(writer.buffer))) == value
    reader = Reader(ua_binary.struct_to_binary(value))
    assert reader.data_value() == value
    reader.finish()


@pytest.mark.parametrize("cls", ALL_CLASSES, ids=lambda cls: cls.__name__)
def test_every_structure_of_namespace_0_comes_back_as_it_was_sent(cls):
    @settings(MODEST, max_examples=5, database=None)
    @given(SHARED.structures(cls))
    def check(value):
        encoded = ours(value)
        reader = Reader(encoded)
        decoded = codec_of(cls).decode(reader)
        reader.finish()
        assert decoded == value
        if cls.__name__ not in DEPARTS:
            assert ua_binary.struct_from_binary(cls, Buffer(encoded)) == value
            theirs = Reader(ua_binary.struct_to_binary(value))
            assert codec_of(cls).decode(theirs) == value
            theirs.finish()

    check()
