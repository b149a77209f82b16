"""UNECE codes as OPC UA units; the numbers are those of the official table."""

import pytest

from biogate import units


@pytest.mark.parametrize(
    ("code", "number", "symbol"),
    [
        ("CEL", 4408652, "°C"),
        ("Q30", 5321520, "pH"),
        ("P1", 20529, "%"),
        ("RPM", 5394509, "r/min"),
        ("L2", 19506, "l/min"),
        ("41", 13361, "ml/min"),
        ("G55", 4666677, "ml/h"),
        ("KGM", 4933453, "kg"),
        ("H10", 4731184, "h⁻¹"),
        ("C62", 4404786, ""),
    ],
)
def test_a_code_has_the_official_unit_id_and_its_symbol(
    code: str, number: int, symbol: str
) -> None:
    assert units.unit_id(code) == number
    assert units.symbol(code) == symbol


def test_a_code_that_is_not_listed_shows_itself() -> None:
    assert units.symbol("A95") == units.name("A95") == "A95"
    assert units.unit_id("A95") == 4274485


@pytest.mark.parametrize("code", ["", "LONG", "°C", "m/s"])
def test_what_cannot_be_a_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="UNECE"):
        units.unit_id(code)
