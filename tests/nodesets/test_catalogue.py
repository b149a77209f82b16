"""The catalogue says of each file what the file says of itself."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from biogate_nodesets import CATALOGUE
from biogate_nodesets.catalogue import entries
from biogate_nodesets.fetch import sha256_of

MODEL = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_entry_agrees_with_its_file(name: str, nodeset_cache: Path) -> None:
    entry = CATALOGUE[name]
    path = nodeset_cache / entry.file
    assert sha256_of(path) == entry.sha256
    (model,) = ElementTree.parse(path).getroot().iterfind(f"{MODEL}Models/{MODEL}Model")
    assert model.attrib["ModelUri"] == entry.uri
    assert model.attrib["Version"] == entry.version
    assert model.attrib["PublicationDate"][:10] == entry.publication_date
    required = {element.attrib["ModelUri"] for element in model}
    assert required == {CATALOGUE[n].uri for n in ("ns0", *entry.requires) if n != name}


def test_entries_stand_in_load_order() -> None:
    order = list(CATALOGUE)
    assert order == ["ns0", "DI", "AMB", "IA", "Machinery", "LADS", "IRDI", "PADIM", "ISA95", "JC"]
    for entry in CATALOGUE.values():
        assert all(order.index(name) < order.index(entry.name) for name in entry.requires)


def test_a_choice_brings_what_it_requires() -> None:
    names = [entry.name for entry in entries(["LADS"])]
    assert names == ["ns0", "DI", "AMB", "IA", "Machinery", "LADS"]
    assert [entry.name for entry in entries([])] == ["ns0"]
    assert [entry.name for entry in entries()] == list(CATALOGUE)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no nodeset 'MTP' in the catalogue; known: ns0, DI"):
        entries(["MTP"])
