"""Structures that are not of namespace 0, and the values that nodesets come with.

A structure class such as asyncua makes of a type definition is written and read as asyncua does
it; every value of the pinned nodesets means to asyncua and node-opcua what it means to us, and is
the same bytes when written again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.node_codec import plain, variant
from oracles.values import Values, doubles, integers, strings

from biogate.opcua.codec import Reader, Writer, decode_variant, encode_variant
from biogate.opcua.codec.structures import codec_of
from biogate.opcua.stack import ua
from biogate_nodesets import Model, load_model

MODEST = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SHARED = Values(last_namespace=0x7FFF, picoseconds=False, all_diagnostics=False)


class Relays(IntFlag):
    """An option set of a UInt16 (Part 3, 8.40)."""

    Pump = 1
    Valve = 2
    Heater = 0x8000

    @staticmethod
    def datatype() -> str:
        return "UInt16"


@dataclass(slots=True)
class Choice(ua.UaUnion):
    """A union (Part 6, 5.2.8)."""

    _union_types: ClassVar[list[Any]] = [ua.Double, ua.String, ua.Range, ua.NodeClass]
    Encoding: ua.UInt32 = 0
    Value: Any = None


@dataclass(slots=True)
class Recipe:
    """A structure with optional fields of each shape (Part 6, 5.2.7)."""

    Encoding: ua.UInt32 = field(default=0, repr=False, compare=False)
    Name: ua.String | None = None
    Target: ua.Double | None = None
    Ramp: list[ua.Int32] | None = None
    Mode: ua.NodeClass | None = None
    Limits: ua.Range | None = None
    Extra: ua.Variant | None = None
    Always: ua.UInt16 = 0
    Flags: Relays = field(default_factory=lambda: Relays(0))


@dataclass(slots=True)
class Batch:
    """Structures and unions in a structure, single and in arrays (Part 6, 5.2.6)."""

    Main: Recipe = field(default_factory=Recipe)
    Choices: list[Choice] = field(default_factory=list)
    Steps: list[Recipe] = field(default_factory=list)
    Units: list[ua.EUInformation] = field(default_factory=list)
    Matrix: ua.Variant = field(default_factory=ua.Variant)


ranges = st.builds(ua.Range, doubles, doubles)
choices = st.one_of(
    st.just(Choice()),
    st.builds(Choice, st.just(1), doubles),
    st.builds(Choice, st.just(2), strings),
    st.builds(Choice, st.just(3), ranges),
    st.builds(Choice, st.just(4), st.sampled_from(ua.NodeClass)),
)
recipes = st.builds(
    Recipe,
    Name=st.none() | st.text(max_size=9),
    Target=st.none() | doubles,
    Ramp=st.none() | st.lists(integers("Int32"), max_size=3),
    Mode=st.none() | st.sampled_from(ua.NodeClass),
    Limits=st.none() | ranges,
    Extra=st.none() | SHARED.flat_variants,
    Always=integers("UInt16"),
    Flags=st.sampled_from([Relays(0), Relays.Pump, Relays.Valve, Relays.Heater, Relays(0x8003)]),
)
batches = st.builds(
    Batch,
    recipes,
    st.lists(choices, max_size=3),
    st.lists(recipes, max_size=3),
    st.lists(SHARED.structures(ua.EUInformation), max_size=2),
    SHARED.variants([ua.Double, ua.String, ua.Int32], shapes=("matrix",)),
)


@MODEST
@given(choices | recipes | batches)
def test_a_custom_structure_is_the_same_bytes_as_asyncuas(value):
    writer = Writer()
    codec_of(type(value)).encode(writer, value)
    encoded = bytes(writer.buffer)
    assert encoded == ua_binary.struct_to_binary(value)
    reader = Reader(encoded)
    assert codec_of(type(value)).decode(reader) == value
    reader.finish()


# -- values of nodesets ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def model(nodeset_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """All pinned nodesets."""
    cache = tmp_path_factory.mktemp("nodesets")
    return load_model(folder=nodeset_cache, cache=cache, application_uri="urn:test:codec")


@pytest.fixture(scope="session")
def values(model: Model) -> list[bytes]:
    """The different values of their nodes."""
    return sorted({node.value for node in model.nodes.values() if node.value is not None})


def test_values_of_nodesets_are_the_same_bytes_when_written_again(values):
    decoded = [decode_variant(value) for value in values]
    assert [encode_variant(one) for one in decoded] == values
    assert len(values) > 500


def test_values_of_nodesets_mean_the_same_to_asyncua(values):
    for value in values:
        assert decode_variant(value) == ua_binary.variant_from_binary(Buffer(value))


def test_values_of_nodesets_mean_the_same_to_node_opcua(values, node):
    for value in values:
        answer = node.ask("builtIn", type="Variant", hex=value.hex())
        assert answer["value"] == plain(variant(decode_variant(value)))
        assert answer["read"] == len(value)
