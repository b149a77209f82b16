"""What the parts of a site file are made of: names, labels, ranges, and models that are strict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)

from biogate_adapters.schema import UNIT_CODE_PATTERN

NAME_RULE = "a letter, then letters, digits, _ or - (at most 64)"
NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
LABEL_PATTERN = r"^[^\s/\x00-\x1f\x7f](?:[^/\x00-\x1f\x7f]{0,98}[^\s/\x00-\x1f\x7f])?$"
SIGNAL_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}\.[A-Za-z][A-Za-z0-9_]{0,63}$"
PROFILE_PATTERN = r"^(?:[^/\s]+/[^/\s]+|.+\.ya?ml)$"
ADDRESS_PATTERN = r"^[a-z+]+://[A-Za-z0-9._:\[\]-]+$"
URI_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+$"
HOST_PATTERN = r"^[A-Za-z0-9.:_-]+$"
CLIENT_URL_PATTERN = r"^opc\.tcp://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"
UNIT_LETTER_PATTERN = r"^[A-Z]$"
NODE_PATTERN = r"^[A-Za-z](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?$"
NODE_RULE = "a letter, then letters, digits, _, - or . (at most 128, no . at the end)"
ARGUMENT_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
FUNCTION_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$"
PROFILE_FILE_SUFFIXES = (".yaml", ".yml")


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    if not low < high:
        raise ValueError(f"low ({low:g}) must be less than high ({high:g})")
    return limits


def _two_limits(limits: object) -> object:
    if isinstance(limits, list) and len(limits) != 2:
        raise ValueError(f"a range is [low, high]; this list has {len(limits)} entries")
    return limits


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("the list is empty; it needs at least one entry")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]} stands in the list twice")
    return values


def thumbprint(text: str) -> str:
    """The thumbprint in lower case without separators. Raises ValueError."""
    plain = "".join(character for character in text.lower() if character not in " :")
    if len(plain) not in (40, 64) or not set(plain) <= set("0123456789abcdef"):
        raise ValueError("a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")
    return plain


def _in_the_folder(file: str, info: ValidationInfo) -> str:
    """A file is named relative to the site file."""
    folder = (info.context or {}).get("folder")
    return file if folder is None else str(Path(folder) / file)


def _beside_the_site_file(profile: str, info: ValidationInfo) -> str:
    """A profile file is named relative to the site file that uses it."""
    folder = (info.context or {}).get("folder")
    if folder is None or not profile.endswith(PROFILE_FILE_SUFFIXES):
        return profile
    return str(Path(folder, profile))


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
NodeName = Annotated[str, StringConstraints(pattern=NODE_PATTERN)]
ArgumentName = Annotated[str, StringConstraints(pattern=ARGUMENT_PATTERN)]
SignalReference = Annotated[str, StringConstraints(pattern=SIGNAL_PATTERN)]
Uri = Annotated[str, StringConstraints(pattern=URI_PATTERN)]
ClientUrl = Annotated[str, StringConstraints(pattern=CLIENT_URL_PATTERN)]
Range = Annotated[
    tuple[float, float],
    Field(strict=False),
    AfterValidator(_rising),
    BeforeValidator(_two_limits),
]
UnitCode = Annotated[str, StringConstraints(pattern=UNIT_CODE_PATTERN)]
SiteFile = Annotated[str, StringConstraints(min_length=1), AfterValidator(_in_the_folder)]
ProfileName = Annotated[
    str, StringConstraints(pattern=PROFILE_PATTERN), AfterValidator(_beside_the_site_file)
]


class Strict(BaseModel):
    """Unknown keys are errors, text is not a number, and a loaded site does not change."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )
