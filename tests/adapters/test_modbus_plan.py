"""Which registers are read together, and how a refused read is cut down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from biogate_adapters.modbus.plan import Item, ReadPlan, items_of
from biogate_adapters.profile import load_profile
from biogate_adapters.schema_modbus import Span


def holding(address, count):
    return Span("holding", address, count)


def plan_of(*spans, exact=(), max_registers=64, max_gap=4, reprobe_polls=3):
    items = [Item(span, exact=False) for span in spans]
    items += [Item(span, exact=True) for span in exact]
    return ReadPlan(
        items, max_registers=max_registers, max_gap=max_gap, reprobe_polls=reprobe_polls
    )


def spans(requests):
    return [(request.span.address, request.span.count) for request in requests]


def poll(plan, unknown=()):
    """One poll against a device that does not know the `unknown` registers.

    The requests in their order, and the items that were answered.
    """
    asked, answered, pending = [], set(), plan.requests()
    while pending:
        request = pending.pop(0)
        asked.append(request)
        if any(register in unknown for register in range(request.span.address, request.span.end)):
            pending[:0] = plan.refused(request)
        else:
            plan.answered(request)
            answered.update(request.items)
    return asked, answered


def test_neighbours_and_small_gaps_become_one_read():
    plan = plan_of(holding(0, 2), holding(2, 2), holding(8, 1), holding(20, 1))
    assert spans(plan.requests()) == [(0, 9), (20, 1)]


def test_a_read_never_gets_longer_than_the_device_allows():
    plan = plan_of(holding(0, 60), holding(60, 60), holding(120, 10))
    assert spans(plan.requests()) == [(0, 60), (60, 60), (120, 10)]


def test_input_and_holding_registers_are_read_apart():
    plan = plan_of(holding(0, 1), Span("input", 1, 1))
    assert len(plan.requests()) == 2


def test_a_whole_block_is_never_joined_with_anything():
    plan = plan_of(holding(10, 1), exact=[holding(0, 10), holding(11, 10)])
    assert spans(plan.requests()) == [(0, 10), (10, 1), (11, 10)]


# Hamilton: every "start register / number of registers" pair is read as such.
def test_a_hamilton_probe_is_read_by_its_blocks():
    items = items_of(load_profile("hamilton/arc-ph").facts)
    assert [(item.span.address, item.span.count, item.exact) for item in items] == [
        (2089, 10, True),
        (2409, 10, True),
        (4871, 2, True),
    ]


def test_the_reactor_controller_is_read_in_two_requests():
    profile = load_profile("generic/reactor-controller").facts
    plan = ReadPlan(items_of(profile), max_registers=64, max_gap=4)
    assert spans(plan.requests()) == [(0, 16), (100, 8)]


def test_an_unknown_register_is_found_and_left_out():
    plan = plan_of(*(holding(address, 1) for address in range(8)))
    asked, answered = poll(plan, unknown={5})
    assert answered == {0, 1, 2, 3, 4, 6, 7}
    assert spans(asked)[0] == (0, 8)
    asked, answered = poll(plan, unknown={5})
    assert spans(asked) == [(0, 5), (6, 2)]
    assert answered == {0, 1, 2, 3, 4, 6, 7}


def test_an_unknown_register_in_a_gap_costs_no_signal():
    plan = plan_of(holding(0, 2), holding(4, 2))
    assert poll(plan, unknown={3})[1] == {0, 1}
    assert spans(poll(plan, unknown={3})[0]) == [(0, 2), (4, 2)]


def test_a_refused_register_is_tried_again_now_and_then_and_comes_back():
    plan = plan_of(holding(0, 1), holding(1, 1), reprobe_polls=2)
    poll(plan, unknown={1})
    asked = [spans(poll(plan, unknown={1})[0]) for _ in range(4)]
    assert asked == [[(0, 1)], [(0, 1)], [(0, 1), (1, 1)], [(0, 1)]]
    while plan.refused_items:
        poll(plan)
    assert spans(poll(plan)[0]) == [(0, 2)]


def test_when_all_is_known_again_one_read_is_enough_again():
    plan = plan_of(holding(0, 1), holding(2, 1), holding(4, 1))
    poll(plan, unknown={4})
    assert spans(poll(plan, unknown={4})[0]) == [(0, 1), (2, 1)]
    while plan.refused_items:
        poll(plan)
    assert spans(poll(plan)[0]) == [(0, 5)]


@given(
    st.sets(st.integers(0, 60), min_size=1, max_size=25),
    st.sets(st.integers(0, 60), max_size=6),
    st.integers(0, 5),
)
def test_exactly_the_unknown_registers_fail(registers, unknown, max_gap):
    plan = plan_of(*(holding(address, 1) for address in sorted(registers)), max_gap=max_gap)
    addresses = sorted(registers)
    known = {number for number, address in enumerate(addresses) if address not in unknown}
    assert poll(plan, unknown)[1] == known
    assert plan.refused_items == set(range(len(addresses))) - known
    asked, answered = poll(plan, unknown)
    assert answered == known
    assert not any(
        register in unknown
        for request in asked
        for register in range(request.span.address, request.span.end)
    ), "what was learnt in one poll is not asked again in the next"
