"""Device profiles: what they hold, and how mistakes in them are told."""

from __future__ import annotations

import pytest

from biogate_adapters import status
from biogate_adapters.plant import QUANTITIES
from biogate_adapters.profile import (
    ProfileError,
    available_profiles,
    load_profile,
    load_profile_file,
    profile_json_schema,
)

SMALL = """\
profile: 1
vendor: Example
model: Small
protocol: modbus
modbus: {evidence: own, functions: [3, 16]}
timing: {evidence: own, timeout_ms: 100, tries: 1}
signals:
  level:
    data_type: Float
    evidence: own
    address: 7
    format: float32
"""


@pytest.fixture
def write(tmp_path):
    def write_profile(text):
        file = tmp_path / "small.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_profile


def test_four_profiles_come_with_the_package():
    assert available_profiles() == [
        "alicat/mfc",
        "generic/reactor-controller",
        "hamilton/arc-ph",
        "hamilton/visiferm-do",
    ]


@pytest.mark.parametrize(
    ("name", "signals"),
    [
        ("hamilton/arc-ph", "ph temperature status quality"),
        ("hamilton/visiferm-do", "do temperature status quality"),
        ("alicat/mfc", "mass_flow flow_setpoint pressure temperature volumetric_flow gas flags"),
        (
            "generic/reactor-controller",
            """agitator_speed agitator_setpoint temperature temperature_setpoint jacket_temperature
            feed_rate feed_setpoint base_rate base_setpoint vessel_weight feed_weight status
            remote agitator_running feed_running base_running""",
        ),
    ],
)
def test_site_files_can_rely_on_the_signals_names(name, signals):
    profile = load_profile(name)
    assert [signal.name for signal in profile.signals] == signals.split()
    assert [signal.index for signal in profile.signals] == list(range(len(profile.signals)))


def test_only_set_points_can_be_written_and_all_have_limits():
    for name in available_profiles():
        for signal in load_profile(name).signals:
            assert signal.writable == signal.name.endswith("_setpoint")
            if signal.writable:
                assert signal.write_low < signal.write_high


def test_every_fact_says_how_well_it_is_known():
    for name in available_profiles():
        evidence = load_profile(name).evidence
        assert set(evidence.values()) <= {"A", "B", "C", "T", "U", "own"}
        assert {"timing", *(f"points.{s.name}" for s in load_profile(name).signals)} <= set(
            evidence
        )
    assert load_profile("hamilton/arc-ph").evidence["status_maps.measurement"] == "C"
    assert load_profile("alicat/mfc").evidence["poll.flags.EXH"] == "U"
    assert set(load_profile("generic/reactor-controller").evidence.values()) == {"own"}


def test_every_signal_can_be_simulated_by_a_known_quantity():
    for name in available_profiles():
        for point in load_profile(name).facts.points.values():
            assert point.simulate
            for quantity in (point.simulate.quantity, point.simulate.actuator):
                assert quantity is None or quantity in QUANTITIES


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ProfileError, match=r"did you mean hamilton/arc-ph\?"):
        load_profile("hamilton/arcph")


def test_a_profile_of_ones_own_is_read_from_a_file(write):
    profile = load_profile_file(write(SMALL))
    assert profile.name == "small"
    assert profile.signals[0].name == "level"


def places(error):
    return [(problem.line, problem.column, problem.path) for problem in error.value.problems]


def test_all_mistakes_are_told_with_their_places(write):
    text = (
        SMALL.replace("tries: 1", "tries: none")
        .replace("functions: [3, 16]", "functions: [3], colour: red")
        .replace("format: float32", "format: float")
    )
    with pytest.raises(ProfileError) as error:
        load_profile_file(write(text))
    assert places(error) == [
        (5, 41, "modbus.colour"),
        (6, 49, "timing.tries"),
        (12, 13, "signals.level.format"),
    ]
    assert "modbus.colour: unknown key colour" in str(error.value)
    assert str(error.value).startswith("3 mistakes in the profile\n")


def test_yaml_1_2_holds_in_profiles_too(write):
    profile = load_profile_file(write(SMALL.replace("model: Small", "model: no")))
    assert profile.model == "no"


