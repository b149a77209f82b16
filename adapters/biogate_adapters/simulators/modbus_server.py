"""A simulated Modbus device on pymodbus's server.

pymodbus answers an unknown unit id with exception 04 and serves functions that the device does
not have; both are put right before its data store is asked.
"""

from __future__ import annotations

import asyncio
import math

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from biogate_adapters.modbus.log import quiet_pymodbus
from biogate_adapters.schema_modbus import ModbusProfile, Span
from biogate_adapters.simulators.faults import Faults
from biogate_adapters.simulators.registers import RegisterImage
from biogate_adapters.simulators.values import DeviceValues

_ANY_UNIT = 0
_READS = {3: "holding", 4: "input"}
_WRITE = 16


class _Refused(ModbusPDU):
    """A request that is answered with an exception, whatever it asks."""

    code = ExcCodes.ILLEGAL_FUNCTION

    @classmethod
    def calculateRtuFrameSize(cls, data: bytes) -> int:  # noqa: N802 (pymodbus's name)
        """On a line a frame ends with silence; here, with what arrived."""
        return len(data)

    async def datastore_update(self, context: object, device_id: int) -> ModbusPDU:
        """The exception."""
        return ExceptionResponse(self.function_code, self.code)


def _refused(function: int, code: ExcCodes) -> type[_Refused]:
    return type(f"Refused{function}", (_Refused,), {"function_code": function, "code": code})


class ModbusDeviceServer:
    """Serves one device's registers: Modbus TCP, or RTU frames on a socket."""

    def __init__(
        self,
        facts: ModbusProfile,
        values: DeviceValues,
        faults: Faults,
        *,
        name: str,
        unit_id: int,
        rtu: bool,
    ) -> None:
        low, high = facts.modbus.unit_ids
        if not low <= unit_id <= high:
            raise ValueError(f"{name}: unit id {unit_id} is not in {low} to {high}")
        self._facts = facts
        self._values = values
        self._faults = faults
        self._name = name
        self._unit_id = unit_id
        self._rtu = rtu
        self._image = RegisterImage(facts, values)
        self._blocks = {facts.block_span(block) for block in facts.blocks}
        tables = {span.table for span in self._image.spans()}
        self._only_table = tables.pop() if len(tables) == 1 else None
        self._image.present()
        self._server: ModbusTcpServer | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that was taken. Raises OSError when it cannot."""
        if self._server:
            raise RuntimeError(f"{self._name} is started already")
        quiet_pymodbus()
        known = self._facts.modbus.functions
        server = ModbusTcpServer(
            SimDevice(id=_ANY_UNIT, simdata=self._simdata(), action=self._action),
            framer=FramerType.RTU if self._rtu else FramerType.SOCKET,
            address=(host, port),
            trace_pdu=self._trace_pdu,  # type: ignore[arg-type]  # None drops the request
            custom_pdu=[
                _refused(function, ExcCodes.ILLEGAL_FUNCTION)
                for function in range(1, 128)
                if function not in known
            ],
        )
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"{self._name} cannot listen on {host}:{port}") from error
        self._server = server
        listener = server.transport
        assert isinstance(listener, asyncio.Server)
        taken: tuple[str, int] = listener.sockets[0].getsockname()[:2]
        return taken

    async def stop(self) -> None:
        """Close the listener and all connections."""
        server, self._server = self._server, None
        if server:
            await server.shutdown()  # type: ignore[no-untyped-call]

    def _simdata(
        self,
    ) -> list[SimData] | tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        """One memory behind functions 03 and 04, or two when the profile uses both tables."""
        tables: dict[str, list[SimData]] = {"holding": [], "input": []}
        for span in self._image.spans():
            tables[span.table].append(
                SimData(span.address, values=[0] * span.count, datatype=DataType.REGISTERS)
            )
        if self._only_table:
            return tables[self._only_table]
        no_bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        return no_bits, no_bits, tables["holding"], tables["input"]

    def _trace_pdu(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU | None:
        """What the device makes of a request: itself, a refusal, or nothing (no answer)."""
        if sending:
            return pdu
        if self._faults.silent:
            return None
        broadcast = pdu.dev_id == 0 and self._facts.modbus.answers_broadcast
        if pdu.dev_id != self._unit_id and not broadcast:
            # On the line nobody answers; in front of it a gateway says so.
            return None if self._rtu else self._refusal(pdu, ExcCodes.GATEWAY_NO_RESPONSE)
        if self._faults.take_busy():
            return self._refusal(pdu, ExcCodes.DEVICE_BUSY)
        return pdu

    def _refusal(self, pdu: ModbusPDU, code: ExcCodes) -> ModbusPDU:
        request = _refused(pdu.function_code, code)()
        request.dev_id = pdu.dev_id
        request.transaction_id = pdu.transaction_id
        return request

    async def _action(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by pymodbus before it reads or writes its `registers`, which begin at `start`."""
        table = self._only_table or _READS.get(function, "holding")
        span = Span(table, address, count)  # type: ignore[arg-type]
        if values is not None:
            return self._write(span, [int(value) for value in values])
        if self._facts.modbus.whole_blocks and span not in self._blocks:
            return ExcCodes.ILLEGAL_ADDRESS
        for (kept_in, register), value in self._image.present().items():
            if kept_in == table:
                registers[register - start] = value
        return None

    def _write(self, span: Span, registers: list[int]) -> ExcCodes | None:
        names = self._image.writable(span)
        if names is None:
            return ExcCodes.ILLEGAL_ADDRESS
        written = {name: self._image.decode(name, span, registers) for name in names}
        for name, value in written.items():
            limits = self._facts.points[name].write
            if limits is None or not (math.isfinite(value) and limits.low <= value <= limits.high):
                return ExcCodes.ILLEGAL_VALUE
        self._values.refresh()
        for name, value in written.items():
            self._values.write(name, value)
        return None
