"""Modbus requests over one TCP connection, by pymodbus: Modbus TCP, or RTU frames on a socket.

Modbus Application Protocol V1.1b3 (functions 03, 04, 16; exception codes in section 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.framer import FramerRTU, FramerSocket, FramerType
from pymodbus.pdu import DecodePDU, ModbusPDU

from biogate_adapters import status
from biogate_adapters.contract import AdapterError
from biogate_adapters.link import Gap, LinkSettings
from biogate_adapters.modbus.log import quiet_pymodbus

ILLEGAL_ADDRESS, ILLEGAL_VALUE = 2, 3
_RETRIED = frozenset({4, 5, 6})
_GATEWAY = frozenset({0x0A, 0x0B})
_BUSY_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class _Meaning:
    text: str
    read_status: int
    write_status: int


_EXCEPTIONS: dict[int, _Meaning] = {
    1: _Meaning("illegal function", status.BAD_NOT_SUPPORTED, status.BAD_NOT_SUPPORTED),
    2: _Meaning(
        "illegal data address", status.BAD_CONFIGURATION_ERROR, status.BAD_CONFIGURATION_ERROR
    ),
    3: _Meaning("illegal data value", status.BAD_OUT_OF_RANGE, status.BAD_OUT_OF_RANGE),
    4: _Meaning("server device failure", status.BAD_DEVICE_FAILURE, status.BAD_DEVICE_FAILURE),
    5: _Meaning("acknowledge", status.UNCERTAIN_LAST_USABLE_VALUE, status.BAD_INVALID_STATE),
    6: _Meaning("server device busy", status.UNCERTAIN_LAST_USABLE_VALUE, status.BAD_INVALID_STATE),
    8: _Meaning("memory parity error", status.BAD_DEVICE_FAILURE, status.BAD_DEVICE_FAILURE),
}
_OTHER = _Meaning("unknown exception", status.BAD_DEVICE_FAILURE, status.BAD_DEVICE_FAILURE)


class RefusedError(Exception):
    """The device answered a request with an exception code."""

    def __init__(self, code: int, request: str) -> None:
        meaning = _EXCEPTIONS.get(code, _OTHER)
        super().__init__(f"exception {code:02X} ({meaning.text}) to {request}")
        self.code = code
        self.read_status = meaning.read_status
        self.write_status = meaning.write_status


class MalformedAnswerError(Exception):
    """The device's answer is well framed, but not an answer to the request."""


