"""Log lines: each event once, with its context, in UTC; nothing sent can forge a line."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from biogate import logs


@pytest.fixture(autouse=True)
def untouched_root() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    chatty = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    root.handlers, root.level = handlers, level
    for name, before in chatty.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


log = logging.getLogger("biogate.test")


def test_a_plain_line_has_utc_time_level_logger_message_and_context(capsys) -> None:
    logs.configure()
    record = logging.makeLogRecord({"name": "biogate.devices", "msg": "no answer", "created": 0.0})
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.device, record.error = "AE101", "timed out after 1 s"

    logging.getLogger().handle(record)

    (line,) = lines_of(capsys)
    time, context = "1970-01-01T00:00:00.000Z", 'device=AE101 error="timed out after 1 s"'
    assert line == f"{time} WARNING biogate.devices: no answer {context}"


def test_a_json_line_is_one_object_that_any_reader_takes(capsys) -> None:
    logs.configure(as_json=True)

    log.error(
        "lost %s", "AE101", extra={"tries": 3, "age_s": float("nan"), "address": ("h", 1), "ok": 1}
    )

    (line,) = lines_of(capsys)
    event = json.loads(line, parse_constant=pytest.fail)
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "ERROR",
        "logger": "biogate.test",
        "message": "lost AE101",
        "context": {"tries": 3, "age_s": "nan", "address": ["h", 1], "ok": 1},
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_configuring_twice_still_writes_each_event_once(capsys, as_json: bool) -> None:
    logs.configure(as_json=not as_json)
    logs.configure(as_json=as_json)

    log.info("once")

    assert len(lines_of(capsys)) == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_device_sent_cannot_forge_a_line(capsys, as_json: bool) -> None:
    logs.configure(as_json=as_json)

    log.info("reply %s", "A\n1970 ERROR fake\x1b[2J", extra={"raw": "x\r\n\u2028y"})

    (line,) = lines_of(capsys)
    assert "\x1b" not in line
    if as_json:
        assert json.loads(line)["message"] == "reply A\n1970 ERROR fake\x1b[2J"
        assert json.loads(line)["context"] == {"raw": "x\r\n\u2028y"}


def test_a_traceback_belongs_to_its_event(capsys) -> None:
    logs.configure()
    try:
        raise ValueError("bad register")
    except ValueError:
        log.exception("poll failed")

    first, *rest = lines_of(capsys)
    assert first.endswith("poll failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].strip() == "ValueError: bad register"


def test_a_traceback_in_json_stays_on_the_line(capsys) -> None:
    logs.configure(as_json=True)
    try:
        raise ValueError("bad register")
    except ValueError:
        log.exception("poll failed")

    (line,) = lines_of(capsys)
    assert json.loads(line)["exception"].endswith("ValueError: bad register")


def test_events_below_the_level_and_chatter_of_libraries_are_left_out(capsys) -> None:
    logs.configure(level="INFO")

    log.debug("detail")
    logging.getLogger("asyncua.client").info("chatter")
    logging.getLogger("pymodbus").warning("trouble")

    (line,) = lines_of(capsys)
    assert line.endswith("trouble")


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        logs.configure(level="LOUD")


def test_stderr_is_looked_up_at_each_event_so_that_a_live_table_can_redirect_it(
    monkeypatch,
) -> None:
    logs.configure()
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)

    log.info("to the redirected stream")

    assert screen.getvalue().endswith("to the redirected stream\n")
