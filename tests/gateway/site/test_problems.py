"""A site file's mistakes: each with its place, its path, what is allowed, and all at once."""

from __future__ import annotations

import pytest

from biogate.site import SiteError

HEAD = """\
biogate: 1
enterprise: Example Bio
site: Pilot Plant
area: Upstream
process_cell: Cell 1
"""
GOOD = (
    HEAD
    + """\
devices:
  AE101: {profile: hamilton/arc-ph, address: tcp://10.0.0.5:502}
  FIC101: {profile: alicat/mfc, address: tcp://10.0.0.6:4001, unit_letter: B}
  RC101: {profile: generic/reactor-controller, address: rtu+tcp://10.0.0.7:502, unit_id: 3}
units:
  BR101:
    functions:
      pH: {kind: compensated_sensor, value: AE101.ph, compensation: AE101.temperature}
      Agitation: {kind: control, current: RC101.agitator_speed, target: RC101.agitator_setpoint}
"""
)


def with_device(**keys: object) -> str:
    """GOOD, with keys of AE101 replaced or added."""
    base = {"profile": "hamilton/arc-ph", "address": "tcp://10.0.0.5:502", **keys}
    body = ", ".join(f"{key}: {value}" for key, value in base.items())
    return GOOD.replace("{profile: hamilton/arc-ph, address: tcp://10.0.0.5:502}", "{" + body + "}")


def with_function(text: str) -> str:
    """GOOD, with one more function `F`."""
    return GOOD + f"      F: {{{text}}}\n"


def test_a_file_without_mistakes_loads(load) -> None:
    site = load(GOOD)

    assert site.devices["FIC101"].unit_letter == "B"
    assert not site.all_simulated
    assert site.opcua.security_policies == ("Basic256Sha256",)
    assert site.opcua.anonymous == "none"


def test_a_file_with_five_different_mistakes_reports_five_located_errors(problems_of) -> None:
    text = GOOD.replace("profile: hamilton/arc-ph", "profile: hamilton/arc-hp")
    text = text.replace("unit_letter: B", "unit_leter: B")
    text = text.replace("compensation: AE101.temperature", "compensation: FIC101.humidity")
    text = text.replace("target: RC101.agitator_setpoint", "target: RC101.agitator_speed")
    text += "opcua: {port: 65536}\n"

    problems = problems_of(text)

    assert [(p.file, p.line, p.column, p.path) for p in problems] == [
        ("site.yaml", 7, 20, "devices.AE101.profile"),
        ("site.yaml", 8, 63, "devices.FIC101.unit_leter"),
        ("site.yaml", 13, 69, "units.BR101.functions.pH.compensation"),
        ("site.yaml", 14, 73, "units.BR101.functions.Agitation.target"),
        ("site.yaml", 15, 15, "opcua.port"),
    ]
    profile, key, signal, target, port = problems
    assert profile.message == "there is no profile hamilton/arc-hp"
    assert "hamilton/visiferm-do" in profile.allowed
    assert profile.hint == "did you mean hamilton/arc-ph?"
    assert key.message == "unknown key unit_leter"
    assert key.hint == "did you mean unit_letter?"
    assert signal.allowed == "mass_flow, flow_setpoint, pressure, gas"
    assert target.message == "RC101.agitator_speed cannot be written, so it cannot be the target"
    assert port.allowed == "at most 65535"


def test_a_problem_prints_on_one_line_as_file_line_column(problems_of) -> None:
    (problem,) = problems_of(GOOD.replace("kind: control", "kind: controll"))

    assert str(problem) == (
        "site.yaml:14:25: units.BR101.functions.Agitation.kind: kind 'controll' is not known; "
        "allowed: sensor, compensated_sensor, control, totalizing_control; did you mean control?"
    )


def test_a_mistake_at_the_top_does_not_hide_one_below(problems_of) -> None:
    text = GOOD.replace("area: Upstream\n", "").replace("AE101.ph,", "AE101.hp,")

    assert [problem.message for problem in problems_of(text)] == [
        "key area is missing",
        "AE101 (hamilton/arc-ph) has no signal hp",
    ]


