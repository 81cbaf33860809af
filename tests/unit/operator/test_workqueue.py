"""Each object stands in the queue once, and never runs twice at a time."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dharma_operator.workqueue import Lane, OwnerKey, WorkQueue

A, B, C = (OwnerKey("Blueprint", "acme", name) for name in "abc")


async def next_key(queue: WorkQueue) -> OwnerKey:
    turn = await asyncio.wait_for(queue.get(), 1)
    assert turn is not None
    return turn.key


async def test_first_in_first_out_and_each_once():
    queue = WorkQueue(lambda: 0.0)
    for key in (A, B, A, C, B):
        queue.add(key)
    assert len(queue) == 3
    assert [await next_key(queue) for _ in range(3)] == [A, B, C]
    assert len(queue) == 0


async def test_what_runs_is_not_given_out_again_until_it_is_done():
    queue = WorkQueue(lambda: 0.0)
    queue.add(A)
    assert await next_key(queue) == A
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert await next_key(queue) == B
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(A)
    turn = await asyncio.wait_for(waiting, 1)
    assert turn is not None
    assert turn.key == A
    queue.done(A)
    assert (len(queue), queue.running) == (0, 1)


async def test_the_wait_is_told():
    now = 5.0
    queue = WorkQueue(lambda: now)
    queue.add(A)
    now = 7.5
    queue.add(A)
    turn = await queue.get()
    assert turn is not None
    assert turn.waited == 2.5


async def test_close_ends_all_who_wait_and_gives_nothing_out():
    queue = WorkQueue(lambda: 0.0)
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add(A)
    queue.close()
    ends = await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert [turn for turn in ends if turn is not None and turn.key != A] == []
    assert await queue.get() is None
    assert await queue.get() is None


async def test_what_happens_now_goes_before_what_is_looked_at_for_the_start():
    queue = WorkQueue(lambda: 0.0)
    for key in (A, B, C):
        queue.add(key, Lane.START)
    queue.add(C)
    queue.add(B, Lane.START)
    assert [await next_key(queue) for _ in range(3)] == [C, A, B]
    assert len(queue) == 0


async def test_moving_up_does_not_make_it_run_twice():
    queue = WorkQueue(lambda: 0.0)
    queue.add(A, Lane.START)
    queue.add(A)
    assert await next_key(queue) == A
    queue.add(A)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(A)
    assert (await waiting).key == A


@given(st.lists(st.tuples(st.sampled_from(["add", "start", "get", "done"]), st.sampled_from([A, B, C])), max_size=60))
def test_every_request_is_followed_by_a_run_that_begins_after_it(steps):
    async def scenario() -> None:
        queue = WorkQueue(lambda: 0.0)
        running: set[OwnerKey] = set()
        owed: set[OwnerKey] = set()
        for step, key in steps:
            if step in {"add", "start"}:
                queue.add(key, Lane.START if step == "start" else Lane.CHANGE)
                owed.add(key)
            elif step == "done" and key in running:
                running.discard(key)
                queue.done(key)
            elif step == "get" and owed - running:
                given_out = await next_key(queue)
                assert given_out in owed
                assert given_out not in running
                owed.discard(given_out)
                running.add(given_out)
        for key in running:
            queue.done(key)
        assert {await next_key(queue) for _ in range(len(owed))} == owed

    asyncio.run(scenario())
