"""Messages that are kept for Republish are bounded, each subscription's and all together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from biogate.opcua.byte_budget import ByteBudget
from biogate.opcua.subscriptions.retransmission import Retransmissions


def test_the_oldest_goes_when_there_are_too_many_or_they_are_too_large() -> None:
    kept = Retransmissions(3, 100, ByteBudget(1000))
    assert [kept.keep(number, (b"x" * 10,)) for number in range(1, 5)] == [0, 0, 0, 1]
    assert kept.numbers == [2, 3, 4]
    assert kept.keep(5, (b"x" * 85,)) == 2
    assert kept.numbers == [4, 5]


def test_the_last_one_is_kept_though_it_is_large() -> None:
    kept = Retransmissions(3, 100, ByteBudget(1000))
    kept.keep(1, (b"x",))
    assert kept.keep(2, (b"y" * 500,)) == 1
    assert kept.get(2) == (b"y" * 500,)


def test_all_subscriptions_share_what_there_is() -> None:
    budget = ByteBudget(100)
    first, second = Retransmissions(10, 80, budget), Retransmissions(10, 80, budget)
    for number in (1, 2, 3, 4):
        first.keep(number, (b"x" * 20,))
    assert second.keep(1, (b"y" * 20,)) == 0
    assert second.keep(2, (b"y" * 20,)) == 1  # its own oldest goes, never another's
    assert second.keep(3, (b"y" * 90,)) == 2
    assert (first.numbers, second.numbers) == ([1, 2, 3, 4], [])
    first.clear()
    assert second.keep(4, (b"y" * 90,)) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["keep", "acknowledge", "clear"]), st.integers(0, 1),
                  st.integers(0, 60)),
        max_size=60,
    )
)  # fmt: skip
def test_what_is_taken_of_the_budget_is_what_is_kept(steps: list[tuple[str, int, int]]) -> None:
    budget = ByteBudget(200)
    both = [Retransmissions(5, 120, budget), Retransmissions(5, 120, budget)]
    held: list[dict[int, int]] = [{}, {}]
    for number, (step, which, size) in enumerate(steps):
        kept = both[which]
        if step == "keep":
            kept.keep(number, (b"x" * size,))
            held[which][number] = size
        elif step == "acknowledge":
            known = size in kept.numbers
            assert kept.acknowledge(size) == known
        else:
            kept.clear()
        taken = sum(held[i][n] for i in (0, 1) for n in both[i].numbers)
        assert taken == budget.used <= budget.limit
        assert len(kept) <= 5
