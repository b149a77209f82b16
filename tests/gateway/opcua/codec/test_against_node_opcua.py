"""The codec against node-opcua's, which shares no code with ours or with asyncua.

It reads our bytes and says what they mean, and writes the value anew, which we read: both must be
the value that was drawn.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from oracles.node_codec import NodeCodec, data_value, diagnostic_info, plain, structure, variant
from oracles.values import Values

from biogate.opcua.codec import Reader, Writer
from biogate.opcua.codec.structures import MESSAGES, STRUCTURES

MODEST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
# Its Date holds milliseconds; Part 6, 5.2.2.5 lets a decoder truncate.
# It writes no empty part of a LocalizedText or DiagnosticInfo; 5.1.11 has null and empty the same.
# It makes Bad of a StatusCode that it has no name for (Part 4, 7.39.1 has it keep the severity).
SHARED = Values(resolution_us=1000, empty_texts=False, unknown_statuses=False)
# It has no class for the first; takes the optional fields of LogRecord for given ones, without a
# mask (5.2.7); and repeats a field of its base in ServerEndpointDataType (Part 12, 7.10.22).
DEPARTS = {
    "DecimalDataType",
    "LogRecord",
    "LogRecordsDataType",
    "ServerEndpointDataType",
    "ApplicationConfigurationDataType",
}
CODECS = {
    identifier: codec
    for identifier, codec in sorted((STRUCTURES | MESSAGES).items(), key=lambda item: int(item[0]))
    if codec.cls.__name__ not in DEPARTS
}


def exchanged(node: NodeCodec, type_: str, method: str, value: Any) -> Any:
    """What node-opcua makes of our bytes, after we have read its own ones."""
    writer = Writer()
    getattr(writer, method)(value)
    answer = node.ask("builtIn", type=type_, hex=writer.buffer.hex())
    assert answer["read"] == len(writer.buffer)
    reader = Reader(bytes.fromhex(answer["hex"]))
    assert getattr(reader, method)() == value
    reader.finish()
    return answer["value"]


@MODEST
@given(value=SHARED.all_variants)
def test_a_variant_means_the_same_to_node_opcua(node, value):
    assert exchanged(node, "Variant", "variant", value) == plain(variant(value))


@MODEST
@given(value=SHARED.data_values)
def test_a_data_value_means_the_same_to_node_opcua(node, value):
    assert exchanged(node, "DataValue", "data_value", value) == plain(data_value(value))


@MODEST
@given(value=SHARED.diagnostic_infos)
def test_a_diagnostic_info_means_the_same_to_node_opcua(node, value):
    described = exchanged(node, "DiagnosticInfo", "diagnostic_info", value)
    assert described == plain(diagnostic_info(value))


@pytest.mark.parametrize("identifier", CODECS, ids=lambda i: CODECS[i].cls.__name__)
def test_every_structure_of_namespace_0_means_the_same_to_node_opcua(node, identifier):
    codec = CODECS[identifier]
    head = 4 if identifier in MESSAGES else 0  # the TypeId

    @settings(MODEST, max_examples=4, database=None, phases=[Phase.generate])
    @given(SHARED.structures(codec.cls))
    def check(value):
        writer = Writer()
        codec.encode(writer, value)
        encoded = bytes(writer.buffer)
        answer = node.ask("structure", id=identifier, hex=encoded[head:].hex())
        assert answer["name"] == codec.cls.__name__
        assert answer["value"] == plain(structure(value))
        assert answer["read"] == len(encoded) - head
        reader = Reader(encoded[:head] + bytes.fromhex(answer["hex"]))
        assert codec.decode(reader) == value
        reader.finish()

    check()
