"""The EURange of AnalogItems, which percent deadbands are parts of (Part 8, 5.3.2.3 and 6.2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from biogate.opcua.codec.encoded import EncodedVariant
from biogate.opcua.codec.limits import DecodeLimits
from biogate.opcua.codec.messages import decode_variant
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.ids import HAS_PROPERTY
from biogate.opcua.space.values import StaticSource, TagSource, ValueSource
from biogate.opcua.stack import ua
from biogate.opcua.subscriptions.sampling import SampledTags

_EU_RANGE = ua.QualifiedName("EURange")
_LIMITS = DecodeLimits()


class EuRanges:
    """Spans of EURanges that are constants or stored values."""

    def __init__(self, space: AddressSpace, tags: SampledTags) -> None:
        self._space = space
        self._tags = tags
        self._asked: set[int] = set()

    @property
    def stamp(self) -> object:
        """Changes whenever a span that was asked for may have changed."""
        versions = self._tags.version[np.array(sorted(self._asked), np.int64)]
        return self._space.epoch, versions.tobytes()

    def span(self, node_id: ua.NodeId) -> float | None:
        """High - low of the Variable's EURange; None where there is none, or none that is sound."""
        source = self._source(node_id)
        if isinstance(source, StaticSource):
            return _span(decode_variant(EncodedVariant(source.value), _LIMITS))
        if isinstance(source, TagSource):
            self._asked.add(source.tag)
            return _span(self._tags.object_at(source.tag))
        return None

    def _source(self, node_id: ua.NodeId) -> ValueSource | None:
        node = self._space.get(node_id)
        for reference in node.references if node else ():
            if reference.forward and reference.type == HAS_PROPERTY:
                property_ = self._space.get(reference.target)
                if property_ is not None and property_.browse_name == _EU_RANGE:
                    return self._space.source(reference.target)
        return None


def _span(value: Any) -> float | None:
    range_ = value.Value if isinstance(value, ua.Variant) else value
    if not isinstance(range_, ua.Range):
        return None
    span = float(range_.High) - float(range_.Low)
    return span if math.isfinite(span) and span >= 0 else None
