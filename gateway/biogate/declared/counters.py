"""Variables that count up by themselves, in step with the clock."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from biogate.declared.values import stored, variant_type
from biogate.declared.variables import DeclaredVariables, columns
from biogate.opcua.ports import StoredValue, StoredWrites
from biogate.opcua.stack import ua
from biogate.site import VariablePlan


@dataclass(slots=True)
class Counters:
    """All counters; those of the same interval count together.

    `store` takes their values, `wall_clock` gives FILETIME ticks.
    """

    variables: DeclaredVariables
    store: Callable[[StoredWrites], None]
    wall_clock: Callable[[], int]
    _groups: dict[int, list[VariablePlan]] = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._groups = defaultdict(list)
        for variable in self.variables:
            if variable.config.source is not None:
                self._groups[variable.config.source.interval_ms].append(variable)

    def start(self) -> None:
        """Begin to count, in the running event loop."""
        self._tasks = [
            asyncio.create_task(self._count(interval_ms / 1000, group), name="counters")
            for interval_ms, group in self._groups.items()
        ]

    async def stop(self) -> None:
        """Stop counting."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _count(self, interval_s: float, group: list[VariablePlan]) -> None:
        """A late step catches up: the value is how many intervals have passed."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        steps = 0
        while True:
            await asyncio.sleep(begun + (steps + 1) * interval_s - loop.time())
            steps = max(steps + 1, int((loop.time() - begun) / interval_s))
            self._set(group, steps)

    def _set(self, group: list[VariablePlan], steps: int) -> None:
        now = self.wall_clock()
        tags = [self.variables.index(variable.tag) for variable in group]
        self.store(columns(tags, list(self._values(group, steps, now))))

    @staticmethod
    def _values(group: list[VariablePlan], steps: int, now: int) -> Iterator[StoredValue]:
        for variable in group:
            value = ua.Variant(counted(variable, steps), variant_type(variable.config.type))
            yield stored(variable, value, now)


def counted(variable: VariablePlan, steps: int) -> float | int:
    """The value after so many steps; a whole number begins again at 0 when its type is full."""
    source = variable.config.source
    assert source is not None
    if not variable.type.whole:
        return float(variable.value + steps * source.step)
    assert variable.type.limits is not None
    value = int(variable.value) + steps * int(source.step)
    _, largest = variable.type.limits
    return value if value <= largest else value % (largest + 1)
