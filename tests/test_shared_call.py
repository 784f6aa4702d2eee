"""Work that is shared: every call sees a run that began after it, and runs do not begin too often."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authserver.shared_call import SharedCall


def counting(seconds: float, fails: Callable[[int], bool] = lambda run: False) -> tuple[SharedCall, list[float]]:
    began: list[float] = []

    async def work() -> None:
        began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        if fails(len(began)):
            raise ValueError(len(began))

    return SharedCall(work, seconds), began


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_calls_at_once_share_one_run() -> None:
    async def test() -> None:
        call, began = counting(3600)
        await asyncio.gather(*(call() for _ in range(100)))
        assert len(began) == 1

    run(test)


def test_a_call_during_a_run_sees_the_next_one_which_begins_in_time() -> None:
    async def test() -> None:
        call, began = counting(0.05)
        now = asyncio.get_running_loop().time

        async def called() -> tuple[float, float]:
            at = now()
            await call()
            return at, began[-1]

        calls, first = [], now()
        for _ in range(30):
            calls.append(asyncio.create_task(called()))
            await asyncio.sleep(0.005)
        assert all(seen >= at for at, seen in await asyncio.gather(*calls))
        assert 1 < len(began) <= 1 + (now() - first) / 0.05

    run(test)


def test_a_run_that_fails_fails_for_all_and_the_next_is_another() -> None:
    async def test() -> None:
        call, began = counting(0, lambda run: run == 1)
        failed = await asyncio.gather(*(call() for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in failed] == ["1", "1", "1"]
        await call()
        assert len(began) == 2

    run(test)


@pytest.mark.filterwarnings("error")
def test_whoever_leaves_takes_nothing_from_the_others() -> None:
    async def test() -> None:
        call, began = counting(0, lambda run: True)
        leaves, stays = asyncio.create_task(call()), asyncio.create_task(call())
        await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(ValueError, match="1"):
            await stays
        assert leaves.cancelled() and len(began) == 1

    run(test)


def test_a_run_that_is_cancelled_when_the_loop_ends_is_no_error_of_the_loop() -> None:
    async def test() -> None:
        errors = list[dict[str, Any]]()
        asyncio.get_running_loop().set_exception_handler(lambda _, error: errors.append(error))
        call, began = counting(3600)
        await call()
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        assert waiting.cancelled() and len(began) == 1 and errors == []

    run(test)