def test_a_key_that_is_missing_is_told_by_its_name(write):
    with pytest.raises(ProfileError, match="vendor: key vendor is missing"):
        load_profile_file(write(SMALL.replace("vendor: Example\n", "")))


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (("address: 7", "block: b1"), "signals.level.block", "there is no block 'b1'"),
        (("    address: 7\n", ""), "signals.level", "a block .* or an address"),
        (("address: 7", "address: 65535"), "signals.level.address", "outside 0..65535"),
        (("[3, 16]", "[3], whole_blocks: true"), "signals.level.address", "whole blocks"),
        (("format: float32", "format: text"), "signals.level.format", "String signal"),
        (("format: float32", "format: uint16\n    bit: 3"), "signals.level.bit", "Boolean"),
        (
            ("format: float32", "format: float32\n    write: {low: 2, high: 1}"),
            "signals.level.write.high",
            "not above the low limit",
        ),
        (
            ("format: float32", "format: float32\n    simulate: {quantity: joy}"),
            "signals.level.simulate.quantity",
            "'joy' is no plant quantity",
        ),
        (
            ("format: float32", "format: float32\n    status: {map: m, address: 0}"),
            "signals.level.status.map",
            "unknown status map",
        ),
        (
            ("format: float32", "format: float32\n    invalid_status: Bad_Luck"),
            "signals.level.invalid_status",
            "no status code",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(write, change, path, message):
    with pytest.raises(ProfileError, match=message) as error:
        load_profile_file(write(SMALL.replace(*change)))
    assert path in [problem.path for problem in error.value.problems]


def test_duplicate_keys_and_broken_yaml_have_a_place(write):
    with pytest.raises(ProfileError) as error:
        load_profile_file(write(SMALL + "vendor: Twice\n"))
    assert places(error) == [(13, 1, "vendor")]
    with pytest.raises(ProfileError) as error:
        load_profile_file(write("profile: [1\n"))
    assert places(error)[0][0] == 2


def test_a_command_template_reaches_nothing_but_its_fields(write):
    text = (
        "profile: 1\nvendor: E\nmodel: L\nprotocol: line\n"
        'line: {evidence: own, terminator: "\\r"}\n'
        "timing: {evidence: own, timeout_ms: 100, tries: 1}\n"
        'poll: {evidence: own, request: "{unit.__class__}", layouts: [[a]]}\n'
        "signals: {a: {data_type: Float, evidence: own, field: a}}\n"
    )
    with pytest.raises(ProfileError, match="is not known here"):
        load_profile_file(write(text))


def test_a_site_can_say_what_is_set_differently_at_its_device():
    profile = load_profile("alicat/mfc")
    mine = profile.with_signals(
        {"mass_flow": {"unit": "41", "high": 500}, "flow_setpoint": {"write_high": 2.0}}
    )
    assert (mine.by_name["mass_flow"].unit, mine.by_name["mass_flow"].high) == ("41", 500)
    assert mine.by_name["flow_setpoint"].write_high == 2.0
    assert profile.by_name["flow_setpoint"].write_high == 10.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"mass_flaw": {"unit": "41"}}, r"did you mean mass_flow\?"),
        ({"mass_flow": {"color": "red"}}, "color"),
        ({"mass_flow": {"write_high": 3}}, "cannot be written"),
        ({"mass_flow": {"low": 11}}, "not above the low limit"),
        ({"mass_flow": {"high": "a lot"}}, "high"),
    ],
)
def test_a_wrong_override_is_refused(overrides, message):
    with pytest.raises(ProfileError, match=message):
        load_profile("alicat/mfc").with_signals(overrides)


def test_the_json_schema_offers_the_status_names():
    schema = profile_json_schema()
    assert "Bad_SensorFailure" in str(schema)
    assert set(schema["discriminator"]["mapping"]) == {"modbus", "line"}


def test_the_json_schema_tells_an_editor_what_every_key_means():
    silent = [
        (model, key)
        for model, definition in profile_json_schema()["$defs"].items()
        for key, described in definition["properties"].items()
        if "description" not in described
    ]
    assert silent == []


# OPC 10000-6, Annex A.2: the codes that profiles may name.
def test_status_names_are_the_standards():
    from asyncua import ua

    for name, code in status.NAMES.items():
        assert getattr(ua.StatusCodes, name.replace("_", "")) == code
