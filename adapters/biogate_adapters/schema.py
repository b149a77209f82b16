"""The parts of a device profile that every protocol shares, as pydantic models.

A profile is a collection of facts about a device, and each fact says how well it is known
(`Evidence`) and where it was read (`source`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from biogate_adapters import status
from biogate_adapters.contract import DataType, Signal
from biogate_adapters.plant import QUANTITIES
from biogate_adapters.problems import KeyPath

Evidence = Literal["A", "B", "C", "T", "U", "own"]

Finding = tuple[KeyPath, str]
"""What is wrong, and the path to it from the part that was looked at."""


def _status_code(name: object) -> int:
    if isinstance(name, str) and name in status.NAMES:
        return status.NAMES[name]
    raise ValueError(f"{name!r} is no status code that a profile may use")


StatusName = Annotated[
    int,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(
            _status_code,
            json_schema_input_schema=core_schema.literal_schema(list(status.NAMES)),
        )
    ),
]
"""A status code: its name in the file, its number in the model."""

UNIT_CODE_PATTERN = r"^[A-Z0-9]{2,3}$"
"""A code of UNECE Recommendation 20."""

UNIT: Any = Field(default=None, pattern=UNIT_CODE_PATTERN, description="UNECE Rec 20 code")


class Model(BaseModel):
    """Immutable, and refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(Model):
    """Something that is known of a device: how well, and from where."""

    evidence: Evidence
    """How well it is known. A: the vendor's text or a specification was read; B: two independent
    public sources agree; C: one public project, or an inference; T: measured or computed by us;
    U: unknown, do not rely on it; own: this project defined it."""
    source: str = ""
    """Where it was read."""


class Timing(Fact):
    """How long the device may take."""

    timeout_ms: float = Field(gt=0)
    """How long an answer may take."""
    tries: int = Field(ge=1, le=10)
    """How often a request is sent, the first time included."""
    gap_ms: float = Field(default=0.0, ge=0)
    """Silence between an answer and the next request."""
    min_poll_ms: float = Field(default=0.0, ge=0)
    """Polling faster than this brings no newer values."""


class IdealGas(Fact):
    """Turns a flow at reference conditions into the flow at the gas's own pressure and temperature.

    With a plant that lacks one of the quantities, the flow stays at reference conditions.
    """

    pressure: str
    """Plant quantity of the gas's absolute pressure, in bar."""
    temperature: str
    """Plant quantity of the gas's temperature, in °C."""
    reference_pressure_bar: float = Field(gt=0)
    """Absolute pressure that the flow is stated at."""
    reference_temperature_degc: float = Field(gt=-273.15)
    """Temperature that the flow is stated at."""


class Simulation(Model):
    """Where a simulated device takes a signal from; exactly one of the sources is given.

    The device shows `gain` * quantity + `bias`; a written value drives the actuator with the
    inverse.
    """

    quantity: str | None = None
    """Plant quantity that the signal shows."""
    actuator: str | None = None
    """Plant actuator that the set-point drives; the signal shows where it stands."""
    constant: float | None = None
    """A number that never changes."""
    text: str | None = None
    """What a String signal shows."""
    gain: float = 1.0
    """Factor from the quantity to what the signal shows."""
    bias: float = 0.0
    """Added after the gain."""
    above: float | None = None
    """For Boolean signals: true while the quantity is above this."""
    initial: float = 0.0
    """What a set-point shows before the first write, where the plant lacks the actuator."""
    default: float | None = None
    """Shown, in the signal's unit, where the plant does not have the quantity at all; without it
    the device then shows that it has no value."""
    actual_volume: IdealGas | None = None
    """Shows the flow at the gas's own pressure and temperature."""


class WriteLimits(Model):
    """The adapter refuses values outside `low`..`high` (in the signal's unit)."""

    low: float
    """Lowest value that may be written."""
    high: float
    """Highest value that may be written."""


