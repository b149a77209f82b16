"""What of the site file says which changes need an electronic signature (21 CFR 11.50-11.200)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from biogate.site.shapes import Strict, distinct
from biogate_security.zones.parts import PartPattern

Meaning = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]


def _patterns(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        PartPattern(text)
    return distinct(texts)


class SignatureConfig(Strict):
    """Changes that nobody makes without signing for them."""

    on: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_patterns)]
    """Parts of the model, such as `BR101/ph/TargetValue`; * stands for any text in a name."""
    actions: Annotated[
        tuple[Literal["write", "call"], ...], Field(strict=False), AfterValidator(distinct)
    ] = ("write",)
    """What needs the signature: writing, calling, or both."""
    meaning: Annotated[tuple[Meaning, ...], Field(strict=False), AfterValidator(distinct)] = (
        "responsibility",
        "review",
        "approval",
    )
    """What a signature may mean; the signer chooses one."""
    second_person: bool = False
    """True: somebody else must approve, by a signature of their own."""
    approvers: Annotated[
        tuple[Literal["Operator", "Engineer", "Supervisor"], ...],
        Field(strict=False),
        AfterValidator(distinct),
    ] = ("Supervisor", "Engineer")
    """Roles of which the second person must have one."""