def test_a_wrong_device_causes_no_second_error_where_it_is_bound(problems_of) -> None:
    for wrong in ("profile: no/such", "profile: 5", "profile: hamilton/arc-ph, poll: 1"):
        text = GOOD.replace("profile: hamilton/arc-ph", wrong)
        assert len(problems_of(text)) == 1


def test_a_missing_file_is_a_problem_like_any_other(tmp_path) -> None:
    from biogate.site import load_site

    with pytest.raises(SiteError, match=r"none\.yaml:1:1: cannot be read: No such file"):
        load_site(tmp_path / "none.yaml")


def test_a_missing_required_key_is_reported_at_the_key_that_lacks_it(problems_of) -> None:
    (problem,) = problems_of(GOOD.replace(", address: tcp://10.0.0.5:502", ""))

    assert (problem.line, problem.column, problem.path) == (7, 3, "devices.AE101")
    assert problem.message == "key address is missing"


@pytest.mark.parametrize("name", ["9AE", "AE 101", "AE.101", "pH/x", "Größe", "A" * 65, "-A"])
def test_names_are_limited_to_what_makes_stable_node_ids(problems_of, name: str) -> None:
    device = problems_of(GOOD + f"      {name}: {{kind: sensor, value: AE101.ph}}\n")

    (problem,) = device
    assert "letters, digits, _ or -" in problem.allowed
    assert (problem.line, problem.column) == (15, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[14, 0]", "low (14) must be less than high (0)"),
        ("[7, 7]", "low (7) must be less than high (7)"),
        ("[.nan, 7]", "nan is a number"),
        ("[0, .inf]", "inf is a number"),
        ("[0, '14']", "'14' is text"),
        ("7", "7 is a number"),
        ("{low: 0}", "a group of keys cannot stand here"),
    ],
)
def test_a_range_is_two_finite_numbers_low_before_high(problems_of, text, message) -> None:
    (problem,) = problems_of(with_function(f"kind: sensor, value: AE101.ph, range: {text}"))

    assert problem.message == message
    assert problem.path.startswith("units.BR101.functions.F.range")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_range_has_neither_fewer_nor_more_than_two_limits(problems_of, count: int) -> None:
    limits = list(range(count))

    (problem,) = problems_of(with_function(f"kind: sensor, value: AE101.ph, range: {limits}"))
    assert problem.message == f"a range is [low, high]; this list has {count} entries"


@pytest.mark.parametrize(
    ("keys", "path", "says"),
    [
        ({"address": "udp://10.0.0.5:502"}, "address", "tcp://HOST:PORT or rtu+tcp://HOST:PORT"),
        ({"address": "tcp://10.0.0.5"}, "address", "write tcp://HOST:PORT"),
        ({"address": "tcp://10.0.0.5:70000"}, "address", "Port out of range 0-65535"),
        ({"address": "tcp://10.0.0.5:0"}, "address", "simulated devices only"),
        ({"address": "5"}, "address", "5 is a number"),
        ({"simulated": "true"}, "address", "this machine only"),
        ({"unit_letter": "A"}, "unit_letter", "use unit_id"),
        ({"unit_id": 256}, "unit_id", "at most 255"),
        ({"unit_id": '"1"'}, "unit_id", "a whole number"),
        ({"unit_id": "true"}, "unit_id", "a whole number"),
        ({"unit_id": 33}, "unit_id", "1 to 32"),
        ({"unit_id": 0}, "unit_id", "1 to 32"),
        ({"address": "tcp://a b:502"}, "address", "tcp://"),
        ({"address": "tcp://user@h:502"}, "address", "tcp://"),
        ({"address": "tcp://h:502/x"}, "address", "tcp://"),
        ({"address": "tcp://:502"}, "address", "tcp://"),
        ({"poll_interval_ms": 5}, "poll_interval_ms", "at least 20"),
        ({"poll_interval_ms": 1.5}, "poll_interval_ms", "a whole number"),
        ({"plant": "BR102"}, "plant", "did you mean BR101?"),
        ({"profile": "./mine.yaml"}, "profile", "cannot be read"),
        ({"profile": "arc-ph"}, "profile", "vendor/model"),
        ({"signals": "{temp: {unit: Q30}}"}, "signals.temp", "did you mean temperature?"),
        ({"signals": "{ph: {unit: °C}}"}, "signals.ph.unit", "UNECE"),
        ({"signals": "{ph: {units: Q30}}"}, "signals.ph.units", "did you mean unit?"),
        ({"signals": "{ph: {write_range: [0, 1]}}"}, "signals.ph.write_range", "be written"),
    ],
)
def test_a_device_that_does_not_fit_its_profile_is_refused(problems_of, keys, path, says) -> None:
    (problem,) = problems_of(with_device(**keys))

    assert problem.path == f"devices.AE101.{path}"
    assert says in str(problem)
    assert problem.line == 7