class _Frames:
    """Mixin: a frame that cannot be decoded is kept for the error message, not raised.

    pymodbus raises it inside asyncio's protocol callback, which would tear down the connection
    and leave the caller waiting.
    """

    def handleFrame(  # noqa: N802 (pymodbus's name)
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        try:
            return super().handleFrame(data, exp_devid, exp_tid)  # type: ignore[misc,no-any-return]
        except ModbusIOException:
            return len(data), None


class _SocketFrames(_Frames, FramerSocket):
    pass


class _RtuFrames(_Frames, FramerRTU):
    pass


class ModbusLink:
    """One connection to one unit id."""

    def __init__(self, settings: LinkSettings, *, rtu: bool, unit_id: int) -> None:
        self._host, self._port = settings.host, settings.port
        self._timeout_s, self._tries = settings.timeout_s, settings.tries
        self._where = settings.where
        self._gap = Gap(settings.gap_s)
        self._rtu = rtu
        self._unit_id = unit_id
        self._client: AsyncModbusTcpClient | None = None
        self._received = b""
        self._waiting = False

    async def connect(self) -> None:
        """Open the connection. Raises AdapterError when nobody answers there."""
        self.close()
        quiet_pymodbus()
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=FramerType.RTU if self._rtu else FramerType.SOCKET,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._trace_packet,
            trace_connect=self._trace_connect,
        )
        client.ctx.framer = (_RtuFrames if self._rtu else _SocketFrames)(DecodePDU(is_server=False))
        client.set_max_no_responses(self._tries)
        self._client = client
        if not await client.connect():
            self.close()
            raise AdapterError(
                f"{self._where}: no connection (refused, or no answer within "
                f"{self._timeout_s:g} s): is the device on, and are address and port right?",
                status.BAD_NO_COMMUNICATION,
            )

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._client:
            self._client.close()
            self._client = None

    async def read(self, table: str, address: int, count: int) -> list[int]:
        """`count` registers from `address` (as on the wire).

        Raises RefusedError, MalformedAnswerError, or AdapterError when the connection is lost.
        """
        what = f"read of {count} {table} registers from {address}"

        async def send(client: AsyncModbusTcpClient) -> ModbusPDU:
            call = (
                client.read_holding_registers if table == "holding" else client.read_input_registers
            )
            return await call(address, count=count, device_id=self._unit_id)

        def check(answer: ModbusPDU) -> str:
            if answer.function_code != (3 if table == "holding" else 4):
                return f"answer to another function than the {what}"
            if len(answer.registers) != count:
                return f"{len(answer.registers)} registers in the answer to the {what}"
            return ""

        response = await self._request(what, send, check)
        return list(response.registers)

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers with function 16. Raises as `read` does."""
        what = f"write of {len(registers)} registers from {address}"
        echo = (16, address, len(registers))

        async def send(client: AsyncModbusTcpClient) -> ModbusPDU:
            return await client.write_registers(address, registers, device_id=self._unit_id)

        def check(answer: ModbusPDU) -> str:
            echoed = (answer.function_code, answer.address, answer.count) == echo
            return "" if echoed else f"answer that does not echo the {what}"

        await self._request(what, send, check)

    async def _request(
        self,
        what: str,
        send: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]],
        check: Callable[[ModbusPDU], str],
    ) -> ModbusPDU:
        """Ask until there is a good answer, or the tries are used up."""
        for attempt in range(1, self._tries + 1):
            last = attempt == self._tries
            response = await self._try(what, send)
            if response is None:
                problem = ""
                if not last and self._rtu:
                    # An RTU answer carries no transaction id: one that comes late would pass as
                    # the answer to the next request. Let it arrive and be dropped first.
                    await asyncio.sleep(self._timeout_s)
            elif response.isError():
                problem = ""
                if last or response.exception_code not in _RETRIED:
                    raise self._refusal(what, response.exception_code)
                await asyncio.sleep(_BUSY_PAUSE_S)
            elif not (problem := check(response)):
                return response
        if problem:
            raise MalformedAnswerError(problem)
        raise self._silence(what)

    async def _try(
        self, what: str, send: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]]
    ) -> ModbusPDU | None:
        """One try; None when no answer came in time."""
        client = self._client
        if client is None or not client.connected:
            raise AdapterError(f"{self._where}: not connected", status.BAD_NO_COMMUNICATION)
        await self._gap.end()
        self._received = b""
        self._waiting = True
        try:
            return await send(client)
        except ConnectionException as error:
            raise AdapterError(
                f"{self._where}: the connection was closed during the {what}",
                status.BAD_NO_COMMUNICATION,
            ) from error
        except ModbusIOException:
            return None
        except ModbusException as error:
            raise AdapterError(
                f"{self._where}: {what} failed: {error}", status.BAD_COMMUNICATION_ERROR
            ) from error
        finally:
            self._waiting = False
            self._gap.begin()

    def _refusal(self, what: str, code: int) -> Exception:
        if code not in _GATEWAY:
            return RefusedError(code, f"the {what}")
        return AdapterError(
            f"{self._where}: the gateway in front of it says that unit id {self._unit_id} does "
            f"not answer (exception {code:02X} to the {what}): check wiring and unit id",
            status.BAD_NO_COMMUNICATION,
        )

    def _silence(self, what: str) -> AdapterError:
        """Why no answer could be used."""
        if not self._received:
            message = (
                f"{self._where}: no answer to the {what} within {self._timeout_s:g} s, "
                f"{self._tries} tries: check power, wiring and unit id"
            )
            return AdapterError(message, status.BAD_NO_COMMUNICATION)
        position = 0 if self._rtu else 6
        unit_id = self._received[position] if len(self._received) > position else self._unit_id
        sender = ""
        if unit_id != self._unit_id:
            sender = f" (it carries unit id {unit_id}, asked was {self._unit_id})"
        message = (
            f"{self._where}: the answer to the {what} makes no sense{sender}: "
            f"{self._received.hex(' ')}"
        )
        return AdapterError(message, status.BAD_COMMUNICATION_ERROR)

    def _trace_packet(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self._received = data
        return data

    def _trace_connect(self, connected: bool) -> None:
        """Do not let a request wait for its time-out when the peer has hung up."""
        if not connected and self._waiting and self._client:
            future = self._client.ctx.response_future
            if not future.done():
                future.set_exception(ConnectionException("closed by the peer"))
