"""Values in XML become the bytes of Part 6, 5.2; asyncua's decoder and encoder are the oracle."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from biogate_nodesets import Model, binary
from biogate_nodesets.datatypes import DataTypes
from biogate_nodesets.names import FileNames
from biogate_nodesets.values import ValueEncoder, ticks

XMLNS = 'xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd"'
# The file's namespace 1 is the model's 6 (LADS) here.
FILE_NAMES = FileNames([0, 6], {})

MATRIX = "<Matrix><Dimensions>{}</Dimensions><Elements>{}</Elements></Matrix>"
STRUCTURE = (
    "<ExtensionObject><TypeId><Identifier>{}</Identifier></TypeId><Body>{}</Body></ExtensionObject>"
)

Encode = Callable[[str], bytes]


@pytest.fixture(scope="module")
def encode(cold_model: Model) -> Encode:
    """Encode an XML value given as text."""
    encoder = ValueEncoder(DataTypes(cold_model), FILE_NAMES)

    def encode_text(xml: str) -> bytes:
        head, bracket, tail = xml.partition(">" if "/>" not in xml[: xml.find(">") + 1] else "/>")
        return encoder.variant(etree.fromstring(f"{head} {XMLNS}{bracket}{tail}"))

    return encode_text


def decoded(data: bytes) -> ua.Variant:
    buffer = Buffer(data)
    variant = variant_from_binary(buffer)
    assert len(buffer) == 0
    return variant


@pytest.mark.parametrize(
    ("xml", "type_", "value"),
    [
        ("<Boolean>true</Boolean>", "Boolean", True),
        ("<SByte>-128</SByte>", "SByte", -128),
        ("<Byte>255</Byte>", "Byte", 255),
        ("<Int16>-2</Int16>", "Int16", -2),
        ("<UInt16>65535</UInt16>", "UInt16", 65535),
        ("<Int32>-5</Int32>", "Int32", -5),
        ("<UInt32>4294967295</UInt32>", "UInt32", 4294967295),
        ("<Int64>-9223372036854775808</Int64>", "Int64", -(2**63)),
        ("<UInt64>18446744073709551615</UInt64>", "UInt64", 2**64 - 1),
        ("<Float>0.5</Float>", "Float", 0.5),
        ("<Double>-INF</Double>", "Double", float("-inf")),
        ("<String>pH &amp; pO2 µ</String>", "String", "pH & pO2 µ"),
        ("<String/>", "String", ""),
        ("<ByteString>AAEC\n /w==</ByteString>", "ByteString", b"\x00\x01\x02\xff"),
        (
            "<StatusCode><Code>2147483648</Code></StatusCode>",
            "StatusCode",
            ua.StatusCode(0x80000000),
        ),
        (
            "<LocalizedText><Locale>en</Locale><Text>on</Text></LocalizedText>",
            "LocalizedText",
            ua.LocalizedText("on", "en"),
        ),
        ("<LocalizedText></LocalizedText>", "LocalizedText", ua.LocalizedText()),
        (
            "<ListOfInt32><Int32>1</Int32><Int32>2</Int32></ListOfInt32>",
            "Int32",
            [1, 2],
        ),
        ("<ListOfString></ListOfString>", "String", []),
    ],
)
def test_a_value_is_encoded_as_its_type(encode: Encode, xml: str, type_: str, value: Any) -> None:
    variant = decoded(encode(xml))
    assert variant.VariantType is ua.VariantType[type_]
    assert variant.Value == value
    assert variant.is_array == isinstance(value, list)


# Part 6, F.14: namespace indices inside values are those of the file's NamespaceUris.
@pytest.mark.parametrize(
    ("xml", "value"),
    [
        (
            "<QualifiedName><NamespaceIndex>1</NamespaceIndex><Name>Lock</Name></QualifiedName>",
            ua.QualifiedName("Lock", 6),
        ),
        ("<NodeId><Identifier>ns=1;i=5045</Identifier></NodeId>", ua.NodeId(5045, 6)),
        (
            "<ListOfNodeId><NodeId><Identifier>ns=1;s=0112/2#ABK984</Identifier></NodeId></ListOfNodeId>",
            [ua.NodeId("0112/2#ABK984", 6)],
        ),
    ],
)
def test_namespace_indices_in_values_are_mapped(encode: Encode, xml: str, value: Any) -> None:
    assert decoded(encode(xml)).Value == value


def test_a_matrix_keeps_its_dimensions(encode: Encode) -> None:
    cells = "".join(f"<Int32>{number}</Int32>" for number in range(6))
    variant = decoded(encode(MATRIX.format("<Int32>3</Int32><Int32>2</Int32>", cells)))
    assert variant.Dimensions == [3, 2]
    assert variant.Value == [[0, 1], [2, 3], [4, 5]]


ARGUMENT = """<ListOfExtensionObject><ExtensionObject>
  <TypeId><Identifier>i=297</Identifier></TypeId>
  <Body><Argument>
    <Name>Properties</Name>
    <DataType><Identifier>ns=1;i=3003</Identifier></DataType>
    <ValueRank>1</ValueRank>
    <ArrayDimensions><UInt32>0</UInt32></ArrayDimensions>
    <Description><Text>key and value</Text></Description>
  </Argument></Body>
