"""Sources take turns in having their passwords checked."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biogate_security.login_queue import LoginQueue, TooManyLoginsError


class Line:
    """Logins that note their turn and go on when told."""

    def __init__(self, slots=1, per_source=8, most=32):
        self.queue = LoginQueue(slots, per_source=per_source, most=most)
        self.turns = []
        self.go_on = asyncio.Semaphore(0)

    async def login(self, source):
        async with self.queue.turn(source):
            self.turns.append(source)
            await self.go_on.acquire()

    async def come(self, *sources):
        tasks = [asyncio.create_task(self.login(source)) for source in sources]
        await asyncio.sleep(0)
        return tasks

    async def finish(self, tasks):
        for _ in tasks:
            self.go_on.release()
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_sources_are_served_in_turn():
    line = Line()
    tasks = await line.come("a", "a", "a", "a", "b", "c", "b")
    await line.finish(tasks)
    assert line.turns == ["a", "a", "b", "c", "a", "b", "a"]


async def test_one_source_has_a_bounded_number_of_places():
    line = Line(per_source=2)
    tasks = await line.come("a", "a", "a", "a", "b")
    results = await line.finish(tasks)
    assert [type(result) for result in results].count(TooManyLoginsError) == 1
    assert line.turns.count("b") == 1


async def test_a_newcomer_takes_the_last_place_of_the_longest_line():
    line = Line(most=4)
    tasks = await line.come("x", "a", "a", "a", "a", "b")
    results = await line.finish(tasks)
    assert isinstance(results[4], TooManyLoginsError)
    assert line.turns.count("b") == 1


async def test_where_all_lines_are_short_the_newcomer_is_refused():
    line = Line(most=2)
    tasks = await line.come("x", "a", "b", "c")
    results = await line.finish(tasks)
    assert isinstance(results[3], TooManyLoginsError)


async def test_a_login_that_is_given_up_leaves_no_hole():
    line = Line()
    first, second, third = await line.come("a", "b", "c")
    second.cancel()
    await line.finish([first, third])
    assert line.turns == ["a", "c"]
    assert len(line.queue) == 0
    (again,) = await line.come("a")
    await line.finish([again])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["come", "go", "cancel"]))))
def test_no_slot_is_ever_lost(moves):
    async def run():
        line, tasks = Line(slots=2, per_source=3, most=6), []
        for source, move in moves:
            if move == "come":
                tasks += await line.come(source)
            elif move == "go":
                line.go_on.release()
            elif tasks:
                tasks[len(line.turns) % len(tasks)].cancel()
            await asyncio.sleep(0)
            assert len(line.queue) <= 6
        for _ in range(len(tasks)):
            line.go_on.release()
        await asyncio.gather(*tasks, return_exceptions=True)
        line.turns.clear()
        await line.finish(await line.come("y", "z"))
        assert sorted(line.turns) == ["y", "z"]

    asyncio.run(run())


async def test_a_refused_login_says_so():
    line = Line(per_source=0)
    tasks = await line.come("a", "a")
    await asyncio.wait([tasks[1]])
    with pytest.raises(TooManyLoginsError):
        tasks[1].result()
    await line.finish(tasks[:1])
