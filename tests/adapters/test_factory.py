"""Addresses of devices, and which adapter they make."""

from __future__ import annotations

import subprocess
import sys

import pytest

from biogate_adapters.factory import create_adapter, parse_address
from biogate_adapters.profile import load_profile

PH = load_profile("hamilton/arc-ph")
MFC = load_profile("alicat/mfc")


@pytest.mark.parametrize(
    "text", ["tcp://127.0.0.1:502", "rtu+tcp://probe.lan:4001", "tcp://[::1]:5"]
)
def test_an_address_is_read_and_printed_the_same(text):
    assert str(parse_address(text, "modbus")) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("127.0.0.1:502", "tcp://HOST:PORT or rtu"),
        ("serial:///dev/ttyUSB0", "tcp://HOST:PORT or rtu"),
        ("tcp://127.0.0.1", "with a port from 1 to 65535"),
        ("tcp://127.0.0.1:0", "with a port from 1 to 65535"),
        ("tcp://127.0.0.1:70000", "no device address"),
        ("tcp://:502", "with a port"),
        ("tcp://host:502/path", "with a port"),
    ],
)
def test_a_wrong_address_says_what_is_allowed(text, message):
    with pytest.raises(ValueError, match=message) as error:
        create_adapter(PH, text)
    assert repr(text) in str(error.value)


def test_a_line_device_has_no_rtu():
    with pytest.raises(ValueError, match="a line device has an address like tcp://HOST:PORT"):
        create_adapter(MFC, "rtu+tcp://127.0.0.1:4001")


def test_port_0_is_for_simulated_devices():
    assert parse_address("tcp://127.0.0.1:0", "modbus", free_port=True).port == 0


# Hamilton: slave addresses 1 to 32 only.
@pytest.mark.parametrize("unit_id", [0, 33, 247])
def test_a_unit_id_that_the_device_cannot_have_is_refused(unit_id):
    with pytest.raises(ValueError, match="hamilton/arc-ph has 1 to 32"):
        create_adapter(PH, "tcp://127.0.0.1:502", unit_id=unit_id)


@pytest.mark.parametrize("unit", ["", "a", "AB", "@"])
def test_a_unit_letter_that_the_device_cannot_have_is_refused(unit):
    with pytest.raises(ValueError, match="has one letter of"):
        create_adapter(MFC, "tcp://127.0.0.1:4001", unit=unit)


def test_times_and_tries_must_be_above_zero():
    for options in ({"timeout_s": 0.0}, {"tries": 0}):
        with pytest.raises(ValueError, match="must be above 0"):
            create_adapter(PH, "tcp://127.0.0.1:502", **options)


def test_the_modbus_library_is_imported_only_for_a_modbus_device():
    code = (
        "import sys; from biogate_adapters.factory import create_adapter; "
        "from biogate_adapters.profile import load_profile; "
        "create_adapter(load_profile('alicat/mfc'), 'tcp://127.0.0.1:1'); "
        "assert 'pymodbus' not in sys.modules; "
        "create_adapter(load_profile('hamilton/arc-ph'), 'tcp://127.0.0.1:1'); "
        "assert 'pymodbus' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
