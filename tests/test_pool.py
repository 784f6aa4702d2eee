"""The pool's bound: so much room and no more, which comes back exactly once, whatever becomes of the work."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from authserver.domain.errors import Unavailable
from authserver.pool import Pool
from tests.harness.constants import LONG

THREADS, QUEUE = 2, 3


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool("test", THREADS, QUEUE)
    yield pool
    pool.close()


async def room(pool: Pool) -> int:
    """How many the pool takes at once, of more than it should; all of them are done afterwards."""
    held = Event()
    tasks = [asyncio.ensure_future(pool.run(held.wait, 30)) for _ in range(3 * (THREADS + QUEUE))]
    await asyncio.sleep(0)  # each has asked
    refused = sum(task.done() for task in tasks)
    held.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Unavailable) for outcome in outcomes) == refused
    return len(tasks) - refused


async def succeeds(pool: Pool) -> None:
    assert await pool.run(int, "7") == 7


async def fails(pool: Pool) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await pool.run(int, "seven")


async def ends_oddly(pool: Pool) -> None:
    """What it raises is no Exception, or one that no future takes: it ends neither the thread nor anything else."""

    def work(error: BaseException) -> None:
        raise error

    for error in (SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), StopIteration()):
        with pytest.raises(RuntimeError, match=f"^The work ended with {type(error).__name__}\\.$"):
            await asyncio.wait_for(pool.run(work, error), LONG)


async def is_left_under_way(pool: Pool) -> None:
    """The caller goes; the work goes on, and takes its room until it is over."""
    begun, held = Event(), Event()

    def work() -> bool:
        begun.set()
        return held.wait(LONG)

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(begun.wait, 30)
    await cancel(task)
    assert await taken(pool, THREADS - 1 + QUEUE)
    held.set()
    await until_taken(pool, THREADS + QUEUE)


async def is_left_in_the_queue(pool: Pool) -> None:
    held = Event()
    working = [asyncio.ensure_future(pool.run(held.wait, 30)) for _ in range(THREADS)]
    waiting = asyncio.ensure_future(pool.run(held.wait, 30))
    await asyncio.sleep(0)
    await cancel(waiting)
    held.set()
    await asyncio.gather(*working)


async def cancel(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def taken(pool: Pool, many: int) -> bool:
    """Whether so many are taken and the next is refused; they are gone then."""
    held = Event()
    tasks = [asyncio.ensure_future(pool.run(held.wait, 30)) for _ in range(many + 1)]
    await asyncio.sleep(0)
    refused = [task.done() for task in tasks]
    held.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    return refused == [False] * many + [True]


async def until_taken(pool: Pool, many: int) -> None:
    """What its caller has left ends a moment later."""
    for _ in range(500):
        if await taken(pool, many):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the pool never took {many} and no more")


@pytest.mark.parametrize("use", [succeeds, fails, ends_oddly, is_left_under_way, is_left_in_the_queue])
def test_room_comes_back_exactly_once(pool: Pool, use: Callable[[Pool], Awaitable[None]]) -> None:
    async def scenario() -> None:
        assert await room(pool) == THREADS + QUEUE
        for _ in range(THREADS + QUEUE + 1):  # more often than there is room
            await use(pool)
        assert await room(pool) == THREADS + QUEUE

    asyncio.run(scenario())


def test_a_caller_that_has_waited_long_enough_is_told_when_to_come_back() -> None:
    pool, held = Pool("test", threads=1, queue=0, timeout=0.05), Event()

    async def scenario() -> None:
        with pytest.raises(Unavailable, match=r"^The test took longer than 0\.05 s\.$") as late:
            await pool.run(held.wait, 30)
        with pytest.raises(Unavailable, match=r"^The test queue is full\.$") as full:
            await pool.run(int)
        assert late.value.retry_after == full.value.retry_after == 2
        held.set()
        await until_taken(pool, 1)

    try:
        asyncio.run(scenario())
    finally:
        pool.close()


def test_a_closed_pool_has_no_threads_left() -> None:
    pool = Pool("pool to close", THREADS, QUEUE)
    asyncio.run(succeeds(pool))
    pool.close()
    assert "pool to close" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
@pytest.mark.parametrize(("yields", "levels"), [(True, 5), (False, 0)])
def test_only_the_threads_of_a_pool_that_yields_have_a_lower_priority(yields: bool, levels: int) -> None:
    pool, own = Pool("test", 1, QUEUE, yields=yields), os.getpriority(os.PRIO_PROCESS, 0)

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert asyncio.run(pool.run(priority)) == min(19, own + levels)
    pool.close()