</ExtensionObject></ListOfExtensionObject>"""


def test_a_structure_is_encoded_by_its_definition_with_the_binary_encoding_id(
    encode: Encode,
) -> None:
    argument = ua.Argument(
        Name="Properties",
        DataType=ua.NodeId(3003, 6),
        ValueRank=1,
        ArrayDimensions=[0],
        Description=ua.LocalizedText("key and value"),
    )
    expected = bytes(variant_to_binary(ua.Variant([argument], ua.VariantType.ExtensionObject)))
    assert encode(ARGUMENT) == expected
    assert ua.NodeId(297, 0) != ua.NodeId(298, 0)
    assert expected[5:9] == b"\x01\x00" + struct.pack("<H", 298), "Default Binary, not XML"


def test_fields_that_the_xml_leaves_out_have_their_defaults(encode: Encode) -> None:
    xml = STRUCTURE.format("i=888", "<EUInformation><UnitId>4408652</UnitId></EUInformation>")
    expected = ua.EUInformation(UnitId=4408652)
    assert decoded(encode(xml)).Value == expected


# LADS KeyValueType (3003) has no counterpart in asyncua: worked out by hand from Part 6, 5.2.6.
def test_a_structure_of_a_companion_specification_carries_its_own_encoding_id(
    encode: Encode,
) -> None:
    xml = STRUCTURE.format(
        "ns=1;i=3003", "<KeyValueType><Key>a</Key><Value>b</Value></KeyValueType>"
    )
    body = struct.pack("<i1si1s", 1, b"a", 1, b"b")
    head = b"\x16" + b"\x01\x06" + struct.pack("<H", 5045) + b"\x01" + struct.pack("<i", len(body))
    assert encode(xml) == head + body


# Optional fields start with a mask of those that are there (Part 6, 5.2.7).
def test_a_structure_with_optional_fields_starts_with_a_mask(cold_model: Model) -> None:
    jc = cold_model.namespace("http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/")
    encoder = ValueEncoder(DataTypes(cold_model), FileNames([0, jc], {}))
    content = "<ID>w1</ID><Description><Text>d</Text></Description>"
    xml = STRUCTURE.format("ns=1;i=3007", f"<ISA95WorkMaster>{content}</ISA95WorkMaster>")
    data = encoder.variant(etree.fromstring(xml.replace("Object>", f"Object {XMLNS}>", 1)))
    body = struct.pack("<Ii2sBi1s", 0b01, 2, b"w1", 2, 1, b"d")
    assert data.endswith(struct.pack("<i", len(body)) + body)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<Int32>four</Int32>", "bad Int32 'four'"),
        ("<Byte>256</Byte>", "bad Byte '256'"),
        ("<Boolean>yes</Boolean>", "bad Boolean 'yes'"),
        ("<ByteString>?</ByteString>", "bad ByteString"),
        ("<Guid><String>1</String></Guid>", "bad Guid"),
        ("<DateTime>yesterday</DateTime>", "bad DateTime 'yesterday'"),
        ("<DataValue></DataValue>", "values of type DataValue are not supported"),
        ("<ListOfInt32><Int16>1</Int16></ListOfInt32>", "a list of Int32 holds a Int16"),
        (
            MATRIX.format("<Int32>2</Int32>", "<Int32>1</Int32>"),
            r"a Matrix of \[2\] holds 1 elements",
        ),
        ("<NodeId><Identifier>ns=7;i=1</Identifier></NodeId>", "namespace index 7 is not in"),
        ("<NodeId><Identifier>ns=1;i=x</Identifier></NodeId>", "is not a NodeId"),
        (
            STRUCTURE.format("i=297", "<Argument><Nmae>x</Nmae></Argument>"),
            "Argument has no field Nmae",
        ),
        (
            STRUCTURE.format("i=4000000", "<X/>"),
            "belongs to no loaded data type",
        ),
    ],
)
def test_what_cannot_be_encoded_is_named(encode: Encode, xml: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(xml)


# Part 6, 5.2.2.5: ticks of 100 ns since 1601; earlier is 0, later than the range is the maximum.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1601-01-01T00:00:00Z", 0),
        ("1600-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00Z", 116444736000000000),
        ("1970-01-01T01:00:00+01:00", 116444736000000000),
        ("1970-01-01T00:00:00", 116444736000000000),
        ("1970-01-01T00:00:00.000001Z", 116444736000000010),
        ("1970-01-01T00:00:00.0000001Z", 116444736000000001),
    ],
)
def test_times_are_counted_in_ticks(text: str, expected: int) -> None:
    assert ticks(text) == expected


EARLIEST, LATEST = datetime.fromisoformat("1601-01-01"), datetime.fromisoformat("9999-01-01")


@given(st.datetimes(min_value=EARLIEST, max_value=LATEST))
@settings(max_examples=50)
def test_asyncua_reads_the_time_that_was_written(moment: datetime) -> None:
    data = binary.variant(13, struct.pack("<q", ticks(moment.isoformat() + "Z")))
    assert abs(decoded(data).Value - moment.replace(tzinfo=UTC)).total_seconds() < 1e-5


identifiers = st.one_of(
    st.integers(0, 2**32 - 1), st.text(min_size=1), st.uuids(), st.binary(min_size=1)
)


@given(identifiers, st.integers(0, 2**16 - 1))
@settings(max_examples=100)
def test_asyncua_reads_every_node_id_that_was_written(identifier: Any, namespace: int) -> None:
    node_id = ua.NodeId(identifier, namespace)
    assert decoded(binary.variant(17, binary.node_id(node_id))).Value == node_id


@given(st.none() | st.text(), st.none() | st.text())
@settings(max_examples=50)
def test_asyncua_reads_every_localized_text_that_was_written(
    locale: str | None, text: str | None
) -> None:
    data = binary.variant(21, binary.localized_text(locale, text))
    assert decoded(data).Value == ua.LocalizedText(text, locale)
