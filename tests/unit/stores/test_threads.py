"""Calls in threads and what cancelling them means (stores/threads.py)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from varflow.errors import StoreUnavailable
from varflow.variables.stores.threads import Stop, Threads


@pytest_asyncio.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads("test", limit=2)
    threads.open()
    yield threads
    await threads.close()


def fail() -> None:
    raise LookupError("from the thread")


async def test_a_result_comes_back(threads: Threads) -> None:
    assert await threads.run(threading.get_ident) != threading.get_ident()


async def test_an_error_comes_back(threads: Threads) -> None:
    with pytest.raises(LookupError, match="from the thread"):
        await threads.run(fail)
    assert await threads.run(lambda: 1) == 1


async def test_no_more_threads_run_than_allowed(threads: Threads) -> None:
    running = [0]
    most = [0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.001)
        with lock:
            running[0] -= 1

    await asyncio.gather(*(threads.run(work) for _ in range(20)))
    assert most[0] == 2


async def test_a_cancelled_call_returns_when_its_work_has_ended(threads: Threads) -> None:
    has_begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    may_end = threading.Event()
    has_ended = threading.Event()

    def work() -> None:
        loop.call_soon_threadsafe(has_begun.set)
        may_end.wait(10)
        has_ended.set()

    task = asyncio.create_task(threads.run(work))
    await has_begun.wait()
    for _ in range(3):  # impatience changes nothing
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.01)
        assert not done
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert has_ended.is_set()


async def test_a_cancelled_call_asks_its_work_to_stop(threads: Threads) -> None:
    has_begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop = Stop()

    def work() -> None:
        loop.call_soon_threadsafe(has_begun.set)
        while True:
            stop.check()

    task = asyncio.create_task(threads.run(work, stop=stop))
    await has_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=10)


async def test_closing_waits_for_what_is_under_way(threads: Threads) -> None:
    may_end = threading.Event()
    running = threads.start(lambda: may_end.wait(10))
    closing = asyncio.create_task(threads.close())
    await asyncio.sleep(0)
    assert not closing.done()
    may_end.set()
    await closing
    assert await running.result() is True


async def test_a_closed_pool_takes_no_calls_until_it_is_opened_again(threads: Threads) -> None:
    await threads.close()
    with pytest.raises(StoreUnavailable):
        await threads.run(fail)
    threads.open()
    assert await threads.run(lambda: 1) == 1
