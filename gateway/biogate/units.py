"""Units of measure: UNECE Recommendation 20 codes as OPC UA EUInformation (Part 8, 5.6.3.3)."""

from __future__ import annotations

UNECE_NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"

# Code → (symbol shown to people, name in Recommendation 20). A code that is not listed is still
# a valid unit: its number follows from its letters, and its symbol is the code itself.
_UNITS: dict[str, tuple[str, str]] = {
    "CEL": ("°C", "degree Celsius"),
    "Q30": ("pH", "pH (potential of Hydrogen)"),
    "P1": ("%", "percent"),
    "VP": ("%", "percent volume"),
    "59": ("ppm", "part per million"),
    "MBR": ("mbar", "millibar"),
    "BAR": ("bar", "bar [unit of pressure]"),
    "PAL": ("Pa", "pascal"),
    "PS": ("lbf/in²", "pound-force per square inch"),
    "LTR": ("l", "litre"),
    "MLT": ("ml", "millilitre"),
    "KGM": ("kg", "kilogram"),
    "GRM": ("g", "gram"),
    "RPM": ("r/min", "revolutions per minute"),
    "41": ("ml/min", "millilitre per minute"),
    "G55": ("ml/h", "millilitre per hour"),
    "E32": ("l/h", "litre per hour"),
    "L2": ("l/min", "litre per minute"),
    "GL": ("g/l", "gram per litre"),
    "M1": ("mg/l", "milligram per litre"),
    "M33": ("mmol/l", "millimole per litre"),
    "H61": ("mS/cm", "millisiemens per centimetre"),
    "H10": ("h⁻¹", "reciprocal hour"),
    "HUR": ("h", "hour"),
    "MIN": ("min", "minute [unit of time]"),
    "SEC": ("s", "second [unit of time]"),
    "2Z": ("mV", "millivolt"),
    "C62": ("", "one"),
}


def symbol(code: str | None) -> str:
    """What people call the unit; the code itself for one that is not listed, "" for None."""
    if code is None:
        return ""
    return _UNITS[code][0] if code in _UNITS else code


def name(code: str) -> str:
    """The unit's name in Recommendation 20; the code itself for one that is not listed."""
    return _UNITS[code][1] if code in _UNITS else code


def unit_id(code: str) -> int:
    """EUInformation.UnitId: the code's letters as a big-endian number ("CEL" → 4408652).

    Raises ValueError for what cannot be a code (empty, longer than 3, not ASCII).
    """
    if not 1 <= len(code) <= 3 or not code.isascii() or not code.isalnum():
        raise ValueError(f"{code!r} is no UNECE code: one to three letters or digits")
    return int.from_bytes(code.encode("ascii"), "big")
