"""Alicat's ASCII protocol: frames, commands, the simulated controller."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biogate_adapters import status
from biogate_adapters.contract import AdapterError
from biogate_adapters.factory import create_adapter
from biogate_adapters.line.frame import FrameError, parse_frame
from biogate_adapters.line.link import _Lines
from biogate_adapters.profile import load_profile
from biogate_adapters.simulators import SimulatedDevice

MFC = load_profile("alicat/mfc")
POLL = MFC.facts.poll
FRAME = "A +014.70 +025.00 +000.000 +000.000 000.000 Air"


def test_the_usual_frame_of_a_controller():
    frame = parse_frame(FRAME, POLL, "A")
    assert frame.numbers == {
        "pressure": 14.7,
        "temperature": 25.0,
        "volumetric_flow": 0.0,
        "mass_flow": 0.0,
        "setpoint": 0.0,
    }
    assert frame.texts == {"gas": "Air"}
    assert frame.flags == ()


def test_flags_come_after_the_gas():
    frame = parse_frame(FRAME + " MOV LCK", POLL, "A")
    assert frame.texts == {"gas": "Air"}
    assert frame.flags == ("MOV", "LCK")


def test_gases_that_look_like_numbers_are_gases():
    assert (
        parse_frame("A +014.70 +025.00 +0.000 +0.000 0.000 C-25", POLL, "A").texts["gas"] == "C-25"
    )


def test_a_meter_and_a_totaliser_are_told_by_the_count_of_numbers():
    meter = parse_frame("A +014.70 +025.00 +000.000 +001.250 N2", POLL, "A")
    assert "setpoint" not in meter.numbers
    assert meter.numbers["mass_flow"] == 1.25
    total = parse_frame("A +014.70 +025.00 +0.000 +1.250 1.250 0012.3 N2", POLL, "A")
    assert total.numbers["total"] == 12.3


@pytest.mark.parametrize(
    "reply", ["", "A", "B +014.70 +025.00 +0.000 +0.000 0.000 Air", "A +014.70 Air", "A garbage"]
)
def test_what_is_no_frame_of_this_unit_is_an_error_that_shows_it(reply):
    with pytest.raises(FrameError) as error:
        parse_frame(reply, POLL, "A")
    assert repr(reply) in str(error.value)


@given(st.text(max_size=60))
def test_no_reply_breaks_the_parser(text):
    try:
        parse_frame(text, POLL, "A")
    except FrameError:
        pass


# --- the adapter against scripted bytes ---------------------------------------------------------


@pytest.fixture
async def scripted_mfc(scripted):
    device, port = await scripted()
    adapter = create_adapter(MFC, f"tcp://127.0.0.1:{port}", timeout_s=0.3, tries=1)
    await adapter.connect()
    yield device, adapter
    await adapter.close()


async def poll(adapter):
    batch = await adapter.read()
    names = [signal.name for signal in adapter.signals]
    return {
        names[index]: (batch.texts.get(row, float(batch.value[row])), int(batch.status[row]))
        for row, index in enumerate(batch.index.tolist())
    }


def index_of(name):
    return MFC.by_name[name].index


async def test_a_poll_is_the_unit_letter_and_a_carriage_return(scripted_mfc):
    device, adapter = scripted_mfc
    device.answers[b"\x41\x0d"] = b"A +014.70 +025.00 +001.100 +001.000 001.000 N2\r"
    values = await poll(adapter)
    assert device.requests == [b"\x41\x0d"]
    assert values == {
        "mass_flow": (1.0, status.GOOD),
        "flow_setpoint": (1.0, status.GOOD),
        "pressure": (14.7, status.GOOD),
        "temperature": (25.0, status.GOOD),
        "volumetric_flow": (1.1, status.GOOD),
        "gas": ("N2", status.GOOD),
        "flags": ("", status.GOOD),
    }


async def test_a_set_point_of_0_50_on_the_wire_and_its_read_back(scripted_mfc):
    device, adapter = scripted_mfc
    request = bytes.fromhex("41 53 30 2E 35 30 0D")
    device.answers[request] = b"A +014.70 +025.00 +000.000 +000.000 000.500 Air\r"
    result = await adapter.write(index_of("flow_setpoint"), 0.5)
    assert device.requests == [request]
    assert (result.status, result.value) == (status.GOOD, 0.5)


async def test_nul_bytes_in_a_reply_mean_nothing(scripted_mfc):
    device, adapter = scripted_mfc
    device.answers[b"A\r"] = b"\0A +014.70 +02\x005.00 +000.000 +000.000 000.000 Air\0\r"
    assert (await poll(adapter))["temperature"] == (25.0, status.GOOD)


async def test_a_reply_may_come_in_pieces():
    lines = _Lines(b"\r", limit=100)
    lines.data_received(b"nobody asked\r")
    reply = lines.expect()
    for piece in (b"A +01", b"4.70", b"\rA +0"):
        assert not reply.done()
        lines.data_received(piece)
    assert await reply == b"A +014.70"


@pytest.mark.parametrize(
    ("flag", "signal"),
    [
        ("MOV", "mass_flow"),
        ("VOV", "volumetric_flow"),
        ("POV", "pressure"),
        ("TOV", "temperature"),
    ],
)
async def test_an_over_range_flag_makes_its_signal_uncertain(scripted_mfc, flag, signal):
    device, adapter = scripted_mfc
    device.answers[b"A\r"] = f"{FRAME} {flag}\r".encode()
    values = await poll(adapter)
    assert values.pop(signal)[1] == status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
    assert values.pop("flags") == (flag, status.GOOD)
    assert {code for _, code in values.values()} == {status.GOOD}


@pytest.mark.parametrize("flag", ["LCK", "HLD", "ADC", "XYZ"])
async def test_a_flag_of_unconfirmed_meaning_is_shown_and_touches_no_value(
    scripted_mfc, flag, caplog
):
    device, adapter = scripted_mfc
    caplog.set_level("INFO")
    device.answers[b"A\r"] = f"{FRAME} {flag}\r".encode()
    for _ in range(2):
        values = await poll(adapter)
    assert values["flags"] == (flag, status.GOOD)
    assert {code for _, code in values.values()} == {status.GOOD}
    (told,) = (record for record in caplog.records if hasattr(record, "flags"))
    assert told.flags[0].startswith(flag)


async def test_a_meter_has_no_set_point(scripted_mfc):
    device, adapter = scripted_mfc
    device.answers[b"A\r"] = b"A +014.70 +025.00 +000.000 +001.250 N2\r"
    values = await poll(adapter)
    assert values["flow_setpoint"][1] == status.BAD_NOT_SUPPORTED
    assert values["mass_flow"] == (1.25, status.GOOD)
    device.answers[b"AS1.00\r"] = b"A +014.70 +025.00 +000.000 +001.250 N2\r"
    result = await adapter.write(index_of("flow_setpoint"), 1.0)
    assert result.status == status.BAD_NOT_SUPPORTED


async def test_a_question_mark_means_not_understood(scripted_mfc, caplog):
    device, adapter = scripted_mfc
    device.answers |= {b"A\r": b"?\r", b"AS1.00\r": b"?\r"}
    for _ in range(2):
        values = await poll(adapter)
    assert {code for _, code in values.values()} == {status.BAD_NOT_SUPPORTED}
    assert len(caplog.records) == 1
    result = await adapter.write(index_of("flow_setpoint"), 1.0)
    assert result.status == status.BAD_NOT_SUPPORTED
    assert "does not understand 'AS1.00'" in result.message


@pytest.mark.parametrize(
    ("reply", "message", "code"),
    [
        (b"B" + FRAME[1:].encode() + b"\r", "not from unit A", status.BAD_COMMUNICATION_ERROR),
        (b"A +014.70\r", "1 numbers in the reply", status.BAD_COMMUNICATION_ERROR),
        (FRAME.encode(), "without end of line", status.BAD_COMMUNICATION_ERROR),
        (b"A" * 300, "no end of line in 300 bytes", status.BAD_COMMUNICATION_ERROR),
        (None, "no reply to 'A'", status.BAD_NO_COMMUNICATION),
        (b"hang up", "closed", status.BAD_NO_COMMUNICATION),
    ],
)
async def test_nonsense_and_silence_are_errors_with_context(scripted_mfc, reply, message, code):
    device, adapter = scripted_mfc
    device.answers[b"A\r"] = reply
    with pytest.raises(AdapterError, match=message) as error:
        await adapter.read()
    assert error.value.status == code
    assert "alicat/mfc at tcp://127.0.0.1" in str(error.value)


async def test_one_garbled_reply_is_bridged_by_trying_again(scripted):
    device, port = await scripted()
    device.answers[b"A\r"] = [b"A +01#.70\r", FRAME.encode() + b"\r"]
    adapter = create_adapter(MFC, f"tcp://127.0.0.1:{port}", timeout_s=0.3, tries=2)
    await adapter.connect()
    assert (await poll(adapter))["pressure"] == (14.7, status.GOOD)
    await adapter.close()


async def test_a_late_reply_never_passes_as_the_next_ones(scripted):
    device, port = await scripted()
    old = b"A +099.99 +025.00 +000.000 +000.000 000.000 Air\r"
    written = b"A +014.70 +025.00 +000.000 +000.000 001.000 Air\r"
    device.answers |= {b"A\r": [(0.5, old), (0.2, old)], b"AS1.00\r": (0.2, written)}
    adapter = create_adapter(MFC, f"tcp://127.0.0.1:{port}", timeout_s=0.4, tries=2)
    await adapter.connect()
    await adapter.read()
    result = await adapter.write(index_of("flow_setpoint"), 1.0)
    assert (result.status, result.value) == (status.GOOD, 1.0)
    await adapter.close()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (10.01, status.BAD_OUT_OF_RANGE),
        (-0.01, status.BAD_OUT_OF_RANGE),
        (math.nan, status.BAD_OUT_OF_RANGE),
        ("5", status.BAD_TYPE_MISMATCH),
    ],
)
async def test_set_points_outside_the_limits_never_reach_the_wire(scripted_mfc, value, code):
    device, adapter = scripted_mfc
    assert (await adapter.write(index_of("flow_setpoint"), value)).status == code
    assert device.requests == []


async def test_rounding_to_the_devices_step_does_not_cross_the_limit(scripted):
    device, port = await scripted()
    tight = MFC.with_signals({"flow_setpoint": {"write_high": 9.995}})
    adapter = create_adapter(tight, f"tcp://127.0.0.1:{port}", timeout_s=0.3, tries=1)
    await adapter.connect()
    assert (await adapter.write(index_of("flow_setpoint"), 9.9951)).status == (
        status.BAD_OUT_OF_RANGE
    )
    assert device.requests == []
    await adapter.close()


async def test_a_controller_that_keeps_its_old_set_point_is_found_out(scripted_mfc):
    device, adapter = scripted_mfc
    device.answers[b"AS5.00\r"] = FRAME.encode() + b"\r"
    result = await adapter.write(index_of("flow_setpoint"), 5.0)
    assert (result.status, result.value) == (status.BAD_DEVICE_FAILURE, 0.0)
    assert "holds 0 after writing 5" in result.message


# --- the simulated controller, asked with raw bytes ---------------------------------------------


async def test_the_simulated_controller_prints_the_plant(simulate, converse):
    _, port = await simulate(MFC)
    # 2 bar are 29.01 psi; 3.25 standard l/min (1.01325 bar, 25 °C) are 1.630 l/min there.
    expected = b"A +029.01 +022.00 +001.630 +003.250 003.000 Air\r"
    assert await converse(port, b"A\r", len(expected)) == expected


async def test_the_simulated_controller_takes_a_set_point(simulate, plant, converse):
    _, port = await simulate(MFC)
    expected = b"A +029.01 +022.00 +001.630 +003.250 000.500 Air\r"
    assert await converse(port, bytes.fromhex("41 53 30 2E 35 30 0D"), len(expected)) == expected
    assert plant.written == [("gas_flow_setpoint_l_per_min", 0.5)]


@pytest.mark.parametrize("request_bytes", [b"B\r", b"BS1.00\r", b"a\r", b"\r"])
async def test_another_units_request_gets_silence(simulate, converse, request_bytes):
    _, port = await simulate(MFC)
    assert await converse(port, request_bytes, 0) == b""


@pytest.mark.parametrize("request_bytes", [b"AQ\r", b"A?\r", b"AS\r", b"AS99.00\r", b"ASfast\r"])
async def test_an_unknown_command_gets_a_question_mark(simulate, plant, converse, request_bytes):
    _, port = await simulate(MFC)
    assert await converse(port, request_bytes, 2) == b"?\r"
    assert plant.written == []


async def test_the_unit_letter_is_the_devices_own(simulate, converse):
    _, port = await simulate(MFC, unit="C")
    assert (await converse(port, b"C\r", 10)).startswith(b"C +029.01")
    assert await converse(port, b"A\r", 0) == b""


async def test_flags_and_gas_can_be_shown(simulate, converse):
    device, port = await simulate(MFC)
    device.show("gas", "N2")
    device.show("flags", "MOV LCK")
    assert (await converse(port, b"A\r", 55)).endswith(b"003.000 N2 MOV LCK\r")


async def test_a_plant_without_gas_pressure_is_shown_at_the_profiles_default(
    simulate, plant, converse
):
    del plant.values["gas_pressure_bar"], plant.values["gas_temperature_degc"]
    _, port = await simulate(MFC)
    expected = b"A +014.70 +025.00 +003.250 +003.250 003.000 Air\r"
    assert await converse(port, b"A\r", len(expected)) == expected


def test_a_plant_without_gas_flow_cannot_be_a_flow_controllers(plant):
    del plant.values["gas_flow_l_per_min"]
    with pytest.raises(ValueError, match="FIC1: a frame needs volumetric_flow, mass_flow"):
        SimulatedDevice(MFC, plant, name="FIC1", plant_now=lambda: None)


async def test_a_recording_that_has_ended_makes_the_device_fall_silent(simulate, plant, converse):
    _, port = await simulate(MFC)
    plant.values["gas_flow_l_per_min"] = math.nan
    assert await converse(port, b"A\r", 0) == b""


async def test_a_client_that_never_ends_its_line_is_hung_up_on(simulate, converse):
    import asyncio

    _, port = await simulate(MFC)
    with pytest.raises(asyncio.IncompleteReadError):
        await converse(port, b"A" * 1000, 1)


async def test_adapter_and_simulated_controller_agree_on_the_plant(simulate, plant):
    _, port = await simulate(MFC)
    adapter = create_adapter(MFC, f"tcp://127.0.0.1:{port}")
    await adapter.connect()
    assert (await poll(adapter))["mass_flow"] == (3.25, status.GOOD)
    result = await adapter.write(index_of("flow_setpoint"), 4.25)
    assert (result.status, result.value) == (status.GOOD, 4.25)
    assert plant.setpoints["gas_flow_setpoint_l_per_min"] == 4.25
    await adapter.close()
