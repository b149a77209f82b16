"""The Modbus section of a device profile: registers, word order, status words, simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from biogate_adapters import status
from biogate_adapters.problems import KeyPath
from biogate_adapters.schema import Fact, Finding, Model, ProfileFacts, SignalFacts, StatusName

Table = Literal["holding", "input"]
Format = Literal["int16", "uint16", "int32", "uint32", "float32", "text"]
REGISTERS: dict[str, int] = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2}


class ModbusTransport(Fact):
    """How the device uses Modbus as a whole."""

    functions: tuple[int, ...]
    """Function codes that the device knows."""
    table: Table = "holding"
    """Where signals are that do not say it themselves."""
    address_base: Literal[0, 1] = 0
    """What the manual's register numbers count from; on the wire they count from 0."""
    word_order: Literal["big", "little"] = "big"
    """Which word of a 32-bit value comes first: the high one (big) or the low one (little)."""
    text_order: Literal["high_byte_first", "low_byte_first"] = "high_byte_first"
    """Where in its register the first of two characters is."""
    whole_blocks: bool = False
    """The device only answers for the `blocks` of the profile, each read whole."""
    max_registers: int = Field(default=125, ge=1, le=125)
    """Longest read."""
    max_gap: int = Field(default=0, ge=0, le=124)
    """Registers between two signals that may be read along to save a request."""
    unit_ids: tuple[int, int] = (1, 247)
    """Lowest and highest unit id that a device can have."""
    answers_broadcast: bool = False
    """The device answers requests to unit id 0 as if they were its own."""


class Block(Fact):
    """Registers that are read together and whole."""

    address: int = Field(ge=0, le=65536)
    """First register, as the manual numbers it."""
    count: int = Field(ge=1, le=125)
    """How many registers."""
    table: Table | None = None
    """Where the device's `table` does not hold."""
    content: str = ""
    """For people."""


class Place(Model):
    """Where registers are: `offset` within a `block`, or an `address` of their own."""

    block: str | None = None
    """Name of one of `blocks`."""
    offset: int = Field(default=0, ge=0)
    """Registers from the start of the block."""
    address: int | None = Field(default=None, ge=0, le=65536)
    """First register, as the manual numbers it; in the place of a block."""
    table: Table | None = None
    """Where the device's `table` does not hold."""


class StatusBit(Model):
    """A bit (or several) of a status word, and what it makes of the signal's status."""

    mask: int = Field(gt=0, le=0xFFFFFFFF)
    """The bits that decide, when one of them is set."""
    status: StatusName
    """The status that the signal takes."""
    meaning: str
    """For people."""


class StatusMap(Fact):
    """A status word's bits, the most severe first: the first bit that is set decides."""

    format: Literal["uint16", "uint32"]
    """How the status word stands in its registers."""
    bits: tuple[StatusBit, ...]
    """The most severe first."""


class StatusWord(Place):
    """The status word that qualifies a signal, read by the named status map."""

    map: str
    """Name of one of `status_maps`."""


class Expected(Place):
    """A register that must hold `value`, or the signal does not mean what the profile says."""

    format: Format
    """How the value stands in its registers."""
    value: int
    """What must be there."""
    meaning: str
    """For people: what is true when it is."""
    status: StatusName = status.BAD_CONFIGURATION_ERROR
    """Status of the signal when it is not."""


class Identity(Place, Fact):
    """Text that the device must start with, read once after connecting."""

    length: int = Field(ge=1, le=125)
    """Registers of the text."""
    starts_with: str
    """How the text begins."""


class ModbusSignal(SignalFacts, Place):
    """One signal: value = raw * scale + bias, or one bit of the raw word."""

    format: Format
    """How the raw value stands in its registers."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a text."""
    bit: int | None = Field(default=None, ge=0, le=31)
    """Number of the bit (from 0, the lowest) that a Boolean signal is."""
    scale: float = 1.0
    """Factor from the raw number to the signal's unit."""
    bias: float = 0.0
    """Added after the scale."""
    status: StatusWord | None = None
    """The status word that qualifies the value."""
    expect: Expected | None = None
    """What must hold for the value to mean what the profile says."""


class ImageRegister(Place):
    """Registers that a simulated device holds beside its signals."""

    format: Format
    """How the value stands in its registers."""
    value: float | str
    """What the registers hold."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a text."""
    content: str = ""
    """For people."""


class ModbusSimulation(Fact):
    """What the simulated device holds beside its signals, all read-only."""

    image: tuple[ImageRegister, ...] = ()
    """The registers."""


@dataclass(frozen=True, slots=True)
class Span:
    """`count` registers from `address`, as numbered on the wire."""

    table: Table
    address: int
    count: int

    @property
    def end(self) -> int:
        """One past the last register."""
        return self.address + self.count

    def covers(self, other: Span) -> bool:
        """True when `other` lies within this span."""
        return self.table == other.table and self.address <= other.address and other.end <= self.end


