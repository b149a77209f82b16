"""Modbus on the wire, byte by byte: the frames worked out in the manuals.

Hamilton pH Arc programmer's manual 624300/05 and VisiFerm RS485 programmer's manual 111004302/04;
Modbus Application Protocol V1.1b3 and Modbus over Serial Line V1.02.
"""

from __future__ import annotations

import pytest

from biogate_adapters import status
from biogate_adapters.contract import AdapterError
from biogate_adapters.factory import create_adapter
from biogate_adapters.link import LinkSettings
from biogate_adapters.modbus.link import MalformedAnswerError, ModbusLink, RefusedError
from biogate_adapters.profile import load_profile, load_profile_file

READ_FIRMWARE = bytes.fromhex("01 03 04 07 00 08 F4 FD")
READ_PMC1 = bytes.fromhex("01 03 08 29 00 0A 16 65")
READ_PMC6 = bytes.fromhex("01 03 09 69 00 0A 16 4D")
READ_QUALITY = bytes.fromhex("01 03 13 07 00 02 71 4E")
READ_NEW_QUALITY = bytes.fromhex("01 03 15 5F 00 06 F1 D6")
PH_ANSWER = bytes.fromhex(
    "01 03 14 10 00 00 00 CD 0C 40 80 00 00 00 00 00 00 00 00 00 00 41 60 77 0D"
)
DO_ANSWER = bytes.fromhex(
    "01 03 14 00 10 00 00 7B C4 41 A8 00 00 00 00 00 00 00 00 CF 8D 42 7B C0 30"
)
TEMPERATURE_ANSWER = bytes.fromhex(
    "01 03 14 00 04 00 00 2A E0 41 D1 00 00 00 00 00 00 C2 20 00 00 43 02 70 E5"
)
EXCEPTION_02 = bytes.fromhex("01 83 02 C0 F1")


