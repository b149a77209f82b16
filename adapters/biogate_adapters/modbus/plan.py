"""Which registers to read, in how few requests, and what to do when the device refuses some.

No I/O here: the adapter asks `requests()`, and tells with `answered` or `refused` how each went. A
refused request is cut into smaller ones until the registers that the device does not know stand
alone; these are left out from then on and tried again from time to time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from biogate_adapters.schema_modbus import Format, ModbusProfile, Place, Span, register_count

REPROBE_POLLS = 60


@dataclass(frozen=True, slots=True)
class Item:
    """Registers that belong together: read whole, and when `exact` never along with others."""

    span: Span
    exact: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One read; `items` are positions in the plan's list of items, within `span`."""

    span: Span
    items: tuple[int, ...]


class ReadPlan:
    """The reads of one device. `items` is fixed; the requests follow what the device answers."""

    def __init__(
        self,
        items: Sequence[Item],
        *,
        max_registers: int,
        max_gap: int,
        reprobe_polls: int = REPROBE_POLLS,
    ) -> None:
        self.items = tuple(items)
        self._max_registers = max_registers
        self._max_gap = max_gap
        self._reprobe_polls = reprobe_polls
        self._refused: dict[int, int] = {}
        self._barred: set[tuple[str, int]] = set()
        self._standing: list[Request] | None = None

    @property
    def refused_items(self) -> frozenset[int]:
        """Items that the device refused, which are tried again only now and then."""
        return frozenset(self._refused)

    def requests(self) -> list[Request]:
        """The reads of the next poll."""
        if self._standing is None:
            self._standing = self._coalesce(
                number for number in range(len(self.items)) if number not in self._refused
            )
        probes = []
        for number, polls_left in self._refused.items():
            self._refused[number] = polls_left - 1
            if polls_left <= 0:
                self._refused[number] = self._reprobe_polls
                probes.append(Request(self.items[number].span, (number,)))
        return self._standing + probes

    def answered(self, request: Request) -> None:
        """The device answered: items that it refused before are read with the others again."""
        if any(number in self._refused for number in request.items):
            for number in request.items:
                self._refused.pop(number, None)
            self._barred.clear()
            self._standing = None

    def refused(self, request: Request) -> list[Request]:
        """The device does not know some of the registers: smaller reads to try instead.

        Empty when the request was one item alone; the item is then remembered as refused.
        """
        self._standing = None
        if len(request.items) == 1 and request.span == self.items[request.items[0]].span:
            self._refused[request.items[0]] = self._reprobe_polls
            return []
        gaps = self._gaps(request)
        if gaps:
            self._barred |= gaps
            return self._coalesce(request.items)
        middle = len(request.items) // 2
        return [
            *self._coalesce(request.items[:middle]),
            *self._coalesce(request.items[middle:]),
        ]

    def _gaps(self, request: Request) -> set[tuple[str, int]]:
        wanted = {
            register for number in request.items for register in _registers(self.items[number].span)
        }
        return {register for register in _registers(request.span) if register not in wanted}

    def _coalesce(self, numbers: Iterable[int]) -> list[Request]:
        barred = self._barred | {
            register for number in self._refused for register in _registers(self.items[number].span)
        }
        requests: list[Request] = []
        for number in sorted(numbers, key=self._position):
            item = self.items[number]
            joined = None if item.exact or not requests else self._join(requests[-1], item, barred)
            if joined:
                requests[-1] = Request(joined, (*requests[-1].items, number))
            else:
                requests.append(Request(item.span, (number,)))
        return requests

    def _position(self, number: int) -> tuple[str, int]:
        span = self.items[number].span
        return span.table, span.address

    def _join(self, request: Request, item: Item, barred: set[tuple[str, int]]) -> Span | None:
        """The span of both, when one read may bring them."""
        last, span = request.span, item.span
        if self.items[request.items[-1]].exact or last.table != span.table:
            return None
        joined = Span(last.table, last.address, span.end - last.address)
        gap = Span(last.table, last.end, max(span.address - last.end, 0))
        if joined.count > self._max_registers or gap.count > self._max_gap:
            return None
        return None if any(register in barred for register in _registers(gap)) else joined


def items_of(profile: ModbusProfile) -> list[Item]:
    """What the signals of a profile need: whole blocks, and free registers merged to items."""
    exact: set[Span] = set()
    free: set[Span] = set()
    for path, place, count, fallback in profile.places():
        if path[0] != "signals":
            continue
        name = _block_name(place, fallback)
        span = profile.block_span(name) if name else profile.span(place, count)
        (exact if name else free).add(span)
    items = [Item(span, exact=True) for span in exact]
    items += [Item(span, exact=False) for span in _merge(free)]
    return sorted(items, key=lambda item: (item.span.table, item.span.address))


def locate(items: Sequence[Item], span: Span, *, exact: bool) -> tuple[int, int]:
    """(item, offset) at which `span` is found. Raises KeyError when no item has it."""
    for number, item in enumerate(items):
        if item.exact == exact and item.span.covers(span):
            return number, span.address - item.span.address
    raise KeyError(span)


def place_span(profile: ModbusProfile, place: Place, format_: Format, fallback: str | None) -> Span:
    """The registers of a value of `format_` at `place` (see `ModbusProfile.span`)."""
    count = register_count(format_, getattr(place, "length", None))
    return profile.span(place, count, default_block=fallback)


def _block_name(place: Place, fallback: str | None) -> str | None:
    return place.block or (fallback if place.address is None else None)


def _registers(span: Span) -> list[tuple[str, int]]:
    return [(span.table, register) for register in range(span.address, span.end)]


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Spans that share registers become one; neighbours stay apart."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.table, span.address)):
        last = merged[-1] if merged else None
        if last and last.table == span.table and span.address < last.end:
            end = max(last.end, span.end)
            merged[-1] = Span(last.table, last.address, end - last.address)
        else:
            merged.append(span)
    return merged
