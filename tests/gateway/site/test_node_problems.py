"""Mistakes in declared nodes, users and what only a test rig may: each with its place."""

from __future__ import annotations

import pytest

from biogate.site import plan_site

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
nodes:
  skid:
    namespace: urn:acme:skid
    enumerations:
      Mode: [Idle, Running]
    objects:
      Skid:
        variables:
          Batch: {type: String, writable: true}
"""
)
DEVICE = "devices: {AE101: {profile: hamilton/arc-ph, address: tcp://10.0.0.5:502}}\n"
UNIT = "units: {BR101: {functions: {pH: {kind: sensor, value: AE101.ph}}}}\n"


def with_variable(text: str, key: str = "V") -> str:
    """GOOD, with one more variable, in line 15."""
    return GOOD + f"          {key}: {{{text}}}\n"


def with_method(text: str) -> str:
    """GOOD, with a method, in line 16."""
    return GOOD + f"        methods:\n          M: {{{text}}}\n"


def test_a_site_needs_no_device_where_it_declares_nodes(load) -> None:
    site = load(GOOD)

    assert (site.devices, site.units) == ({}, {})
    assert site.all_simulated


def test_a_site_with_nothing_at_all_is_told_what_it_may_have(problems_of) -> None:
    assert [(p.message, p.hint) for p in problems_of(HEAD)] == [
        (
            "key devices is missing",
            "add devices: ..., or nodes: ... for variables without a device",
        ),
        ("key units is missing", "add units: ..., or nodes: ... for variables without a device"),
    ]


def test_an_enumeration_takes_no_name_of_a_built_in_type(problems_of) -> None:
    """Else a variable of that type would silently be another's."""
    (problem,) = problems_of(GOOD.replace("Mode:", "String:"))

    assert problem.path == "nodes.skid.enumerations.String"
    assert "String is a built-in type; choose another name" in str(problem)


def test_a_mistake_in_an_enumeration_is_told_once(problems_of) -> None:
    text = with_variable("type: Mode").replace("[Idle, Running]", "[Idle, Idle]")

    (problem,) = problems_of(text)
    assert problem.path == "nodes.skid.enumerations.Mode"


def test_devices_need_no_unit_beside_nodes_but_units_need_devices(load, problems_of) -> None:
    assert list(load(GOOD + DEVICE).devices) == ["AE101"]

    messages = [problem.message for problem in problems_of(GOOD + UNIT)]
    assert "key devices is missing" in messages


def test_a_simulated_device_needs_a_unit_whose_plant_it_measures(problems_of) -> None:
    text = GOOD + DEVICE.replace("10.0.0.5:502", "127.0.0.1:0, simulated: true")

    (problem,) = problems_of(text)
    assert problem.path == "devices.AE101"
    assert problem.hint == "add units: ..."