def crc(frame):
    """CRC-16 of Modbus over Serial Line V1.02, 6.2.2, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return frame + value.to_bytes(2, "little")


def text_answer(text):
    data = text.encode().ljust(16, b"\0")
    swapped = b"".join(bytes((data[i + 1], data[i])) for i in range(0, 16, 2))
    return crc(bytes([1, 3, 16]) + swapped)


@pytest.fixture
async def rtu_link(scripted):
    device, port = await scripted()
    link = link_to(port, rtu=True)
    await link.connect()
    yield device, link
    link.close()


def link_to(port, *, rtu, tries=1, timeout_s=0.3, unit_id=1):
    settings = LinkSettings("127.0.0.1", port, timeout_s, tries, gap_s=0.0, where="probe")
    return ModbusLink(settings, rtu=rtu, unit_id=unit_id)


@pytest.mark.parametrize(
    ("address", "count", "request_frame"),
    [
        (2089, 10, "01 03 08 29 00 0A 16 65"),
        (2409, 10, "01 03 09 69 00 0A 16 4D"),
        (2087, 2, "01 03 08 27 00 02 76 60"),
        (4735, 8, "01 03 12 7F 00 08 70 AC"),
        (4799, 8, "01 03 12 BF 00 08 70 90"),
        (4871, 2, "01 03 13 07 00 02 71 4E"),
        (5471, 6, "01 03 15 5F 00 06 F1 D6"),
        (1311, 8, "01 03 05 1F 00 08 75 06"),
        (1031, 8, "01 03 04 07 00 08 F4 FD"),
    ],
)
async def test_hamilton_reads_on_the_line(rtu_link, address, count, request_frame):
    device, link = rtu_link
    request = bytes.fromhex(request_frame)
    registers = list(range(0x100, 0x100 + count))
    data = b"".join(register.to_bytes(2, "big") for register in registers)
    device.answers[request] = crc(bytes([1, 3, 2 * count]) + data)
    assert await link.read("holding", address, count) == registers
    assert device.requests == [request]


# VisiFerm manual: available units of PMC1.
async def test_available_units_of_the_visiferm(rtu_link):
    device, link = rtu_link
    device.answers[bytes.fromhex("01 03 08 27 00 02 76 60")] = bytes.fromhex(
        "01 03 04 00 F0 00 80 FB A0"
    )
    assert await link.read("holding", 2087, 2) == [0x00F0, 0x0080]


@pytest.mark.parametrize(
    ("address", "registers", "request_frame", "answer"),
    [
        pytest.param(
            2089,
            [0x0020, 0x0000],
            "01 10 08 29 00 02 04 00 20 00 00 57 D7",
            "01 10 08 29 00 02 92 60",
            id="set PMC1 unit %-sat",
        ),
        pytest.param(
            4287,
            [0x000C, 0x0000, 0x5DEA, 0x0114],
            "01 10 10 BF 00 04 08 00 0C 00 00 5D EA 01 14 21 07",
            "01 10 10 BF 00 04 F4 EE",
            id="login as Administrator",
        ),
        pytest.param(
            4287,
            [0x0030, 0x0000, 0x79CE, 0x00F4],
            "01 10 10 BF 00 04 08 00 30 00 00 79 CE 00 F4 97 E7",
            "01 10 10 BF 00 04 F4 EE",
            id="login as Specialist",
        ),
    ],
)
async def test_hamilton_writes_on_the_line(rtu_link, address, registers, request_frame, answer):
    device, link = rtu_link
    device.answers[bytes.fromhex(request_frame)] = bytes.fromhex(answer)
    await link.write(address, registers)
    assert device.requests == [bytes.fromhex(request_frame)]


async def test_hamilton_exception_04_to_a_write_is_a_device_failure(rtu_link):
    device, link = rtu_link
    request = bytes.fromhex("01 10 08 29 00 02 04 00 20 00 00 57 D7")
    device.answers[request] = bytes.fromhex("01 90 04 4D C3")
    with pytest.raises(RefusedError, match="exception 04") as error:
        await link.write(2089, [0x0020, 0x0000])
    assert error.value.write_status == status.BAD_DEVICE_FAILURE


async def test_hamilton_exception_02_to_a_read_is_a_configuration_error(rtu_link):
    device, link = rtu_link
    device.answers[READ_PMC1] = EXCEPTION_02
    with pytest.raises(RefusedError, match="illegal data address") as error:
        await link.read("holding", 2089, 10)
    assert error.value.read_status == status.BAD_CONFIGURATION_ERROR


async def read_probe(profile, port, **options):
    adapter = create_adapter(profile, f"rtu+tcp://127.0.0.1:{port}", timeout_s=1.0, **options)
    await adapter.connect()
    try:
        batch = await adapter.read()
    finally:
        await adapter.close()
    names = [signal.name for signal in adapter.signals]
    return {
        names[index]: (float(batch.value[row]), int(batch.status[row]))
        for row, index in enumerate(batch.index.tolist())
    }


async def test_ph_4_02503_from_the_vendors_frame(scripted):
    device, port = await scripted()
    device.answers |= {
        READ_FIRMWARE: text_answer("EPHUM034"),
        READ_PMC1: PH_ANSWER,
        READ_PMC6: TEMPERATURE_ANSWER,
        READ_QUALITY: crc(bytes.fromhex("01 03 04 66 66 42 7B")),
    }
    values = await read_probe(load_profile("hamilton/arc-ph"), port)
    assert device.requests == [READ_FIRMWARE, READ_PMC1, READ_PMC6, READ_QUALITY]
    assert values["ph"] == (pytest.approx(4.02503, abs=1e-5), status.GOOD)
    assert values["temperature"] == (pytest.approx(26.14594, abs=1e-5), status.GOOD)
    assert values["status"] == (0, status.GOOD)
    assert values["quality"] == (pytest.approx(62.85), status.GOOD)


async def test_oxygen_21_06043_from_the_vendors_frame(scripted, tmp_path, project):
    """The frame is in %-vol, for which a site would have a profile of its own."""
    shipped = project / "adapters/biogate_adapters/profiles/hamilton/visiferm-do.yaml"
    volume = tmp_path / "visiferm-vol.yaml"
    volume.write_text(
        shipped.read_text().replace("value: 0x20, meaning", "value: 0x10, meaning"),
    )
    device, port = await scripted()
    device.answers |= {
        READ_FIRMWARE: text_answer("ODOUM104"),
        READ_PMC1: DO_ANSWER,
        READ_PMC6: TEMPERATURE_ANSWER,
        READ_NEW_QUALITY: EXCEPTION_02,
    }
    values = await read_probe(load_profile_file(volume), port)
    assert values["do"] == (pytest.approx(21.06043, abs=1e-5), status.GOOD)
    assert values["quality"][1] == status.BAD_CONFIGURATION_ERROR
    values = await read_probe(load_profile("hamilton/visiferm-do"), port)
    assert values["do"][1] == status.BAD_CONFIGURATION_ERROR, "%-vol is not shown as %-sat"
    assert values["temperature"][1] == status.GOOD


# Modbus Messaging on TCP/IP V1.0b, 3.1.3: the MBAP header.
async def test_the_same_read_over_modbus_tcp(scripted):
    device, port = await scripted()
    request = bytes.fromhex("00 01 00 00 00 06 01 03 08 29 00 0A")
    device.answers[request] = bytes.fromhex(
        "00 01 00 00 00 17 01 03 14 10 00 00 00 CD 0C 40 80 00 00 00 00 00 00 00 00 00 00 41 60"
    )
    link = link_to(port, rtu=False)
    await link.connect()
    registers = await link.read("holding", 2089, 10)
    link.close()
    assert device.requests == [request]
    assert registers == [0x1000, 0, 0xCD0C, 0x4080, 0, 0, 0, 0, 0, 0x4160]


async def test_exception_02_over_modbus_tcp(scripted):
    device, port = await scripted()
    device.answers[bytes.fromhex("00 01 00 00 00 06 01 03 08 29 00 0A")] = bytes.fromhex(
        "00 01 00 00 00 03 01 83 02"
    )
    link = link_to(port, rtu=False)
    await link.connect()
    with pytest.raises(RefusedError, match="exception 02"):
        await link.read("holding", 2089, 10)
    link.close()


# --- answers that make no sense -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (crc(bytes.fromhex("02 03 14") + bytes(20)), "carries unit id 2, asked was 1"),
        (PH_ANSWER[:-1] + b"\x00", "makes no sense: 01 03 14"),
        (PH_ANSWER[:9], "makes no sense: 01 03 14 10 00 00 00 cd 0c"),
    ],
    ids=["another unit id", "wrong CRC", "cut short"],
)
async def test_a_nonsense_answer_is_an_error_that_shows_it(scripted, answer, message):
    device, port = await scripted()
    device.answers[READ_PMC1] = answer
    link = link_to(port, rtu=True)
    await link.connect()
    with pytest.raises(AdapterError, match=message) as error:
        await link.read("holding", 2089, 10)
    link.close()
    assert error.value.status == status.BAD_COMMUNICATION_ERROR
    assert "probe" in str(error.value)


async def test_fewer_registers_than_asked_is_malformed(scripted):
    device, port = await scripted()
    device.answers[READ_PMC1] = crc(bytes.fromhex("01 03 02 12 34"))
    link = link_to(port, rtu=True, tries=2)
    await link.connect()
    with pytest.raises(MalformedAnswerError, match="1 registers in the answer to the read of 10"):
        await link.read("holding", 2089, 10)
    link.close()
    assert len(device.requests) == 2, "it was tried again first"


async def test_a_frame_that_cannot_be_decoded_does_not_break_the_connection(scripted, caplog):
    device, port = await scripted()
    request = bytes.fromhex("00 01 00 00 00 06 01 03 00 00 00 01")
    device.answers[request] = bytes.fromhex("00 01 00 00 00 05 01 03 FF 12 34")
    good = bytes.fromhex("00 02 00 00 00 06 01 03 00 00 00 01")
    device.answers[good] = bytes.fromhex("00 02 00 00 00 05 01 03 02 12 34")
    link = link_to(port, rtu=False, tries=2)
    await link.connect()
    assert await link.read("holding", 0, 1) == [0x1234]
    link.close()
    assert not caplog.records, "neither asyncio nor pymodbus logs it"


async def test_silence_is_told_after_the_tries_of_the_profile(scripted):
    device, port = await scripted()
    link = link_to(port, rtu=False, tries=3, timeout_s=0.05)
    await link.connect()
    with pytest.raises(AdapterError, match=r"no answer to the read .* 3 tries") as error:
        await link.read("holding", 0, 1)
    link.close()
    assert error.value.status == status.BAD_NO_COMMUNICATION
    assert len(device.requests) == 3


async def test_a_late_rtu_answer_never_passes_as_the_next_ones(scripted):
    """RTU has no transaction id: were the first try's late answer taken for the second try's, the
    second's would be taken for the next request's, and pH be shown as temperature."""
    device, port = await scripted()
    device.answers |= {
        READ_PMC1: [(0.5, PH_ANSWER), (0.2, PH_ANSWER)],
        READ_PMC6: (0.2, TEMPERATURE_ANSWER),
    }
    link = link_to(port, rtu=True, tries=2, timeout_s=0.4)
    await link.connect()
    await link.read("holding", 2089, 10)
    assert await link.read("holding", 2409, 10) == [
        *(4, 0, 0x2AE0, 0x41D1, 0),
        *(0, 0, 0xC220, 0, 0x4302),
    ]
    link.close()


async def test_a_device_that_hangs_up_is_noticed_at_once(scripted):
    device, port = await scripted()
    device.answers[READ_PMC1] = b"hang up"
    link = link_to(port, rtu=True, timeout_s=30)
    await link.connect()
    with pytest.raises(AdapterError, match="closed during the read") as error:
        await link.read("holding", 2089, 10)
    link.close()
    assert error.value.status == status.BAD_NO_COMMUNICATION


async def test_nobody_listening_is_told_with_the_address(scripted):
    device, port = await scripted()
    await device.stop()
    adapter = create_adapter(load_profile("hamilton/arc-ph"), f"tcp://127.0.0.1:{port}")
    with pytest.raises(AdapterError, match=rf"hamilton/arc-ph at tcp://127.0.0.1:{port}"):
        await adapter.connect()
    await adapter.close()


# Modbus Application Protocol V1.1b3, section 7: exception codes → what a signal shows.
@pytest.mark.parametrize(
    ("code", "shown", "tries"),
    [
        (1, status.BAD_NOT_SUPPORTED, 1),
        (3, status.BAD_OUT_OF_RANGE, 1),
        (4, status.BAD_DEVICE_FAILURE, 2),
        (5, status.UNCERTAIN_LAST_USABLE_VALUE, 2),
        (6, status.UNCERTAIN_LAST_USABLE_VALUE, 2),
    ],
)
async def test_exception_codes_become_status_codes(scripted, code, shown, tries):
    device, port = await scripted()
    device.answers[READ_PMC1] = crc(bytes([1, 0x83, code]))
    link = link_to(port, rtu=True, tries=2)
    await link.connect()
    with pytest.raises(RefusedError) as error:
        await link.read("holding", 2089, 10)
    link.close()
    assert error.value.read_status == shown
    assert len(device.requests) == tries


@pytest.mark.parametrize("code", [0x0A, 0x0B])
async def test_a_gateway_without_the_device_is_a_lost_connection(scripted, code):
    device, port = await scripted()
    device.answers[READ_PMC1] = crc(bytes([1, 0x83, code]))
    link = link_to(port, rtu=True)
    await link.connect()
    with pytest.raises(AdapterError, match="unit id 1 does not answer") as error:
        await link.read("holding", 2089, 10)
    link.close()
    assert error.value.status == status.BAD_NO_COMMUNICATION