def test_the_unit_id_of_a_line_protocol_is_a_letter_that_the_device_can_have(problems_of) -> None:
    (problem,) = problems_of(GOOD.replace("unit_letter: B", "unit_id: 2"))
    assert problem.hint == "use unit_letter"

    (problem,) = problems_of(GOOD.replace("unit_letter: B", "unit_letter: Z"))
    assert problem.allowed == "A, B, C, D"


def test_a_string_signal_has_no_unit_and_no_range(problems_of) -> None:
    text = GOOD.replace("unit_letter: B", "signals: {gas: {unit: L2, range: [0, 1]}}")

    assert [problem.path for problem in problems_of(text)] == [
        "devices.FIC101.signals.gas.unit",
        "devices.FIC101.signals.gas.range",
    ]


def test_a_write_range_is_never_wider_than_what_the_device_takes(problems_of) -> None:
    text = GOOD.replace(
        "unit_id: 3", "unit_id: 3, signals: {agitator_setpoint: {write_range: [0, 2000]}}"
    )

    (problem,) = problems_of(text)
    assert problem.allowed == "within [0, 1500]"


def test_two_devices_never_share_an_address_and_unit(problems_of, load) -> None:
    second = "  AE102: {profile: hamilton/visiferm-do, address: TCP, unit_id: 1}\nunits:"
    same = GOOD.replace("units:", second.replace("TCP", "tcp://10.0.0.5:502"))
    (problem,) = problems_of(same)
    assert problem.path == "devices.AE102.address"
    assert problem.message == "tcp://10.0.0.5:502 is already the address of AE101"

    load(same.replace("unit_id: 1", "unit_id: 2"))


def test_two_simulators_cannot_listen_on_one_port_whatever_their_unit_ids(problems_of) -> None:
    text = GOOD.replace("tcp://10.0.0.5:502", "tcp://127.0.0.1:15502, simulated: true").replace(
        "address: rtu+tcp://10.0.0.7:502", "address: tcp://127.0.0.1:15502, simulated: true"
    )

    (problem,) = problems_of(text)
    assert problem.hint == "give one of them another port"


def test_a_simulated_device_says_whose_plant_it_measures_where_there_are_two(problems_of) -> None:
    text = with_device(simulated="true", address="tcp://127.0.0.1:0")
    text += "  BR102: {functions: {pH: {kind: sensor, value: AE101.ph}}}\n"

    (problem,) = problems_of(text)
    assert problem.allowed == "BR101, BR102"
    assert problem.hint == "add plant: ..."


@pytest.mark.parametrize("key", ["simulated: 'yes'", "simulated: true, plant: 7"])
def test_a_key_that_is_wrong_is_not_also_called_missing(problems_of, key: str) -> None:
    text = GOOD.replace("tcp://10.0.0.5:502", f"tcp://127.0.0.1:0, {key}")
    text += "  BR102: {functions: {pH: {kind: sensor, value: AE101.ph}}}\n"

    assert len(problems_of(text)) == 1


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("kind: sensor, value: AE101.status", "add range: [low, high] to the function"),
        ("kind: sensor, value: FIC101.gas, range: [0, 1]", "FIC101.gas is a String"),
        ("kind: sensor, value: AE201.ph", "did you mean AE101?"),
        ("kind: sensor, value: ph", "DEVICE.signal"),
        ("kind: sensor", "key value is missing"),
        ("value: AE101.ph", "key kind is missing"),
        ("kind: sensor, value: AE101.ph, target: AE101.ph", "unknown key target"),
        (
            "kind: control, current: RC101.feed_rate, target: RC101.agitator_setpoint",
            "RC101.agitator_setpoint is already the target of BR101.Agitation",
        ),
        (
            "kind: compensated_sensor, value: AE101.ph, compensation: FIC101.pressure",
            "add range: [low, high] under devices.FIC101.signals.pressure",
        ),
    ],
)
def test_a_binding_that_cannot_play_its_role_is_refused(problems_of, function, says) -> None:
    (problem,) = problems_of(with_function(function))

    assert says in str(problem)
    assert problem.line == 15