@pytest.mark.parametrize(
    ("variable", "path", "says"),
    [
        ("type: Int23", "type", "did you mean Int32?"),
        ("writable: true", "", "key type is missing"),
        ("type: Int32, valu: 1", "valu", "did you mean value?"),
        ("type: Int32, value: x", "value", "a whole number, -2147483648 to 2147483647"),
        ("type: Int32, value: 1.5", "value", "a whole number"),
        ("type: Int32, value: 2147483648", "value", "2147483648 does not fit the type"),
        ("type: Byte, value: [1, 256]", "value[1]", "256 does not fit the type"),
        ("type: UInt16, value: true", "value", "true does not fit the type"),
        ("type: Boolean, value: 1", "value", "true or false"),
        ("type: String, value: 1", "value", "allowed: text"),
        ("type: Float, value: 1e39", "value", "a Float can hold"),
        ("type: Double, value: [[1, 2], [3]]", "value", "differ in length"),
        ("type: Double, value: [[1, x]]", "value[0][1]", "'x' does not fit the type"),
        ("type: DateTime, value: 2026-07-01T12:00:00", "value", "with a time zone"),
        ("type: Guid, value: 7", "value", "72962b91"),
        ("type: ByteString, value: '%'", "value", "Base64"),
        ("type: NodeId, value: ns=2;s=x", "value", "nsu=urn:example"),
        ("type: NodeId, value: i=4294967296", "value", "does not fit the type"),
        ("type: NodeId, value: 'nsu=urn:no;s=x'", "value", "urn:no is no namespace of a section"),
        ("type: Mode, value: Runing", "value", "allowed: Idle, Running"),
        ("type: Int32, value: {a: 1}", "value", "a group of keys does not fit the type"),
        ("type: Int32, value: [1, 2], dimensions: [3]", "value", "allowed: a list of 3 values"),
        ("type: Int32, value: 1, dimensions: [0]", "value", "allowed: a list of any values"),
        ("type: Int32, dimensions: []", "dimensions", "1 to 5 dimensions, not 0"),
        ("type: Int32, dimensions: [-1]", "dimensions[0]", "at least 0"),
        ("type: Int32, dimensions: [1000, 1000]", "dimensions", "at most 100000"),
        ("type: String, unit: L2", "unit", "a String has no unit"),
        ("type: Boolean, range: [0, 1]", "range", "a Boolean has no range"),
        ("type: Double, range: [1, 0]", "range", "must be less than"),
        ("type: Double, write_range: [0, 1]", "write_range", "add writable: true"),
        ("type: Double, unit: °C", "unit", "UNECE"),
        ("type: Double, audited: false", "audited", "no writes that could be audited"),
        ("type: String, source: {kind: counter}", "source", "a counter is a single number"),
        ("type: Double, value: [1], source: {kind: counter}", "source", "a single number"),
        ("type: Int32, source: {kind: counter, step: 0.5}", "source", "whole steps"),
        ("type: Double, source: {kind: count}", "source.kind", "did you mean counter?"),
        ("type: Double, source: {kind: counter, interval: 1}", "source.interval", "interval_ms"),
        ("type: Double, source: {kind: counter, interval_ms: 5}", "source.interval_ms", "20"),
        ("type: Double, source: {kind: counter, step: 0}", "source.step", "more than 0"),
        ("type: Int32, source: {kind: counter}, writable: true", "writable", "cannot be written"),
        ("type: Double, writable: true, raises_event: x", "raises_event", "a whole number"),
        ("type: Int32, raises_event: x", "raises_event", "add writable: true"),
        (
            "type: Int32, writable: true, raises_event: x, write_range: [0, 2000]",
            "write_range",
            "a severity is 1 to 1000",
        ),
        ("type: Int32, repeat: 0", "repeat", "at least 1"),
        ("type: Int32, repeat: 1000000", "repeat", "at most 100000"),
        ("type: Int32, name: a/b", "name", "without /"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(problems_of, variable, path, says) -> None:
    (problem,) = problems_of(with_variable(variable))

    where = "nodes.skid.objects.Skid.variables.V"
    assert problem.path == (f"{where}.{path}" if path else where)
    assert says in str(problem)
    assert problem.line == 15


@pytest.mark.parametrize("key", ["9V", "V.", ".V", "V W", "V/W", "V" * 129, "Größe"])
def test_keys_are_limited_to_what_makes_stable_node_ids(problems_of, key: str) -> None:
    (problem,) = problems_of(with_variable("type: Int32", key))

    assert "letters, digits, _, - or ." in problem.allowed
    assert (problem.line, problem.column) == (15, 11)


@pytest.mark.parametrize(
    ("key", "variable", "says"),
    [
        ("Skid", "type: Int32", "Skid is already the NodeId of objects.Skid"),
        ("Mode", "type: Int32", "Mode is already the NodeId of enumerations.Mode"),
        ("Batc", "type: Int32, name: Batch", "Batch is already the BrowseName of Batch"),
        ("Other.Batch", "type: Int32", "Batch is already the BrowseName of Batch"),
    ],
)
def test_two_nodes_never_share_a_name(problems_of, key: str, variable: str, says: str) -> None:
    (problem,) = problems_of(with_variable(variable, key))

    assert problem.message == says
    assert problem.line == 15


def test_repeated_variables_and_properties_take_node_ids_too(problems_of) -> None:
    text = with_variable("type: Int32, repeat: 10") + "          V7: {type: Int32}\n"
    (problem,) = problems_of(text)
    assert problem.message.startswith("V7 is already the NodeId of objects.Skid.variables.V")

    text = with_variable("type: Int32, range: [0, 1]") + "          V.EURange: {type: Int32}\n"
    (problem,) = problems_of(text)
    assert problem.message.startswith("V.EURange is already the NodeId of")


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("", "", "the method does nothing"),
        ("inputs: {a: {type: Int23}}, function: 'math:sqrt'", ".inputs.a.type", "Int32"),
        ("inputs: {if: {type: Int32}}, function: 'math:sqrt'", ".inputs.if", "another name"),
        ("inputs: {a b: {type: Int32}}, function: 'math:sqrt'", ".inputs.a b", "letter or _"),
        ("outputs: {a: {type: Int32}}", ".outputs.a", "add expression"),
        (
            "inputs: {a: {type: Int32}}, outputs: {a: {type: Int32, expression: a}}",
            ".outputs.a",
            "already the name of an input",
        ),
        (
            "inputs: {speed: {type: Int32}}, outputs: {o: {type: Int32, expression: sped + 1}}",
            ".outputs.o.expression",
            "did you mean speed?",
        ),
        ("outputs: {o: {type: Int32, expression: 1 +}}", ".outputs.o.expression", "no expression"),
        (
            "outputs: {o: {type: Int32, expression: '__import__(\"os\")'}}",
            ".outputs.o.expression",
            "has no place in an expression",
        ),
        (
            "outputs: {o: {type: Int32, expression: '1'}}, function: 'math:sqrt'",
            ".outputs.o.expression",
            "nothing to compute",
        ),
        ("function: math", ".function", "module:function"),
        ("function: 'no_such_module:f'", ".function", "No module named 'no_such_module'"),
        ("function: 'math:squareroot'", ".function", "module math has no squareroot"),
        ("function: 'math:pi'", ".function", "math:pi is no function"),
        ("functoin: 'math:sqrt', outputs: {}", ".functoin", "did you mean function?"),
    ],
)
def test_a_method_that_cannot_be_is_refused(problems_of, method, path, says) -> None:
    first, *_ = problems_of(with_method(method))

    assert first.path == f"nodes.skid.objects.Skid.methods.M{path}"
    assert says in str(first)
    assert first.line == 16


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("urn:acme:skid", "http://opcfoundation.org/UA/"), "belongs to the OPC Foundation"),
        (("urn:acme:skid", "urn:biogate:example-bio:pilot-plant"), "the plant's own nodes"),
        (("urn:acme:skid", "acme"), "a URI"),
        (("Mode: [Idle, Running]", "Mode: [Idle, Idle]"), "stands in the list twice"),
        (("Mode: [Idle, Running]", "Mode: []"), "needs at least one entry"),
    ],
)
def test_a_section_that_cannot_be_is_refused(problems_of, change, says) -> None:
    (problem,) = problems_of(GOOD.replace(*change))

    assert says in str(problem)


