"""The nodes that a site file declares itself: variables without a device, and methods."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from biogate.site.shapes import (
    FUNCTION_PATTERN,
    ArgumentName,
    Label,
    Name,
    NodeName,
    Range,
    Strict,
    UnitCode,
    Uri,
    distinct,
)

MAX_REPEAT = 100_000
MAX_RANK = 5


def _one_to_five(dimensions: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(dimensions) <= MAX_RANK:
        raise ValueError(f"an array has 1 to {MAX_RANK} dimensions, not {len(dimensions)}")
    return dimensions


TypeName = Name
"""A built-in type, or an enumeration of the section."""

Dimensions = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...],
    Field(strict=False),
    AfterValidator(_one_to_five),
]
"""Length of each dimension; 0 is any length."""


class CounterSource(Strict):
    """A value that counts up by itself."""

    kind: Literal["counter"]
    interval_ms: Annotated[int, Field(ge=20, le=3_600_000)] = 1000
    """Time from one value to the next, in milliseconds."""
    step: Annotated[float, Field(gt=0)] = 1.0
    """What is added each time."""


class VariableConfig(Strict):
    """A variable without a device: it holds its initial value until it is written or counts."""

    type: TypeName
    """Built-in type (Boolean, Int32, Double, String, ...), or an enumeration of this section."""
    value: Any = None
    """Initial value, also a list (of lists) of values; zero or empty where absent."""
    dimensions: Dimensions | None = None
    """Length of each dimension of an array, 0 for any; those of `value`, any length, if absent."""
    name: Label | None = None
    """BrowseName; what follows the last dot of the key where absent."""
    description: str = ""
    """Description that clients show."""
    unit: UnitCode | None = None
    """UNECE Recommendation 20 code of the unit, for example L2 (l/min)."""
    range: Range | None = None
    """Engineering range (EURange) [low, high], in the unit."""
    writable: bool = False
    """True: clients may write it, as their roles allow."""
    write_range: Range | None = None
    """Values that may be written [low, high]; any where absent, also outside of `range`."""
    audited: bool = True
    """False: writes leave no audit record. For test rigs and benchmarks."""
    historized: bool = False
    """True: the variable offers its history (AccessLevel HistoryRead, Historizing)."""
    source: CounterSource | None = None
    """What changes the value; where absent only writes do."""
    raises_event: Label | None = None
    """Message of an event that each write raises, with the number written as its severity."""
    repeat: Annotated[int, Field(ge=1, le=MAX_REPEAT)] | None = None
    """Make so many variables, numbered from 0: the number follows the key and the name."""


class InputConfig(Strict):
    """An input argument of a method."""

    type: TypeName
    """Built-in type, or an enumeration of this section."""
    dimensions: Dimensions | None = None
    """Length of each dimension of an array, 0 for any; a single value where absent."""
    description: str = ""
    """Description that clients show."""


class OutputConfig(InputConfig):
    """An output argument of a method."""

    expression: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """What the output is, computed from the inputs by their names, for example `a + b`."""


class MethodConfig(Strict):
    """A method of an object: expressions, or a function of an installed Python package."""

    name: Label | None = None
    """BrowseName; what follows the last dot of the key where absent."""
    description: str = ""
    """Description that clients show."""
    inputs: dict[ArgumentName, InputConfig] = Field(default_factory=dict)
    """Input arguments by name, in their order."""
    outputs: dict[ArgumentName, OutputConfig] = Field(default_factory=dict)
    """Output arguments by name, in their order."""
    function: Annotated[str, StringConstraints(pattern=FUNCTION_PATTERN)] | None = None
    """Python function `module:function` that takes the inputs and returns the outputs."""
    audited: bool = True
    """False: calls leave no audit record. For test rigs and benchmarks."""


class ObjectConfig(Strict):
    """An object or folder, and what is in it."""

    folder: bool = False
    """True: a folder (FolderType) rather than an object."""
    name: Label | None = None
    """BrowseName; what follows the last dot of the key where absent."""
    description: str = ""
    """Description that clients show."""
    objects: dict[NodeName, ObjectConfig] = Field(default_factory=dict)
    """Objects and folders in it, by the string of their NodeId."""
    variables: dict[NodeName, VariableConfig] = Field(default_factory=dict)
    """Variables in it, by the string of their NodeId."""
    methods: dict[NodeName, MethodConfig] = Field(default_factory=dict)
    """Methods of it, by the string of their NodeId."""


class NodeSection(Strict):
    """Nodes in a namespace of their own."""

    namespace: Uri
    """NamespaceUri of these nodes; of this section alone."""
    enumerations: dict[
        Name,
        Annotated[
            tuple[Label, ...],
            Field(strict=False),
            AfterValidator(distinct),
        ],
    ] = Field(default_factory=dict)
    """Enumeration data types: the names of the values 0, 1, 2, ..."""
    objects: Annotated[dict[NodeName, ObjectConfig], Field(min_length=1)]
    """Objects and folders below Objects, by the string of their NodeId."""