def test_a_range_may_come_from_the_profile_the_device_or_the_function(load, catalogue) -> None:
    from biogate.site import plan_site

    for device, function in (
        ("", "range: [0, 9], "),
        ("signals: {mass_flow: {range: [0, 9]}}, ", ""),
    ):
        text = GOOD.replace("unit_letter", device + "unit_letter")
        text += f"      G: {{{function}kind: sensor, value: FIC101.mass_flow}}\n"
        plan = plan_site(load(text), catalogue)
        bound = plan.units["BR101"].functions[-1].bindings["value"].signal
        assert (bound.low, bound.high) == (0.0, 9.0)


def test_a_name_stands_for_one_thing_in_a_plant(problems_of) -> None:
    (problem,) = problems_of(GOOD.replace("  BR101:", "  AE101:"))

    assert problem.message == "AE101 is already the name of a device"


def test_a_function_name_used_twice_is_an_error_that_names_the_first(problems_of) -> None:
    (problem,) = problems_of(GOOD + "      pH: {kind: sensor, value: AE101.ph}\n")

    assert (problem.line, problem.column) == (15, 7)
    assert problem.message == "duplicate key: pH is already given in line 13"


@pytest.mark.parametrize("port", [-1, 65536, "4840.0", "'4840'", "~"])
def test_the_port_is_a_whole_number_up_to_65535(problems_of, port: object) -> None:
    (problem,) = problems_of(GOOD + f"opcua: {{port: {port}}}\n")

    assert problem.path == "opcua.port"


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("security_policies", "[Basic256sha256]", "did you mean Basic256Sha256?"),
        ("security_policies", "[]", ""),
        ("security_policies", "[None, None]", ""),
        ("security_modes", "[SignEncrypt]", "did you mean SignAndEncrypt?"),
        ("anonymous", "Read", "did you mean read?"),
        ("anonymous", "write", ""),
        ("application_uri", "no uri", ""),
        ("host", "", ""),
    ],
)
def test_endpoints_take_known_values_only(problems_of, key, value, hint) -> None:
    (problem,) = problems_of(GOOD + f"opcua: {{{key}: {value}}}\n")

    assert problem.path.startswith(f"opcua.{key}")
    assert problem.hint == hint


@pytest.mark.parametrize("version", ["2", "true", "1.0", "'1'"])
def test_a_file_of_another_format_version_is_refused(problems_of, version: str) -> None:
    (problem,) = problems_of(GOOD.replace("biogate: 1", f"biogate: {version}"))

    assert problem.message.startswith("this biogate reads version 1 of the site file, not ")


def test_the_namespace_is_made_from_the_names_where_none_is_given(load) -> None:
    site = load(GOOD.replace("Pilot Plant", "Größe 2"))

    assert site.namespace_uri == "urn:biogate:example-bio:gr%C3%B6sse-2"
    assert site.application_uri == "urn:biogate:example-bio:gr%C3%B6sse-2:gateway"


def test_a_profile_file_is_found_beside_the_site_file_and_its_mistakes_have_its_name(
    tmp_path, catalogue
) -> None:
    from biogate.site import load_site

    (tmp_path / "mine.yaml").write_text("profile: 1\nprotocol: line\nvendor: [X\n")
    site = tmp_path / "site.yaml"
    site.write_text(GOOD.replace("profile: hamilton/arc-ph", "profile: mine.yaml"))

    with pytest.raises(SiteError) as raised:
        load_site(site, profiles=catalogue)

    own, of_profile = sorted(raised.value.problems, key=lambda problem: -problem.line)
    assert (own.file, own.path) == (str(site), "devices.AE101.profile")
    assert (of_profile.file, of_profile.line, of_profile.column) == (
        str(tmp_path / "mine.yaml"),
        4,
        1,
    )
