"""Values that a zone sends, decoded within a budget and without holding up the core."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import perf_counter

from biogate.opcua.codec import DecodeError, DecodeLimits, Reader
from biogate.opcua.config import Limits
from biogate.opcua.stack import ua
from biogate.zones.messages import MalformedError

_LIMITS = Limits()
_STRICT = DecodeLimits(
    max_string_length=_LIMITS.max_string_length,
    max_byte_string_length=_LIMITS.max_byte_string_length,
    max_array_length=_LIMITS.max_array_length,
    max_elements=_LIMITS.max_elements_per_message,
)
"""What a zone sends has been within the limits of its front end."""
_SHORT_BYTES = 4096


def variants_of(values: Iterable[bytes]) -> list[ua.Variant]:
    """The Variants of one message, with one budget of elements for all. Raises MalformedError."""
    found, elements = [], _STRICT.max_elements
    for value in values:
        reader = Reader(value, _STRICT)
        reader.elements = elements
        try:
            found.append(reader.variant())
            reader.finish()
        except DecodeError as error:
            raise MalformedError(f"a value: {error}") from error
        elements = reader.elements
    return found


class ZoneValues:
    """Decodes for one link. Long values take turns, and others have as long after each."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def decoded(self, values: Sequence[bytes]) -> list[ua.Variant]:
        """As `variants_of`."""
        if sum(map(len, values)) <= _SHORT_BYTES:
            return variants_of(values)
        async with self._turn:
            began_s = perf_counter()
            found = variants_of(values)
            await asyncio.sleep(perf_counter() - began_s)
        return found
