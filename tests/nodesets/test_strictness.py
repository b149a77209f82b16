"""A file that is not understood completely is refused, with file, line, node and advice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from asyncua import ua

from biogate_nodesets import CATALOGUE, Model, NodesetError
from biogate_nodesets.link import build
from biogate_nodesets.model import HAS_SUBTYPE, make_node_id

UA, OWN = CATALOGUE["ns0"].uri, "urn:test:nodeset"

# As much of ns0 as the tests refer to, so that they need not read all of it.
BASE = """<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <Models>
    <Model ModelUri="http://opcfoundation.org/UA/" PublicationDate="2026-05-01T00:00:00Z"/>
  </Models>
  <UAReferenceType NodeId="i=45" BrowseName="HasSubtype"/>
  <UAObjectType NodeId="i=58" BrowseName="BaseObjectType"/>
  <UADataType NodeId="i=12" BrowseName="String"/>
  <UADataType NodeId="i=22" BrowseName="Structure"/>
</UANodeSet>"""

# Line 10 is the first of the body.
FILE = """<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>urn:test:nodeset</Uri></NamespaceUris>
  <Models><Model ModelUri="urn:test:nodeset" Version="1" PublicationDate="2026-01-01T00:00:00Z">
    <RequiredModel ModelUri="http://opcfoundation.org/UA/" PublicationDate="2022-01-01T00:00:00Z"/>
  </Model></Models>
  <Aliases>
    <Alias Alias="HasSubtype">i=45</Alias>
  </Aliases>
{body}
</UANodeSet>
"""
TYPE = """  <UAObjectType NodeId="ns=1;i=1" BrowseName="1:ReactorType"{attributes}>
    <DisplayName>ReactorType</DisplayName>
    <References>
      <Reference ReferenceType="{reference}" IsForward="false">{target}</Reference>
    </References>{more}
  </UAObjectType>"""

DATA_TYPE = """  <UADataType NodeId="ns=1;i=3" BrowseName="1:X">
    <References>
      <Reference ReferenceType="HasSubtype" IsForward="false">i=22</Reference>
    </References>
    <Definition Name="1:X">{}</Definition>
  </UADataType>"""


def object_type(
    attributes: str = "", reference: str = "HasSubtype", target: str = "i=58", more: str = ""
) -> str:
    return TYPE.format(attributes=attributes, reference=reference, target=target, more=more)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Model]:
    base = tmp_path / "base.xml"
    base.write_text(BASE, encoding="utf-8")

    def load(body: str, text: str = FILE) -> Model:
        path = tmp_path / "own.xml"
        path.write_text(text.replace("{body}", body), encoding="utf-8")
        return build([base, path], [UA, "", OWN])

    return load


def test_a_small_nodeset_is_loaded_with_references_on_both_ends(load: Callable[..., Model]) -> None:
    model = load(object_type())
    own = make_node_id(1, 2)
    assert model.nodes[own].browse_name == ua.QualifiedName("ReactorType", 2)
    assert model.supertype(own) == make_node_id(58)
    assert own in set(model.nodes[make_node_id(58)].targets(HAS_SUBTYPE))


VALUE = '\n    <Value><String xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd"/></Value>'


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (object_type(' Colour="red"'), 10, "unknown attribute Colour='red'"),
        (object_type(' IsAbstract="maybe"'), 10, "'maybe' is not a Boolean"),
        (object_type(more="\n    <Remark/>"), 10, "unknown element Remark"),
        (object_type(more="\n    <Description/><Description/>"), 10, "a second Description"),
        (object_type(reference="HasKind"), 10, "'HasKind' is neither a NodeId nor an alias"),
        (object_type(target="ns=3;i=1"), 10, "namespace index 3 is not in the file's"),
        (object_type(target="i=999999"), 10, "refers to i=999999, which does not exist"),
        (object_type(' ParentNodeId="i=85"'), 10, "has the parent i=85 but no reference to it"),
        (object_type() + "\n" + object_type(), 16, "is defined twice"),
        ("  <UAThing/>", 10, "unknown element UAThing"),
        ('  <UAObject BrowseName="1:X"/>', 10, "UAObject lacks the attribute NodeId"),
        (
            '  <UAVariable NodeId="ns=1;i=2" BrowseName="1:X"><Value/></UAVariable>',
            10,
            "Value holds 0 elements, not one",
        ),
        (
            '  <UAVariable NodeId="ns=1;i=2" BrowseName="1:X">'
            + VALUE.replace("String", "Colour")
            + "</UAVariable>",
            10,
            "values of type Colour are not supported",
        ),
        (
            DATA_TYPE.format(
                '<Field Name="A" DataType="i=12" IsOptional="true"/>'
                '<Field Name="B" DataType="i=22" AllowSubTypes="true"/>'
            ),
            10,
            "optional fields and fields that allow subtypes",
        ),
        (DATA_TYPE.format('<Field Name="A" Length="3"/>'), 10, "of a Field: Length"),
        (
            DATA_TYPE.format("").replace("<Definition", '<Definition IsUnion="true"'),
            10,
            "says IsUnion, and its supertype the contrary",
        ),
    ],
)
def test_a_defect_is_named_with_its_place(
    body: str, line: int, message: str, load: Callable[..., Model]
) -> None:
    with pytest.raises(NodesetError, match=message) as caught:
        load(body)
    assert caught.value.file is not None
    assert caught.value.file.name == "own.xml"
    assert caught.value.line == line
    assert f"own.xml:{line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no xml", "own.xml:1: is not XML"),
        ("<UANodeSet/>", "starts with UANodeSet, not with"),
        (
            FILE.replace("<Uri>urn:test:nodeset</Uri>", "<Uri>urn:unknown</Uri>"),
            r"own.xml:3: refers to namespace urn:unknown, which is not loaded \(load the nodeset",
        ),
        (FILE.replace("ModelUri=", "Uri=", 1).replace("<Models>", "<Models><Model/>"), "2 models"),
        (
            FILE.replace(
                "http://opcfoundation.org/UA/", "http://opcfoundation.org/UA/DI/", 2
            ).replace("http://opcfoundation.org/UA/DI/2011", "http://opcfoundation.org/UA/2011"),
            "requires http://opcfoundation.org/UA/DI/, which is not loaded",
        ),
        (
            FILE.replace('PublicationDate="2022', 'PublicationDate="2030'),
            "requires http://opcfoundation.org/UA/ of 2030-01-01 or later; loaded is that of 2026",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    text: str, message: str, load: Callable[..., Model]
) -> None:
    with pytest.raises(NodesetError, match=message):
        load("", text)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodesetError, match=r"nothing\.xml: cannot be read"):
        build([tmp_path / "nothing.xml"], [UA, ""])


def test_entities_are_refused(load: Callable[..., Model]) -> None:
    head, _, tail = FILE.partition("\n")
    doctype = '<!DOCTYPE UANodeSet [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    body = object_type(more="\n    <Description>&x;</Description>")
    with pytest.raises(NodesetError, match=r"own\.xml:1: has a DOCTYPE"):
        load(body, f"{head}{doctype}\n{tail}")
