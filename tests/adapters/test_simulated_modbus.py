"""The simulated Modbus devices, asked with raw bytes: they answer as the manuals say."""

from __future__ import annotations

import struct

import pytest

from biogate_adapters.profile import load_profile


def crc(frame):
    """CRC-16 of Modbus over Serial Line V1.02, 6.2.2, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return frame + value.to_bytes(2, "little")


def frame(text):
    return bytes.fromhex(text)


def rtu(text):
    return crc(bytes.fromhex(text))


@pytest.fixture
async def ph_probe(simulate, plant):
    plant.values |= {"ph": struct.unpack(">f", frame("4080 CD0C"))[0]}
    return await simulate(load_profile("hamilton/arc-ph"), rtu=True)


# pH Arc manual: pH 4.02503, range 0 to 14.
async def test_the_ph_probe_answers_the_manuals_frame(ph_probe, converse):
    _, port = ph_probe
    expected = frame("01 03 14 10 00 00 00 CD 0C 40 80 00 00 00 00 00 00 00 00 00 00 41 60 77 0D")
    assert await converse(port, frame("01 03 08 29 00 0A 16 65"), len(expected)) == expected


# VisiFerm manual: available units 0x008000F0.
async def test_the_oxygen_probe_answers_the_manuals_frame(simulate, converse):
    _, port = await simulate(load_profile("hamilton/visiferm-do"), rtu=True)
    expected = frame("01 03 04 00 F0 00 80 FB A0")
    assert await converse(port, frame("01 03 08 27 00 02 76 60"), len(expected)) == expected


async def test_functions_03_and_04_show_the_same_registers(ph_probe, converse):
    _, port = ph_probe
    holding = await converse(port, rtu("01 03 08 29 00 0A"), 25)
    input_ = await converse(port, rtu("01 04 08 29 00 0A"), 25)
    assert holding[2:-2] == input_[2:-2]


# Hamilton: text has its first character in the low byte of each register.
async def test_the_firmware_name_has_its_characters_swapped(ph_probe, converse):
    _, port = ph_probe
    answer = await converse(port, frame("01 03 04 07 00 08 F4 FD"), 21)
    assert answer[3:11] == b"PEUH0M43"


# Hamilton: it is not possible to read a part of a block.
@pytest.mark.parametrize(
    "request_text", ["01 03 08 29 00 02", "01 03 08 2B 00 08", "01 03 08 29 00 0B"]
)
async def test_a_part_of_a_block_is_exception_02(ph_probe, converse, request_text):
    _, port = ph_probe
    assert await converse(port, rtu(request_text), 5) == frame("01 83 02 C0 F1")


async def test_registers_that_do_not_exist_are_exception_02(ph_probe, converse):
    _, port = ph_probe
    assert await converse(port, rtu("01 03 00 00 00 01"), 5) == frame("01 83 02 C0 F1")


# Hamilton knows functions 03, 04 and 16 only. The requests are worked examples of the Modbus
# documents: FC06, FC05, FC01, device identification, loop-back test; and one of nobody's.
@pytest.mark.parametrize(
    "request_text",
    [
        "01 06 00 10 00 64 89 E4",
        "01 05 00 00 FF 00 8C 3A",
        "01 01 00 00 00 08 3D CC",
        "01 2B 0E 01 00 70 77",
        "01 08 00 00 12 34 ED 7C",
    ],
)
async def test_a_function_that_the_device_lacks_is_exception_01(ph_probe, converse, request_text):
    _, port = ph_probe
    request = frame(request_text)
    expected = crc(bytes([1, request[1] | 0x80, 1]))
    assert await converse(port, request, 5) == expected


async def test_an_unheard_of_function_is_exception_01_too(ph_probe, simulate, converse):
    _, port = ph_probe
    assert await converse(port, rtu("01 41 DE AD"), 5) == rtu("01 C1 01")
    _, port = await simulate(load_profile("hamilton/arc-ph"))
    assert await converse(port, frame("0007 0000 0002 01 41"), 9) == frame(
        "0007 0000 0003 01 C1 01"
    )


async def test_writing_to_the_probe_is_refused(ph_probe, converse):
    _, port = ph_probe
    request = frame("01 10 08 29 00 02 04 00 20 00 00 57 D7")
    assert await converse(port, request, 5) == rtu("01 90 02")


async def test_another_slaves_request_gets_silence_on_the_line(ph_probe, converse):
    _, port = ph_probe
    assert await converse(port, rtu("02 03 08 29 00 0A"), 0) == b""


async def test_behind_a_gateway_another_slave_is_exception_0b(simulate, converse):
    _, port = await simulate(load_profile("hamilton/arc-ph"))
    answer = await converse(port, frame("0001 0000 0006 02 03 08 29 00 0A"), 9)
    assert answer == frame("0001 0000 0003 02 83 0B")


# Hamilton: a request to address 0 is answered whatever the probe's own address.
async def test_the_probe_answers_the_broadcast_address(ph_probe, converse):
    _, port = ph_probe
    assert (await converse(port, rtu("00 03 08 29 00 0A"), 25))[:3] == frame("00 03 14")


async def test_a_wrong_crc_gets_silence(ph_probe, converse):
    _, port = ph_probe
    assert await converse(port, frame("01 03 08 29 00 0A 16 66"), 0) == b""


async def test_the_tcp_answer_carries_the_requests_transaction_id(simulate, plant, converse):
    plant.values["ph"] = 4.02503
    _, port = await simulate(load_profile("hamilton/arc-ph"))
    answer = await converse(port, frame("00 01 00 00 00 06 01 03 08 29 00 0A"), 29)
    assert answer == frame(
        "00 01 00 00 00 17 01 03 14 10 00 00 00 CD 0C 40 80 00 00 00 00 00 00 00 00 00 00 41 60"
    )


# Hamilton: -999.0 (0xC479C000) means that there is no measurement.
async def test_a_probe_without_a_value_shows_minus_999(ph_probe, plant, converse):
    _, port = ph_probe
    plant.values["ph"] = float("nan")
    answer = await converse(port, frame("01 03 08 29 00 0A 16 65"), 25)
    assert answer[7:11] == frame("C000 C479")


@pytest.fixture
async def controller(simulate):
    return await simulate(load_profile("generic/reactor-controller"))


async def test_the_controller_shows_the_plant_in_its_registers(controller, converse):
    _, port = controller
    answer = await converse(port, frame("0001 0000 0006 01 03 00 00 00 10"), 9 + 32)
    words = struct.unpack(">16H", answer[9:])
    assert words[0] == 0b0111, "remote, agitator running, feed running, base stopped"
    assert struct.unpack(">f", answer[13:17])[0] == 812.5
    assert words[4:6] == (3698, 3825)
    assert struct.unpack(">i", answer[37:41])[0] == 5571


# FC16 of 1300.0 (0x44A28000) to registers 100-101.
SPEED_1300 = "0001 0000 000B 01 10 00 64 00 02 04 44A2 8000"


async def test_a_written_set_point_drives_the_plant(controller, plant, converse):
    _, port = controller
    assert await converse(port, frame(SPEED_1300), 12) == frame("0001 0000 0006 01 10 00 64 00 02")
    assert plant.written == [("stirrer_speed_setpoint_rpm", 1300.0)]
    answer = await converse(port, frame("0002 0000 0006 01 03 00 64 00 02"), 13)
    assert answer[9:] == frame("44A2 8000")


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("0001 0000 000B 01 10 00 64 00 02 04 44FA 0000", 3),  # 2000 rpm: above the limit
        ("0001 0000 000B 01 10 00 64 00 02 04 7FC0 0000", 3),  # NaN
        ("0001 0000 0009 01 10 00 64 00 01 02 44A2", 2),  # half a float
        ("0001 0000 000B 01 10 00 02 00 02 04 44A2 8000", 2),  # a measured value
    ],
)
async def test_a_wrong_write_is_refused_and_moves_nothing(
    controller, plant, converse, request_text, code
):
    _, port = controller
    assert await converse(port, frame(request_text), 9) == frame(f"0001 0000 0003 01 90 0{code}")
    assert plant.written == []


async def test_the_plant_is_brought_to_the_present_before_each_answer(simulate, plant, converse):
    def now():
        plant.values["stirrer_speed_rpm"] += 1.0

    _, port = await simulate(load_profile("generic/reactor-controller"), plant_now=now)
    request = frame("0001 0000 0006 01 03 00 02 00 02")
    speeds = [struct.unpack(">f", (await converse(port, request, 13))[9:])[0] for _ in range(2)]
    assert speeds[1] == speeds[0] + 1.0


async def test_a_busy_device_says_so_as_often_as_told(controller, converse):
    device, port = controller
    device.faults.busy(1)
    request = frame("0001 0000 0006 01 03 00 02 00 02")
    assert await converse(port, request, 9) == frame("0001 0000 0003 01 83 06")
    assert len(await converse(port, request, 13)) == 13


async def test_a_silent_device_stays_connected_and_answers_when_it_is_sound_again(
    controller, converse
):
    device, port = controller
    device.faults.silent = True
    request = frame("0001 0000 0006 01 03 00 02 00 02")
    assert await converse(port, request, 0) == b""
    device.faults.clear()
    assert len(await converse(port, request, 13)) == 13


async def test_what_the_plant_lacks_is_shown_as_no_value_and_told_once(
    simulate, plant, converse, caplog
):
    del plant.values["vessel_weight_kg"], plant.values["feed_bottle_weight_kg"]
    plant.setpoints.clear()
    _, port = await simulate(load_profile("generic/reactor-controller"), name="RC101")
    answer = await converse(port, frame("0001 0000 0006 01 03 00 0C 00 04"), 17)
    assert answer[9:] == frame("7FC0 0000 8000 0000"), "NaN, and the most negative integer"
    missing, idle = caplog.records
    assert (missing.device, missing.signals) == ("RC101", ["vessel_weight", "feed_weight"])
    assert "agitator_setpoint" in idle.signals
    request = frame(SPEED_1300)
    assert await converse(port, request, 12) == frame("0001 0000 0006 01 10 00 64 00 02")


async def test_a_taken_port_is_an_os_error(controller, plant):
    from biogate_adapters.simulators import SimulatedDevice

    _, port = controller
    other = SimulatedDevice(
        load_profile("generic/reactor-controller"), plant, name="RC102", plant_now=lambda: None
    )
    with pytest.raises(OSError, match="RC102 cannot listen"):
        await other.start(port=port)
    await other.stop()


async def test_a_stopped_device_is_gone_and_can_start_again(controller, converse):
    device, port = controller
    await device.stop()
    with pytest.raises(ConnectionRefusedError):
        await converse(port, b"x")
    await device.stop()
    assert await device.start(port=port) == ("127.0.0.1", port)
