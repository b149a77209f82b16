"""Computed tags: a Python function of other tags, evaluated whenever one of them changes.

The status is the worst of the inputs', the source time the newest of the inputs'. A function that
raises turns its tag Bad_InternalError, with one log line until it works again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biogate.declared.routes import plain_value
from biogate.tags import Drained, TagInfo, TagTable, TagValue
from biogate_adapters import status

_log = logging.getLogger(__name__)

Function = Callable[..., Any]


@dataclass(slots=True)
class _Computed:
    tag: int
    name: str
    function: Function
    inputs: Sequence[str]
    failing: bool = False


@dataclass(slots=True)
class ComputedTags:
    """All computed tags of a gateway; `update` is fed with all that the journal has, in order."""

    table: TagTable
    _by_input: dict[int, list[_Computed]] = field(default_factory=dict)

    def add(self, info: TagInfo, function: Function, inputs: Sequence[str]) -> int:
        """Add a tag computed as `function(*values of inputs)`; returns its index.

        Inputs without a value make the tag Bad without a call. Raises ValueError when there are
        no inputs or the name is taken, KeyError for an unknown input.
        """
        if not inputs:
            raise ValueError(f"computed tag {info.name!r} has no inputs: name at least one tag")
        sources = [self.table.index(name) for name in inputs]
        computed = _Computed(self.table.add(info), info.name, function, tuple(inputs))
        for source in sources:
            self._by_input.setdefault(source, []).append(computed)
        self._evaluate(computed, max(v.server_time for v in self._values(computed)))
        return computed.tag

    def update(self, drained: Drained) -> None:
        """Evaluate, once each, the computed tags of which an input changed.

        All of them where rows were lost: nobody knows whose inputs were among these.
        """
        changed: dict[int, _Computed] = {}
        for source in self._by_input if drained.lost_rows else self._sources(drained):
            changed.update((c.tag, c) for c in self._by_input[source])
        for computed in changed.values():
            self._evaluate(computed, drained.batches[-1].server_time)

    def _sources(self, drained: Drained) -> Iterator[int]:
        for batch in drained.batches:
            yield from self._by_input.keys() & set(batch.index.tolist())

    def _values(self, computed: _Computed) -> list[TagValue]:
        values = (self.table.read(name) for name in computed.inputs)
        return [value._replace(value=plain_value(value.value)) for value in values]

    def _evaluate(self, computed: _Computed, server_time: int) -> None:
        inputs = self._values(computed)
        worst = max((value.status for value in inputs), key=lambda code: code >> 30)
        newest = max(value.source_time for value in inputs)
        if status.is_bad(worst) or any(value.value is None for value in inputs):
            self._store(computed, None, worst or status.BAD, newest, server_time)
            return
        try:
            result = self._fitting(computed, computed.function(*(v.value for v in inputs)))
        except Exception as error:  # noqa: BLE001  (a user's function may raise anything)
            self._fail(computed, error)
            self._store(computed, None, status.BAD_INTERNAL_ERROR, newest, server_time)
            return
        computed.failing = False
        self._store(computed, result, worst, newest, server_time)

    def _fitting(self, computed: _Computed, result: Any) -> Any:
        return float(result) if self.table.info(computed.tag).is_number else result

    def _fail(self, computed: _Computed, error: Exception) -> None:
        if not computed.failing:
            _log.error(
                "a computed tag's function failed",
                exc_info=error,
                extra={"tag": computed.name, "inputs": list(computed.inputs)},
            )
        computed.failing = True

    def _store(
        self, computed: _Computed, value: Any, code: int, source_time: int, server_time: int
    ) -> None:
        number = self.table.info(computed.tag).is_number and value is not None
        self.table.apply(
            np.array([computed.tag], np.int32),
            np.array([value if number else np.nan]),
            np.array([code], np.uint32),
            np.array([source_time], np.int64),
            server_time,
            {} if number or value is None else {0: value},
        )
