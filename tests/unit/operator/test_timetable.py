"""Due times: the earliest comes first, whatever was set before."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.support.virtual_time import run_virtually

from dharma_operator.timetable import Timetable
from dharma_operator.workqueue import OwnerKey

A, B, C = (OwnerKey("Blueprint", "acme", name) for name in "abc")


def in_virtual_time(scenario):
    def run() -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            await scenario(Timetable(loop.time), loop.time)

        run_virtually(main())

    run.__name__ = scenario.__name__
    return run


@in_virtual_time
async def test_the_earliest_comes_first_and_at_its_time(table, time):
    table.set(A, 30.0)
    table.set(B, 10.0)
    table.set(C, 20.0)
    assert [(await table.next(), round(time(), 3)) for _ in range(3)] == [(B, 10.0), (C, 20.0), (A, 30.0)]
    assert len(table) == 0


@in_virtual_time
async def test_a_new_time_replaces_the_old_one(table, time):
    table.set(A, 5.0)
    table.set(A, 50.0)
    table.set(B, 40.0)
    assert [await table.next(), await table.next()] == [B, A]
    assert time() >= 50.0


@in_virtual_time
async def test_an_earlier_time_wakes_who_waits_for_a_later_one(table, time):
    table.set(A, 1000.0)
    waiting = asyncio.create_task(table.next())
    await asyncio.sleep(1)
    table.set(B, 3.0)
    assert await waiting == B
    assert round(time(), 3) == 3.0


@in_virtual_time
async def test_bringing_forward_never_delays(table, time):
    table.set(A, 5.0)
    table.bring_forward(A, 50.0)
    assert table.when(A) == 5.0
    table.bring_forward(A, 2.0)
    assert table.when(A) == 2.0
    table.bring_forward(B, 9.0)
    assert table.when(B) == 9.0


@in_virtual_time
async def test_what_is_cancelled_does_not_come(table, time):
    table.set(A, 1.0)
    table.set(B, 2.0)
    table.cancel(A)
    assert table.when(A) is None
    assert await table.next() == B


@in_virtual_time
async def test_outdated_entries_do_not_pile_up(table, time):
    for moment in range(10_000):
        table.set(A, 1e6 - moment)
        table.set(B, 1e6 + moment)
    assert len(table._heap) < 200
    assert await table.next() == A


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.floats(0, 100) | st.none()), min_size=1, max_size=40))
def test_it_equals_a_plain_dictionary(steps):
    async def main() -> None:
        loop = asyncio.get_running_loop()
        table = Timetable(loop.time)
        model: dict[OwnerKey, float] = {}
        for key, when in steps:
            if when is None:
                table.cancel(key)
                model.pop(key, None)
            else:
                table.set(key, when)
                model[key] = when
        came = [(await table.next()) for _ in range(len(table))]
        assert sorted(came) == sorted(model)
        assert [model[key] for key in came] == sorted(model.values())

    run_virtually(main())
