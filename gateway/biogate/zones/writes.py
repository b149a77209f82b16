"""Writes that a zone asks for, and what of them the core looks at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from biogate.opcua.config import Limits
from biogate.opcua.ports import CommandPort, Receipt, StoredValue, StoredWrites, UnfitValue
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.stack import StatusCodes
from biogate.zones.columns import column
from biogate.zones.extract import Extract, Variable
from biogate.zones.identities import Identities
from biogate.zones.messages import (
    Denied,
    Done,
    MalformedError,
    StatusReply,
    StoredOf,
    WriteSetPoint,
    WriteStored,
    WriteUnaudited,
)
from biogate.zones.receipts import receipt_message
from biogate.zones.stored_checks import checked
from biogate.zones.zone_values import ZoneValues, variants_of

_MOST_ROWS = Limits().max_nodes_per_write


class ForeignError(Exception):
    """The zone names what is none of its own."""


@dataclass(slots=True)
class Writes:
    """The writes of one link."""

    space: AddressSpace
    extract: Extract
    commands: CommandPort
    identities: Identities
    counters: Counter[str]
    values: ZoneValues

    async def write(self, request: WriteSetPoint) -> StatusReply:
        """Write a set-point. Raises ForeignError, NotLoggedInError, MalformedError."""
        tag, _ = self._variable(request.tag, request.node_id)
        value: Any = request.value
        if request.unfit is not None:
            value = UnfitValue(request.unfit.status, request.unfit.text)
        elif value is None:
            raise MalformedError("a write without a value")
        return await self._command(self.commands.write, request, tag, value)

    async def write_stored(self, request: WriteStored) -> StatusReply:
        """Write a stored Variable. Raises as `write`."""
        tag, variable = self._variable(request.tag, request.node_id)
        value: StoredValue | UnfitValue
        if request.unfit is not None:
            value = UnfitValue(request.unfit.status, request.unfit.text)
        elif request.stored is not None:
            value = checked(self.space, *variable, await self._stored(request.stored))
        else:
            raise MalformedError("a write without a value")
        return await self._command(self.commands.write_stored, request, tag, value)

    async def _stored(self, write: StoredOf) -> StoredValue:
        held = None if write.held is None else (await self.values.decoded([write.held]))[0]
        return StoredValue(write.value, write.status, write.source_time, held)

    def write_unaudited(self, request: WriteUnaudited) -> Done | Denied:
        """Write unaudited Variables: nobody's name is on that, so nobody is asked for.

        None is written where one does not fit. Raises ForeignError where one is not the zone's,
        or not unaudited.
        """
        size = len(request.index) // 4
        if size > _MOST_ROWS:
            raise MalformedError(f"an unaudited write of {size} values")
        index = column(request.index, np.int32, size)
        tags = self.extract.tags.core_tags(index)
        if tags is None:
            raise ForeignError("a tag of an unaudited write")
        writes = StoredWrites(
            tags,
            column(request.value, np.float64, size),
            column(request.status, np.uint32, size),
            column(request.source_time, np.int64, size),
            dict(zip(request.variants, variants_of(request.variants.values()), strict=True)),
        )
        if not self.extract.unaudited.issuperset(tags.tolist()):
            raise ForeignError("an unaudited write of what is audited")
        if writes.objects or not self.extract.plain[index].all():
            unfit = sum(not self._fits(writes, row) for row in range(size))
            self.counters["unfit"] += unfit
            if unfit:
                return Denied(request.id, StatusCodes.BadTypeMismatch, f"{unfit} values do not fit")
        if size:
            self.commands.write_unaudited(writes)
        return Done(request.id)

    def _fits(self, writes: StoredWrites, row: int) -> bool:
        tag = int(writes.tag[row])
        write = StoredValue(
            float(writes.value[row]),
            int(writes.status[row]),
            int(writes.source_time[row]),
            writes.objects.get(row),
        )
        variables = self.extract.variables[tag].values()
        found = (checked(self.space, *variable, write) for variable in variables)
        return not any(isinstance(each, UnfitValue) for each in found)

    def _variable(self, tag: int, node_id: str) -> tuple[int, Variable]:
        """The core's tag and the Variable that a request names. Raises ForeignError."""
        core = self.extract.tags.core_tag(tag)
        variable = self.extract.variables.get(-1 if core is None else core, {}).get(node_id)
        if core is None or variable is None:
            raise ForeignError(f"tag {tag} as {node_id:.100}")
        return core, variable

    async def _command(
        self, command: Callable[..., Awaitable[int]], request: Any, tag: int, value: Any
    ) -> StatusReply:
        receipts: list[Receipt] = []
        wanted = {"on_record": receipts.append} if request.receipt else {}
        status = await command(
            self.identities.subject(request.subject),
            tag,
            request.node_id,
            value,
            client_audit_entry_id=request.client_audit_entry_id,
            **wanted,
        )
        return StatusReply(request.id, status, receipt_message(receipts))
