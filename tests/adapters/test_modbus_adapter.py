"""The Modbus adapter against simulated devices: values, status, failures one by one, writes."""

from __future__ import annotations

import math

import pytest

from biogate_adapters import status
from biogate_adapters.contract import AdapterError
from biogate_adapters.factory import create_adapter
from biogate_adapters.filetime import now_ticks
from biogate_adapters.profile import load_profile, load_profile_file

CONTROLLER = load_profile("generic/reactor-controller")
PH = load_profile("hamilton/arc-ph")


@pytest.fixture
async def connect(simulate):
    """`device, adapter = await connect(profile)`; the device may have another profile."""
    adapters = []

    async def start(profile, device_profile=None, *, rtu=False, **options):
        device, port = await simulate(device_profile or profile, rtu=rtu)
        scheme = "rtu+tcp" if rtu else "tcp"
        adapter = create_adapter(profile, f"{scheme}://127.0.0.1:{port}", **options)
        adapters.append(adapter)
        await adapter.connect()
        return device, adapter

    yield start
    for adapter in adapters:
        await adapter.close()


async def poll(adapter):
    batch = await adapter.read()
    assert len(batch) == len(adapter.signals)
    return {
        adapter.signals[index].name: (float(batch.value[row]), int(batch.status[row]))
        for row, index in enumerate(batch.index.tolist())
    }


@pytest.mark.parametrize("rtu", [False, True])
async def test_every_signal_of_the_controller_is_what_the_plant_has(connect, plant, rtu):
    _, adapter = await connect(CONTROLLER, rtu=rtu)
    values = await poll(adapter)
    assert {code for _, code in values.values()} == {status.GOOD}
    expected = {
        "agitator_speed": 812.5,
        "agitator_setpoint": 800.0,
        "temperature": 36.98,
        "temperature_setpoint": 37.0,
        "jacket_temperature": 38.25,
        "feed_rate": 12.5,
        "feed_setpoint": 12.5,
        "base_rate": 0.0,
        "base_setpoint": 0.0,
        "vessel_weight": 2.125,
        "feed_weight": 0.5571,
        "status": 0b0111,
        "remote": 1.0,
        "agitator_running": 1.0,
        "feed_running": 1.0,
        "base_running": 0.0,
    }
    assert {name: value for name, (value, _) in values.items()} == pytest.approx(expected)


@pytest.mark.parametrize("rtu", [False, True])
async def test_both_probes_are_read_in_either_framing(connect, rtu):
    _, adapter = await connect(PH, rtu=rtu)
    assert (await poll(adapter))["ph"] == (pytest.approx(7.02), status.GOOD)
    _, adapter = await connect(load_profile("hamilton/visiferm-do"), rtu=rtu)
    assert (await poll(adapter))["do"] == (pytest.approx(41.5), status.GOOD)


async def test_the_source_time_is_the_time_of_the_read(connect):
    _, adapter = await connect(PH)
    before = now_ticks()
    batch = await adapter.read()
    assert (batch.source_time >= before).all()
    assert (batch.source_time <= now_ticks()).all()


# The mapping of Hamilton's measurement status bits to OPC UA is a proposal of this project.
@pytest.mark.parametrize(
    ("bits", "code"),
    [
        (0x10, status.BAD_SENSOR_FAILURE),
        (0x12, status.BAD_SENSOR_FAILURE),
        (0x02, status.BAD_OUT_OF_SERVICE),
        (0x01, status.UNCERTAIN_SENSOR_NOT_ACCURATE),
        (0x09, status.UNCERTAIN_SENSOR_NOT_ACCURATE),
        (0x04, status.UNCERTAIN_SENSOR_CALIBRATION),
        (0x08, status.UNCERTAIN_SENSOR_CALIBRATION),
    ],
)
async def test_measurement_status_bits_qualify_the_value(connect, bits, code):
    device, adapter = await connect(PH)
    device.show("status", bits)
    values = await poll(adapter)
    assert values["status"] == (bits, status.GOOD), "the raw word is shown as it is"
    value, shown = values["ph"]
    assert shown == code
    assert math.isnan(value) == status.is_bad(code)
    assert values["temperature"][1] == status.GOOD, "PMC6 has a status of its own"