def test_sections_differ_in_namespaces_and_in_names_from_devices(problems_of) -> None:
    second = GOOD.split("nodes:\n")[1].replace("  skid:", "  AE101:")
    (name, namespace) = problems_of(GOOD + second + DEVICE)

    assert name.message == "AE101 is already the name of a device"
    assert namespace.message == "urn:acme:skid is already the namespace of section skid"


def test_a_mistake_in_one_variable_does_not_hide_one_in_another(problems_of) -> None:
    text = GOOD + "          V: {type: Int32, value: x}\n          W: {type: Double, uint: L2}\n"

    assert [problem.line for problem in problems_of(text)] == [15, 16]


def test_objects_stand_in_objects_to_any_depth_with_located_mistakes(problems_of) -> None:
    text = GOOD + "        objects: {A: {objects: {B: {objects: {C: {foldr: true}}}}}}\n"

    (problem,) = problems_of(text)
    assert problem.path == "nodes.skid.objects.Skid.objects.A.objects.B.objects.C.foldr"
    assert problem.hint == "did you mean folder?"


def test_the_plan_writes_repeats_out_and_types_values(load, catalogue) -> None:
    text = with_variable("type: Mode, value: Running, repeat: 3", "Unit.State")
    (section,) = plan_site(load(text), catalogue).sections

    assert [(v.key, v.name, v.tag, v.value) for v in section.variables[1:]] == [
        ("Unit.State0", "State0", "skid.Unit.State0", 1),
        ("Unit.State1", "State1", "skid.Unit.State1", 1),
        ("Unit.State2", "State2", "skid.Unit.State2", 1),
    ]


@pytest.mark.parametrize(
    ("users", "path", "says"),
    [
        ("olga: {}", "users.olga", "key roles is missing"),
        ("olga: {roles: []}", "users.olga.roles", "at least one entry"),
        ("olga: {roles: [operator]}", "users.olga.roles[0]", "did you mean Operator?"),
        ("olga: {roles: [Anonymous]}", "users.olga.roles[0]", "is not known"),
        ("olga: {roles: [Operator], pasword: x}", "users.olga.pasword", "unknown key"),
        ("o l: {roles: [Operator]}", "users.o l", "a letter, then"),
        (
            "a-b: {roles: [Operator]}, A_B: {roles: [Operator]}",
            "users.A_B",
            "would both take their password from BIOGATE_PASSWORD_A_B",
        ),
    ],
)
def test_an_account_that_cannot_be_is_refused(problems_of, users, path, says) -> None:
    first, *_ = problems_of(GOOD + f"users: {{{users}}}\n")

    assert first.path == path
    assert says in str(first)


@pytest.mark.parametrize(("key", "value"), [("anonymous", "operate"), ("trust_any_client", "true")])
def test_what_lets_strangers_in_is_refused_beside_a_real_device(
    problems_of, load, key: str, value: str
) -> None:
    text = GOOD + f"opcua: {{{key}: {value}}}\n"
    assert len(load(text).dangers) == 1

    (problem,) = problems_of(text + DEVICE)
    assert problem.path == f"opcua.{key}"
    assert "AE101" in problem.message
    assert "test rigs" in problem.hint
