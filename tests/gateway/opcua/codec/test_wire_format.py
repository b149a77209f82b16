"""Bytes written by hand from Part 6, and what a peer may not make of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import pytest

from biogate.opcua.codec import (
    DecodeError,
    EncodedVariant,
    EncodeError,
    Reader,
    Writer,
    decode_message,
    decode_request_header,
    decode_variant,
    encode_message,
    encode_variant,
)
from biogate.opcua.codec.structures import codec_of
from biogate.opcua.stack import StatusCodes, node_id, ua


def written(method: str, value: object) -> str:
    writer = Writer()
    getattr(writer, method)(value)
    return writer.buffer.hex(" ")


def read(method: str, text: str) -> object:
    reader = Reader(bytes.fromhex(text))
    value = getattr(reader, method)()
    reader.finish()
    return value


# Part 6, 5.2.2: the examples that the specification gives.
EXAMPLES = [
    ("string", "水Boy", "06 00 00 00 e6 b0 b4 42 6f 79"),
    ("string", None, "ff ff ff ff"),
    ("string", "", "00 00 00 00"),
    (
        "guid",
        UUID("72962B91-FA75-4AE6-8D28-B404DC7DAF63"),
        "91 2b 96 72 75 fa e6 4a 8d 28 b4 04 dc 7d af 63",
    ),
    ("node_id", node_id(72), "00 48"),
    ("node_id", node_id(1025, 5), "01 05 01 04"),
    ("node_id", node_id("Hot水", 1), "03 01 00 06 00 00 00 48 6f 74 e6 b0 b4"),
    ("node_id", node_id(70_000, 2), "02 02 00 70 11 01 00"),
    ("node_id", node_id(1, 256), "02 00 01 01 00 00 00"),
    ("localized_text", ua.LocalizedText("a", "en"), "03 02 00 00 00 65 6e 01 00 00 00 61"),
    ("localized_text", ua.LocalizedText(), "00"),
    ("qualified_name", ua.QualifiedName("a", 3), "03 00 01 00 00 00 61"),
    ("status_code", ua.StatusCode(0x80070000), "00 00 07 80"),
    ("date_time", datetime(1601, 1, 1, 0, 0, 1, tzinfo=UTC), "80 96 98 00 00 00 00 00"),
]


@pytest.mark.parametrize(("method", "value", "text"), EXAMPLES)
def test_built_in_types_are_the_bytes_of_the_specification(method, value, text):
    assert written(method, value) == text
    assert read(method, text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ua.Variant(-6.5, ua.VariantType.Double), "0b 00 00 00 00 00 00 1a c0"),
        (ua.Variant(1_000_000_000, ua.VariantType.Int32), "06 00 ca 9a 3b"),
        (ua.Variant(), "00"),
        (ua.Variant([1, 2], ua.VariantType.Byte), "83 02 00 00 00 01 02"),
        (ua.Variant(None, ua.VariantType.String, is_array=True), "8c ff ff ff ff"),
        (
            ua.Variant([[1, 2, 3], [4, 5, 6]], ua.VariantType.SByte),
            "c2 06 00 00 00 01 02 03 04 05 06 02 00 00 00 02 00 00 00 03 00 00 00",
        ),
    ],
)
def test_variants_are_the_bytes_of_the_specification(value, text):
    assert encode_variant(value).hex(" ") == text
    decoded = decode_variant(bytes.fromhex(text))
    assert (decoded.Value, decoded.VariantType) == (value.Value, value.VariantType)


# Part 6, 5.2.2.17: each picoseconds field follows its own timestamp.
def test_picoseconds_follow_their_timestamps():
    value = ua.DataValue(ua.Variant(True), ua.StatusCode(0x40000000), 1, 2, 3, 4)
    text = "3f 01 01 00 00 00 40 01 00 00 00 00 00 00 00 03 00 02 00 00 00 00 00 00 00 04 00"
    assert written("data_value", value) == text
    decoded = read("data_value", text)
    assert (decoded.SourcePicoseconds, decoded.ServerPicoseconds) == (3, 4)


# Part 6, 5.2.2.17: the mask says "not Good" and "not Null".
def test_a_good_status_and_a_null_value_take_no_bytes():
    assert written("data_value", ua.DataValue()) == "00"
    decoded = read("data_value", "00")
    assert decoded.StatusCode == ua.StatusCode(0)
    assert decoded.Value == ua.Variant()


# Part 6, 5.2.2.12: Locale, bit 0x08, comes in front of LocalizedText, bit 0x04.
def test_the_locale_of_a_diagnostic_info_has_the_fourth_bit():
    info = ua.DiagnosticInfo(Locale=7)
    assert written("diagnostic_info", info) == "08 07 00 00 00"
    both = read("diagnostic_info", "0c 07 00 00 00 09 00 00 00")
    assert (both.Locale, both.LocalizedText) == (7, 9)


# Part 6, 5.2.2.17: no time, no picoseconds; ten picoseconds 10,000 times are the next tick.
@pytest.mark.parametrize(
    ("text", "picoseconds", "again"),
    [
        ("10 07 00", None, "00"),
        ("14 01 00 00 00 00 00 00 00 ff ff", 9999, "14 01 00 00 00 00 00 00 00 0f 27"),
        ("14 01 00 00 00 00 00 00 00 00 00", 0, "04 01 00 00 00 00 00 00 00"),
        ("14 00 00 00 00 00 00 00 00 07 00", 7, "00"),
    ],
)
def test_picoseconds_belong_to_a_time(text, picoseconds, again):
    decoded = read("data_value", text)
    assert decoded.SourcePicoseconds == picoseconds
    assert written("data_value", decoded) == again


# Part 6, 5.2.2.16: dimensions are there for two or more, none of them empty.
@pytest.mark.parametrize(
    ("value", "dimensions", "text"),
    [
        ([1, 2], [2], "83 02 00 00 00 01 02"),
        ([], [0, 3], "83 00 00 00 00"),
        ([[], []], [2, 0], "83 00 00 00 00"),
        (None, [0, 0], "83 ff ff ff ff"),
        ([[1], [2]], [2, 1], "c3 02 00 00 00 01 02 02 00 00 00 02 00 00 00 01 00 00 00"),
    ],
)
def test_only_a_matrix_has_dimensions(value, dimensions, text):
    encoded = encode_variant(ua.Variant(value, ua.VariantType.Byte, dimensions, is_array=True))
    assert encoded.hex(" ") == text


# Part 6, 5.2.2.3: a NaN may carry a payload, infinities and the sign of zero are values.
@pytest.mark.parametrize(
    "text",
    [
        "0b 01 00 00 00 00 00 f8 7f",
        "0b ef be ad de 00 00 f8 ff",
        "0b 00 00 00 00 00 00 f0 ff",
        "0b 00 00 00 00 00 00 00 80",
        "0b 01 00 00 00 00 00 00 00",
        "0a 0f 00 c0 7f",
        "0a 00 00 80 ff",
        "8b 01 00 00 00 01 00 00 00 00 00 f8 7f",
    ],
)
def test_every_floating_point_number_stays_what_it_is(text):
    assert encode_variant(decode_variant(bytes.fromhex(text))).hex(" ") == text


# Part 6, 5.1.10: a Decimal is an ExtensionObject whose type is the DataType itself, i=50.
def test_a_decimal_keeps_its_scale_and_digits():
    text = "16 00 32 01 05 00 00 00 02 00 39 30 00"
    value = decode_variant(bytes.fromhex(text))
    assert value.Value.TypeId == node_id(50)
    assert encode_variant(value).hex(" ") == text


def test_a_diagnostic_info_holds_another_one():
    inner = ua.DiagnosticInfo(InnerStatusCode=ua.StatusCode(5))
    outer = ua.DiagnosticInfo(AdditionalInfo="x", InnerDiagnosticInfo=inner)
    text = "50 01 00 00 00 78 20 05 00 00 00"
    assert written("diagnostic_info", outer) == text
    assert read("diagnostic_info", text) == outer


def test_times_may_be_ticks_and_statuses_numbers():
    by_number = ua.DataValue(ua.Variant(1.0), 0x40000000, 10_000_000, None)
    by_object = ua.DataValue(
        ua.Variant(1.0), ua.StatusCode(0x40000000), datetime(1601, 1, 1, 0, 0, 1, tzinfo=UTC)
    )
    assert written("data_value", by_number) == written("data_value", by_object)


@pytest.mark.parametrize(
    ("moment", "ticks"),
    [
        (datetime(1500, 1, 1, tzinfo=UTC), 0),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), (1 << 63) - 1),
        (None, 0),
    ],
)
def test_times_out_of_range_become_the_limits_of_the_specification(moment, ticks):
    assert written("date_time", moment) == ticks.to_bytes(8, "little").hex(" ")


@pytest.mark.parametrize("ticks", [(1 << 63) - 1, -1, -(1 << 63)])
def test_every_wire_time_decodes_to_some_datetime(ticks):
    decoded = read("date_time", ticks.to_bytes(8, "little", signed=True).hex())
    assert decoded.tzinfo is UTC


def test_an_encoded_variant_is_copied_wherever_a_variant_goes():
    encoded = encode_variant(ua.Variant([1.0, 2.0], ua.VariantType.Double))
    assert isinstance(encoded, EncodedVariant)
    assert written("variant", encoded) == encoded.hex(" ")
    assert written("data_value", ua.DataValue(encoded)) == "01 " + encoded.hex(" ")
    # asyncua's DataValue has wrapped the bytes; a value set later has not
    value = ua.DataValue()
    value.Value = encoded
    assert written("data_value", value) == "01 " + encoded.hex(" ")


# Part 6, 5.2.2.15
def test_an_unknown_structure_keeps_its_type_and_body():
    text = "01 02 10 27 01 03 00 00 00 01 02 03"
    value = read("extension_object", text)
    assert value == ua.ExtensionObject(node_id(10_000, 2), b"\1\2\3")
    assert written("extension_object", value) == text


def test_a_structure_in_xml_stays_in_xml():
    text = "01 00 77 03 02 04 00 00 00 3c 61 2f 3e"
    value = read("extension_object", text)
    assert value.Body == b"<a/>"
    assert written("extension_object", value) == text


def test_a_standard_structure_is_decoded_and_bounded_by_its_length():
    text = "01 00 76 03 01 10 00 00 00" + " 00" * 8 + " 00 00 00 00 00 00 24 40"
    assert read("extension_object", text) == ua.Range(0.0, 10.0)
    with pytest.raises(DecodeError, match="bytes too many"):
        read("extension_object", text.replace("10 00 00 00", "11 00 00 00") + " 00")
    with pytest.raises(DecodeError, match="left"):
        read("extension_object", text.replace("10 00 00 00", "0f 00 00 00"))


def test_a_structure_without_fields_has_a_body_of_length_zero():
    assert written("extension_object", ua.MonitoringFilter()) == "01 00 d1 02 01 00 00 00 00"


def test_structures_that_a_client_in_this_process_registered_stay_opaque(monkeypatch):
    encoding = node_id(10_000, 2)
    monkeypatch.setitem(ua.extension_objects_by_typeid, encoding, ua.Range)
    value = read("extension_object", "01 02 10 27 01 03 00 00 00 01 02 03")
    assert isinstance(value, ua.ExtensionObject)


# Part 6, 5.2.7
def test_optional_fields_are_announced_by_a_mask_of_32_bits():
    record = ua.LogRecord(
        Time=datetime(1601, 1, 1, tzinfo=UTC), Severity=5, SourceName="x", AdditionalData=None
    )
    writer = Writer()
    codec_of(ua.LogRecord).encode(writer, record)
    assert writer.buffer.hex(" ") == ("04 00 00 00 00 00 00 00 00 00 00 00 05 00 01 00 00 00 78 00")
    assert codec_of(ua.LogRecord).decode(Reader(bytes(writer.buffer))) == record


def test_optional_fields_that_nobody_knows_are_refused():
    with pytest.raises(DecodeError, match="mask 0x80"):
        codec_of(ua.LogRecord).decode(Reader(bytes.fromhex("80 00 00 00" + "00" * 20)))


@dataclass
class NumberOrText(ua.UaUnion):
    """A union such as asyncua makes of a type definition."""

    _union_types: ClassVar[list[object]] = [ua.UInt16, ua.String]
    Encoding: ua.UInt32 = 0
    Value: object = None


@dataclass
class Holder:
    """A structure with a union and the other shapes of fields that namespace 0 lacks."""

    choice: NumberOrText = field(default_factory=NumberOrText)
    times: list[ua.DateTime] = field(default_factory=list)
    maybe: ua.Guid | None = None
    colours: list[ua.NodeClass] = field(default_factory=list)
    flags: ua.DataSetFieldFlags = field(default_factory=lambda: ua.DataSetFieldFlags(0))


# Part 6, 5.2.8
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NumberOrText(), "00 00 00 00"),
        (NumberOrText(1, 258), "01 00 00 00 02 01"),
        (NumberOrText(2, "x"), "02 00 00 00 01 00 00 00 78"),
    ],
)
def test_a_union_is_its_switch_and_one_value(value, text):
    codec = codec_of(NumberOrText)
    writer = Writer()
    codec.encode(writer, value)
    assert writer.buffer.hex(" ") == text
    assert codec.decode(Reader(bytes.fromhex(text))) == value


def test_a_union_knows_its_options():
    with pytest.raises(DecodeError, match="option 3 of 2"):
        codec_of(NumberOrText).decode(Reader(bytes.fromhex("03 00 00 00")))
    with pytest.raises(EncodeError, match="option 3 of 2"):
        codec_of(NumberOrText).encode(Writer(), NumberOrText(3))


@pytest.mark.parametrize("maybe", [None, UUID(int=7)])
def test_a_structure_holds_unions_optional_fields_and_arrays(maybe):
    value = Holder(
        NumberOrText(1, 5),
        [datetime(2026, 1, 1, tzinfo=UTC)],
        maybe,
        [ua.NodeClass.Method],
        ua.DataSetFieldFlags(1),
    )
    writer = Writer()
    codec_of(Holder).encode(writer, value)
    decoded = codec_of(Holder).decode(Reader(bytes(writer.buffer)))
    assert decoded == value
    assert isinstance(decoded.colours[0], ua.NodeClass)


# Part 4: the service decides on Bad_BrowseDirectionInvalid and its like.
def test_a_number_that_an_enumeration_lacks_stays_a_number():
    description = ua.BrowseDescription(NodeId=node_id(85))
    description.BrowseDirection = 3
    request = ua.BrowseRequest(Parameters=ua.BrowseParameters(NodesToBrowse=[description]))
    decoded = decode_message(encode_message(request))
    assert decoded.Parameters.NodesToBrowse[0].BrowseDirection == 3


def test_null_arrays_in_structures_are_read_as_empty_ones():
    request = ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=None))
    assert decode_message(encode_message(request)).Parameters.NodesToRead == []


def test_an_unknown_service_is_unsupported_and_its_header_can_be_read():
    request = ua.ReadRequest(RequestHeader=ua.RequestHeader(RequestHandle=77))
    encoded = b"\x01\x00\xff\xff" + encode_message(request)[4:]
    with pytest.raises(DecodeError) as refused:
        decode_message(encoded)
    assert refused.value.status == StatusCodes.BadServiceUnsupported
    assert decode_request_header(encoded).RequestHandle == 77


def test_an_expanded_node_id_names_its_namespace_and_server():
    value = ua.ExpandedNodeId(5, 0, None, "urn:a", 9)
    text = "c0 05 05 00 00 00 75 72 6e 3a 61 09 00 00 00"
    assert written("expanded_node_id", value) == text
    decoded = read("expanded_node_id", text)
    assert (decoded.NamespaceUri, decoded.ServerIndex) == ("urn:a", 9)
    with pytest.raises(EncodeError, match="names a namespace"):
        written("node_id", value)


# Part 6, 5.2.2.10
@pytest.mark.parametrize("identifier", [5, "five", UUID(int=5), b"5"])
def test_a_namespace_uri_takes_the_place_of_the_index(identifier):
    named = ua.ExpandedNodeId(identifier, 3, None, "urn:a")
    plain = ua.ExpandedNodeId(identifier, 0, None, "urn:a")
    assert written("expanded_node_id", named) == written("expanded_node_id", plain)
    assert named.NamespaceIndex == 3


# Part 6, 5.2.2.10 and 5.2.2.9: the flags are not part of the encoding of the identifier.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ua.ExpandedNodeId(0), "00 00"),
        (ua.ExpandedNodeId(300, 0, None, None, 2), "41 00 2c 01 02 00 00 00"),
        (ua.ExpandedNodeId("a", 2, None, None, 0), "03 02 00 01 00 00 00 61"),
        (
            ua.ExpandedNodeId("a", 0, None, "u", 1),
            "c3 00 00 01 00 00 00 61 01 00 00 00 75 01 00 00 00",
        ),
    ],
)
def test_the_flags_of_an_expanded_node_id(value, text):
    assert written("expanded_node_id", value) == text
    assert read("expanded_node_id", text) == value


@pytest.mark.parametrize(
    "message",
    [
        ua.ReadResponse(Results=[ua.DataValue(ua.Variant("x", ua.VariantType.Int32))]),
        ua.ReadResponse(Results=[ua.DataValue(ua.Variant(300, ua.VariantType.Byte))]),
        ua.ReadResponse(Results=[None]),
        ua.ReadRequest(RequestHeader=ua.RequestHeader(AuditEntryId="\ud800")),
        ua.ReadRequest(RequestHeader=ua.RequestHeader(AdditionalHeader="text")),
        ua.ReadResponse(Results=[ua.DataValue(ua.Variant([1], ua.VariantType.Int32, [2]))]),
        ua.ReadResponse(
            Results=[ua.DataValue(ua.Variant([[1, 2], [3], [4, 5, 6]], ua.VariantType.Int32))]
        ),
        ua.ReadResponse(Results=[ua.DataValue(ua.Variant([ua.Variant(1)], ua.VariantType.Byte))]),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_an_encode_error(message):
    with pytest.raises(EncodeError):
        encode_message(message)