async def test_minus_999_is_a_sensor_failure_and_never_a_value(connect, plant):
    _, adapter = await connect(PH)
    plant.values["ph"] = math.nan
    value, code = (await poll(adapter))["ph"]
    assert math.isnan(value)
    assert code == status.BAD_SENSOR_FAILURE


async def test_the_controllers_markers_are_sensor_failures(connect, plant):
    _, adapter = await connect(CONTROLLER)
    for quantity in ("temperature_degc", "vessel_weight_kg", "feed_bottle_weight_kg"):
        plant.values[quantity] = math.nan
    values = await poll(adapter)
    for name in ("temperature", "vessel_weight", "feed_weight"):
        assert values[name][1] == status.BAD_SENSOR_FAILURE
        assert math.isnan(values[name][0])
    assert values["agitator_speed"][1] == status.GOOD


async def test_a_bit_of_the_status_word_qualifies_the_signals_it_concerns(connect):
    device, adapter = await connect(CONTROLLER)
    device.show("status", 0x0800)
    values = await poll(adapter)
    assert values["vessel_weight"] == (2.125, status.UNCERTAIN_SENSOR_NOT_ACCURATE)
    assert values["temperature"][1] == status.GOOD
    device.show("status", 0x0200)
    assert (await poll(adapter))["jacket_temperature"][1] == status.BAD_SENSOR_FAILURE


@pytest.fixture
def with_unknown_register(tmp_path, project):
    """The controller's profile with one more signal, at a register that it does not have."""
    shipped = project / "adapters/biogate_adapters/profiles/generic/reactor-controller.yaml"
    extra = """signals:
  ghost:
    data_type: Float
    address: 16
    format: float32
    evidence: own
"""
    file = tmp_path / "ghost.yaml"
    file.write_text(shipped.read_text().replace("signals:\n", extra, 1))
    return load_profile_file(file)


async def test_one_unknown_register_makes_one_bad_signal(connect, with_unknown_register, caplog):
    _, adapter = await connect(with_unknown_register, CONTROLLER)
    for _ in range(3):
        values = await poll(adapter)
        assert values.pop("ghost")[1] == status.BAD_CONFIGURATION_ERROR
        assert {code for _, code in values.values()} == {status.GOOD}
    (told,) = (record for record in caplog.records if record.signals == ["ghost"])
    assert "read of 2 holding registers from 16" in told.error


async def test_a_block_that_is_refused_spoils_only_its_own_signals(connect, tmp_path, project):
    shipped = project / "adapters/biogate_adapters/profiles/hamilton/arc-ph.yaml"
    file = tmp_path / "wrong-quality.yaml"
    file.write_text(
        shipped.read_text().replace("quality: {address: 4872", "quality: {address: 4874")
    )
    _, adapter = await connect(load_profile_file(file), PH)
    values = await poll(adapter)
    assert values["quality"][1] == status.BAD_CONFIGURATION_ERROR
    assert values["ph"][1] == values["temperature"][1] == status.GOOD


async def test_another_probe_than_the_profiles_is_refused_with_its_name(connect):
    with pytest.raises(AdapterError, match="calls itself 'ODOUM104'") as error:
        await connect(PH, load_profile("hamilton/visiferm-do"))
    assert error.value.status == status.BAD_CONFIGURATION_ERROR


async def test_a_probe_set_to_another_unit_is_a_configuration_error(
    connect, tmp_path, project, caplog
):
    shipped = project / "adapters/biogate_adapters/profiles/hamilton/arc-ph.yaml"
    file = tmp_path / "millivolt.yaml"
    file.write_text(shipped.read_text().replace("0x1000, content: unit pH", "0x200000"))
    _, adapter = await connect(PH, load_profile_file(file))
    for _ in range(2):
        values = await poll(adapter)
    assert values["ph"][1] == status.BAD_CONFIGURATION_ERROR
    assert values["temperature"][1] == status.GOOD
    (told,) = caplog.records  # once, not at every poll
    assert told.signals == ["ph"]
    assert "found 0x200000" in told.error


async def test_a_busy_device_keeps_its_last_values_as_uncertain(connect):
    device, adapter = await connect(CONTROLLER, tries=1)
    good = await adapter.read()
    device.faults.busy(2)
    busy = await adapter.read()
    assert set(busy.status.tolist()) == {status.UNCERTAIN_LAST_USABLE_VALUE}
    assert busy.value.tolist() == good.value.tolist()
    assert busy.source_time.tolist() == good.source_time.tolist()
    assert set((await adapter.read()).status.tolist()) == {status.GOOD}