class ModbusProfile(ProfileFacts):
    """A device that speaks Modbus."""

    protocol: Literal["modbus"]
    """Which engine speaks to the device."""
    modbus: ModbusTransport
    """How the device uses Modbus."""
    identity: Identity | None = None
    """How the device says what it is."""
    blocks: dict[str, Block] = Field(default_factory=dict)
    """Registers that are read together, by name."""
    status_maps: dict[str, StatusMap] = Field(default_factory=dict)
    """What the bits of status words mean, by name."""
    points: dict[str, ModbusSignal] = Field(alias="signals", min_length=1)
    """The signals by name."""
    simulation: ModbusSimulation | None = None
    """What the simulated device holds beside its signals."""

    def block_span(self, name: str) -> Span:
        """The registers of a block."""
        block = self.blocks[name]
        return Span(
            block.table or self.modbus.table,
            block.address - self.modbus.address_base,
            block.count,
        )

    def span(self, place: Place, count: int, *, default_block: str | None = None) -> Span:
        """The registers at `place`; `default_block` holds when it names neither block nor address.

        Raises KeyError for an unknown block.
        """
        if place.address is not None:
            table = place.table or self.modbus.table
            return Span(table, place.address - self.modbus.address_base, count)
        block = self.block_span((place.block or default_block) or "")
        return Span(block.table, block.address + place.offset, count)

    def signal_span(self, name: str) -> Span:
        """The registers of a signal's value."""
        point = self.points[name]
        return self.span(point, register_count(point.format, point.length))

    def places(self) -> Iterator[tuple[KeyPath, Place, int, str | None]]:
        """Every place in the profile: (path, place, registers, block it falls back on)."""
        if self.identity:
            yield ("identity",), self.identity, self.identity.length, None
        for name, point in self.points.items():
            path: KeyPath = ("signals", name)
            yield path, point, register_count(point.format, point.length), None
            if point.status and point.status.map in self.status_maps:
                count = REGISTERS[self.status_maps[point.status.map].format]
                yield (*path, "status"), point.status, count, point.block
            if point.expect:
                count = register_count(point.expect.format, None)
                yield (*path, "expect"), point.expect, count, point.block
        for position, item in enumerate(self.simulation.image if self.simulation else ()):
            count = register_count(item.format, item.length)
            yield ("simulation", "image", position), item, count, None

    def problems(self) -> list[Finding]:
        """What is wrong between the parts of the profile: (path, message)."""
        found: list[Finding] = []
        for name, point in self.points.items():
            path: KeyPath = ("signals", name)
            found += [((*path, *below), text) for below, text in point.problems()]
            found += [((*path, *below), text) for below, text in _signal_problems(self, point)]
        for path, place, count, fallback in self.places():
            found += [
                ((*path, *below), text)
                for below, text in _place_problems(self, place, count, fallback)
            ]
        return found


def register_count(format_: Format, length: int | None) -> int:
    """Registers of one value; a text has `length` of them."""
    return (length or 1) if format_ == "text" else REGISTERS[format_]


def _place_problems(
    profile: ModbusProfile, place: Place, count: int, fallback: str | None
) -> list[Finding]:
    name = place.block or (fallback if place.address is None else None)
    if (name is None) == (place.address is None):
        return [((), "give either a block (with an offset) or an address")]
    if name is not None and name not in profile.blocks:
        known = ", ".join(profile.blocks) or "none"
        return [(("block",), f"there is no block {name!r}; the profile has: {known}")]
    span = profile.span(place, count, default_block=fallback)
    if name is not None and not profile.block_span(name).covers(span):
        return [(("offset",), f"{count} registers do not fit into block {name!r} from there")]
    if span.address < 0 or span.end > 65536:
        return [(("address",), "the registers are outside 0..65535 on the wire")]
    if name is None and profile.modbus.whole_blocks:
        whole = any(profile.block_span(block) == span for block in profile.blocks)
        if not whole:
            return [(("address",), "this device is read by whole blocks: name one of `blocks`")]
    return []


def _signal_problems(profile: ModbusProfile, point: ModbusSignal) -> list[Finding]:
    found: list[Finding] = []
    if (point.format == "text") != (point.data_type == "String"):
        found.append((("format",), "text registers make a String signal, and only they do"))
    if point.format == "text" and point.length is None:
        found.append((("length",), "a text needs its length in registers"))
    if (point.bit is not None) != (point.data_type == "Boolean"):
        found.append((("bit",), "a Boolean signal is one bit of a word, and only it is"))
    if point.bit is not None and point.bit >= 16 * register_count(point.format, None):
        found.append((("bit",), f"a {point.format} has no bit {point.bit}"))
    if point.bit is not None and point.write:
        found.append((("write",), "a single bit of a word cannot be written"))
    if point.scale == 0:
        found.append((("scale",), "a scale of 0 loses the value"))
    if point.write and 16 not in profile.modbus.functions:
        found.append((("write",), "the device does not know function 16 (write registers)"))
    if point.status and point.status.map not in profile.status_maps:
        known = ", ".join(profile.status_maps) or "none"
        found.append((("status", "map"), f"unknown status map; the profile has: {known}"))
    return found
