"""The zone and conduit diagram (IEC 62443-3-2, ZCR 6) as SVG.

Zones are columns with their members on top; each conduit is an arrow from the column of its
clients to the column of its nodes, below one another, with what may pass. So nothing crosses a
text, however many there are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from biogate.prove.documents.words import access_point, clients, rule_lines, vector

COLUMN, GAP, MARGIN, LINE = 300, 60, 24, 17
_CHARACTERS = 40
_COLORS = {"plant": ("#e8f1fa", "#2f6ea5"), "model": ("#f4ecfa", "#7a4da6")}
_CLOSED, _OPEN = "#8a949e", "#1f5c3a"


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text; `weight` as in CSS."""

    text: str
    weight: str = "normal"


def diagram(data: Mapping[str, Any]) -> str:
    """The SVG of a site's YAML."""
    zones: Mapping[str, Any] = data["zones"]
    conduits: Mapping[str, Any] = data.get("conduits") or {}
    places = {name: MARGIN + i * (COLUMN + GAP) for i, name in enumerate(zones)}
    boxes = {name: list(_zone_lines(name, zone)) for name, zone in zones.items()}
    top = MARGIN + 34
    below = top + max(len(lines) for lines in boxes.values()) * LINE + 26
    width = max(2 * MARGIN + len(zones) * (COLUMN + GAP) - GAP, 620)
    arrows, end = [], below + 20
    for name, conduit in conduits.items():
        piece, end = _conduit(name, conduit, places, end)
        arrows.append(piece)
    end = max(end, below + 20)
    pieces = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {end + MARGIN}" '
            f'width="{width}" height="{end + MARGIN}" font-family="system-ui, sans-serif" '
            'font-size="12.5" fill="#1c2530" role="img">'
        ),
        f"<title>Zones and conduits of {escape(_site_name(data))}</title>",
        *_arrow_heads(),
        f'<rect width="{width}" height="{end + MARGIN}" fill="#ffffff"/>',
        _line(MARGIN, MARGIN + 8, _Text(f"Zones and conduits: {_site_name(data)}", "bold"), 15),
        *(_column(places[name], top, below, end, zones[name], boxes[name]) for name in zones),
        *arrows,
        "</svg>\n",
    ]
    return "\n".join(pieces)


def _site_name(data: Mapping[str, Any]) -> str:
    return f"{data['enterprise']}, {data['site']}, {data['process_cell']}"


def _zone_lines(name: str, zone: Mapping[str, Any]) -> Iterator[_Text]:
    kind = ", a zone of models" if zone.get("kind") == "model" else ""
    yield _Text(f"{name}{kind}", "bold")
    yield from _wrapped(zone.get("description", ""))
    yield _Text(f"SL-T {vector(zone.get('target'))}", "600")
    for word in ("devices", "units", "sections"):
        if zone.get(word):
            yield from _wrapped(f"{word}: {', '.join(zone[word])}")
    yield from _wrapped(f"endpoint: {access_point(zone)}")
    for line in clients(zone):
        yield from _wrapped(line)


def _wrapped(text: str, width: int = _CHARACTERS) -> Iterator[_Text]:
    for line in textwrap.wrap(text, width, subsequent_indent="   "):
        yield _Text(line)


def _column(
    x: int, top: int, below: int, end: int, zone: Mapping[str, Any], lines: Sequence[_Text]
) -> str:
    fill, stroke = _COLORS[zone.get("kind", "plant")]
    middle = x + COLUMN // 2
    texts = [_line(x + 12, top + 20 + i * LINE, line) for i, line in enumerate(lines)]
    return "\n".join(
        (
            (
                f'<rect x="{x}" y="{top}" width="{COLUMN}" height="{below - top}" rx="8" '
                f'fill="{fill}" stroke="{stroke}" stroke-width="1.6"/>'
            ),
            (
                f'<line x1="{middle}" y1="{below}" x2="{middle}" y2="{end}" stroke="{stroke}" '
                'stroke-dasharray="3 5"/>'
            ),
            *texts,
        )
    )


def _conduit(
    name: str, conduit: Mapping[str, Any], places: Mapping[str, int], y: int
) -> tuple[str, int]:
    """An arrow with its texts below it, and where the next may begin."""
    start = places[conduit["from"]] + COLUMN // 2
    stop = places[conduit["to"]] + COLUMN // 2
    is_open = conduit.get("open", True)
    color = _OPEN if is_open else _CLOSED
    left, right = min(start, stop), max(start, stop)
    lines = list(_conduit_lines(name, conduit, right - left - 24))
    dash = "" if is_open else ' stroke-dasharray="7 5"'
    head = "open" if is_open else "closed"
    tip = stop - 3 if stop > start else stop + 3
    height = len(lines) * LINE + 10
    return (
        "\n".join(
            (
                (
                    f'<rect x="{left + 8}" y="{y + 4}" width="{right - left - 16}" '
                    f'height="{height}" fill="#ffffff" fill-opacity="0.94"/>'
                ),
                (
                    f'<line x1="{start}" y1="{y}" x2="{tip}" y2="{y}" stroke="{color}" '
                    f'stroke-width="2.2"{dash} marker-end="url(#{head})"/>'
                ),
                f'<circle cx="{start}" cy="{y}" r="4" fill="{color}"/>',
                *(_line(left + 14, y + 20 + i * LINE, line) for i, line in enumerate(lines)),
            )
        ),
        y + height + 26,
    )


def _conduit_lines(name: str, conduit: Mapping[str, Any], width: int) -> Iterator[_Text]:
    characters = max(width // 7, 30)
    state = "" if conduit.get("open", True) else ", closed"
    yield _Text(f"{name}{state}: SL-T {vector(conduit.get('target'))}", "600")
    yield from _wrapped(conduit.get("description", ""), characters)
    for line in rule_lines(conduit):
        yield from _wrapped(line, characters)


def _line(x: int, y: int, line: _Text, size: float = 12.5) -> str:
    weight = "" if line.weight == "normal" else f' font-weight="{line.weight}"'
    return f'<text x="{x}" y="{y}" font-size="{size}"{weight}>{escape(line.text)}</text>'


def _arrow_heads() -> Iterator[str]:
    yield "<defs>"
    for name, color in (("open", _OPEN), ("closed", _CLOSED)):
        yield (
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" '
            f'fill="{color}"/></marker>'
        )
    yield "</defs>"