async def test_a_device_busy_from_the_start_has_no_value_yet(connect):
    device, adapter = await connect(CONTROLLER, tries=1)
    device.faults.busy(2)
    assert set((await adapter.read()).status.tolist()) == {status.BAD_WAITING_FOR_INITIAL_DATA}


async def test_a_short_busy_spell_is_bridged_by_the_profiles_tries(connect):
    device, adapter = await connect(CONTROLLER)
    device.faults.busy(1)
    assert set((await adapter.read()).status.tolist()) == {status.GOOD}


async def test_a_device_that_falls_silent_is_a_lost_connection(connect):
    device, adapter = await connect(CONTROLLER, timeout_s=0.02, tries=2)
    device.faults.silent = True
    with pytest.raises(AdapterError, match="no answer") as error:
        await adapter.read()
    assert error.value.status == status.BAD_NO_COMMUNICATION


async def test_a_device_that_goes_away_is_a_lost_connection(connect):
    device, adapter = await connect(CONTROLLER)
    await device.stop()
    with pytest.raises(AdapterError):
        await adapter.read()
    await adapter.close()
    await adapter.close()


def index_of(adapter, name):
    return next(signal.index for signal in adapter.signals if signal.name == name)


async def test_a_written_set_point_is_read_back_from_the_device(connect, plant):
    _, adapter = await connect(CONTROLLER)
    result = await adapter.write(index_of(adapter, "agitator_setpoint"), 650.0)
    assert (result.status, result.value) == (status.GOOD, 650.0)
    assert plant.written == [("stirrer_speed_setpoint_rpm", 650.0)]
    assert (await poll(adapter))["agitator_setpoint"] == (650.0, status.GOOD)


async def test_a_scaled_set_point_is_written_in_the_devices_resolution(connect, plant):
    _, adapter = await connect(CONTROLLER)
    result = await adapter.write(index_of(adapter, "temperature_setpoint"), 36.504)
    assert result.status == status.GOOD
    assert result.value == pytest.approx(36.5)
    assert plant.setpoints["temperature_setpoint_degc"] == pytest.approx(36.5)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("agitator_setpoint", 1500.5, status.BAD_OUT_OF_RANGE),
        ("agitator_setpoint", -0.5, status.BAD_OUT_OF_RANGE),
        ("agitator_setpoint", math.nan, status.BAD_OUT_OF_RANGE),
        ("agitator_setpoint", math.inf, status.BAD_OUT_OF_RANGE),
        ("agitator_setpoint", "fast", status.BAD_TYPE_MISMATCH),
        ("agitator_speed", 100.0, status.BAD_NOT_WRITABLE),
    ],
)
async def test_the_adapter_refuses_what_the_profile_does_not_allow(
    connect, plant, name, value, code
):
    _, adapter = await connect(CONTROLLER)
    result = await adapter.write(index_of(adapter, name), value)
    assert result.status == code
    assert result.message
    assert plant.written == []


async def test_a_device_that_confirms_and_does_not_obey_is_found_out(connect):
    """FC16 echoes what was asked; only reading back tells what the device holds."""
    device, adapter = await connect(CONTROLLER)
    device.show("agitator_setpoint", 800.0)
    result = await adapter.write(index_of(adapter, "agitator_setpoint"), 650.0)
    assert result.status == status.BAD_DEVICE_FAILURE
    assert result.value == 800.0
    assert "holds 800 after writing 650" in result.message


async def test_a_write_that_the_device_refuses_has_its_reason(connect):
    wide = CONTROLLER.with_signals({"agitator_setpoint": {"write_high": 3000}})
    _, adapter = await connect(wide, CONTROLLER)
    result = await adapter.write(index_of(adapter, "agitator_setpoint"), 2500.0)
    assert result.status == status.BAD_OUT_OF_RANGE
    assert "exception 03" in result.message
    assert (await poll(adapter))["agitator_setpoint"][1] == status.GOOD


async def test_a_write_to_a_busy_device_does_not_count_as_done(connect, plant):
    device, adapter = await connect(CONTROLLER, tries=1)
    device.faults.busy(1)
    result = await adapter.write(index_of(adapter, "agitator_setpoint"), 650.0)
    assert result.status == status.BAD_INVALID_STATE
    assert plant.written == []