class SignalFacts(Fact):
    """One signal, whatever the protocol: see `contract.Signal` for the meaning of each."""

    description: str = ""
    """For people; clients see it."""
    data_type: DataType
    """OPC UA built-in type of the value."""
    unit: str | None = UNIT
    low: float | None = None
    """Low end of the engineering range (EURange)."""
    high: float | None = None
    """High end of the engineering range (EURange)."""
    instrument_low: float | None = None
    """Low end of what the instrument can show (InstrumentRange)."""
    instrument_high: float | None = None
    """High end of what the instrument can show (InstrumentRange)."""
    write: WriteLimits | None = None
    """Present where the signal is a set-point: what may be written."""
    invalid: tuple[float, ...] = ()
    """Raw values by which the device says that it has none (NaN always does)."""
    invalid_status: StatusName = status.BAD_SENSOR_FAILURE
    """Status of a signal whose raw value is one of `invalid`."""
    simulate: Simulation | None = None
    """Where a simulated device takes the signal from; without it, it has no value."""

    def signal(self, index: int, name: str) -> Signal:
        """The adapter contract's view of this signal."""
        limits = self.write
        return Signal(
            index=index,
            name=name,
            data_type=self.data_type,
            unit=self.unit,
            low=self.low,
            high=self.high,
            instrument_low=self.instrument_low,
            instrument_high=self.instrument_high,
            writable=limits is not None,
            write_low=limits.low if limits else None,
            write_high=limits.high if limits else None,
            description=self.description,
        )

    def problems(self) -> list[Finding]:
        """What is wrong between the fields of this signal: (path below the signal, message)."""
        found: list[Finding] = []
        for low, high in (("low", "high"), ("instrument_low", "instrument_high")):
            found += _range_problem((high,), getattr(self, low), getattr(self, high))
        if self.write:
            found += _range_problem(("write", "high"), self.write.low, self.write.high)
            if self.data_type == "String":
                found.append((("write",), "a String signal cannot be written"))
        if self.simulate:
            found += _simulation_problems(self.simulate, writable=self.write is not None)
        return found


def _range_problem(path: tuple[str, ...], low: float | None, high: float | None) -> list[Finding]:
    if low is not None and high is not None and not low < high:
        return [(path, f"{high:g} is not above the low limit {low:g}")]
    return []


def _simulation_problems(simulate: Simulation, *, writable: bool) -> list[Finding]:
    found: list[Finding] = []
    sources = ("quantity", "actuator", "constant", "text")
    given = [name for name in sources if getattr(simulate, name) is not None]
    if len(given) != 1:
        found.append((("simulate",), f"give exactly one of {', '.join(sources)}"))
    if writable and simulate.actuator is None:
        found.append((("simulate",), "a writable signal is simulated by an actuator"))
    gas = simulate.actual_volume
    names: list[tuple[tuple[str, ...], str | None]] = [
        (("simulate", "quantity"), simulate.quantity),
        (("simulate", "actuator"), simulate.actuator),
        (("simulate", "actual_volume", "pressure"), gas.pressure if gas else None),
        (("simulate", "actual_volume", "temperature"), gas.temperature if gas else None),
    ]
    for path, name in names:
        if name is not None and name not in QUANTITIES:
            found.append((path, f"{name!r} is no plant quantity (see biogate_adapters.plant)"))
    if simulate.gain == 0:
        found.append((("simulate", "gain"), "a gain of 0 cannot be inverted"))
    return found


class ProfileFacts(Model):
    """What a profile says of the device as a whole, whatever the protocol."""

    profile: Literal[1]
    """Version of this file format."""
    vendor: str
    """Who makes the device."""
    model: str
    """The device's model name."""
    description: str = ""
    """For people."""
    notes: tuple[str, ...] = ()
    """What a user must know: unknown facts, traps, what is left out."""
    sources: dict[str, str] = Field(default_factory=dict)
    """The documents that `source` refers to, by their short names."""
    timing: Timing
    """How long the device may take."""

    def facts(self) -> dict[str, Evidence]:
        """Each fact's path → its evidence letter, for reports on how well the profile is known."""
        return dict(_evidence(self, ()))


def _evidence(node: object, path: tuple[str, ...]) -> list[tuple[str, Evidence]]:
    found: list[tuple[str, Evidence]] = []
    if isinstance(node, Fact):
        found.append((".".join(path), node.evidence))
    if isinstance(node, BaseModel):
        for name in type(node).model_fields:
            found += _evidence(getattr(node, name), (*path, name))
    elif isinstance(node, dict):
        for name, child in node.items():
            found += _evidence(child, (*path, str(name)))
    elif isinstance(node, tuple):
        for position, child in enumerate(node):
            found += _evidence(child, (*path, str(position)))
    return found
