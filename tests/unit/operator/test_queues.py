"""Queues: one look at a time for each object, until it succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.sidecars import eventually
from varflow.errors import ObjectConflict, StoreUnavailable
from varflow_operator.queues import Queue

Work = Callable[[str], Awaitable[float | None]]


@contextlib.asynccontextmanager
async def running(work: Work, *, workers: int = 4) -> AsyncIterator[Queue[str]]:
    queue = Queue(work, name="Thing", workers=workers)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_requests_that_wait_are_one() -> None:
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)

    async with running(work) as queue:
        for key in ("a", "b", "a", "a"):
            queue.request(key)
        await eventually(lambda: len(seen) == 2)
    assert sorted(seen) == ["a", "b"]


async def test_an_object_is_worked_on_once_at_a_time_and_again_if_asked_meanwhile() -> None:
    looks = 0
    busy = 0
    gate = asyncio.Event()

    async def work(key: str) -> None:
        nonlocal looks, busy
        busy += 1
        assert busy == 1
        looks += 1
        await gate.wait()
        busy -= 1

    async with running(work) as queue:
        queue.request("a")
        await eventually(lambda: looks == 1)
        queue.request("a")
        queue.request("a")
        gate.set()
        await eventually(lambda: looks == 2 and busy == 0)


async def test_one_that_takes_long_does_not_hold_others_up() -> None:
    seen: list[str] = []

    async def work(key: str) -> None:
        if key == "slow":
            await asyncio.Event().wait()
        seen.append(key)

    async with running(work, workers=2) as queue:
        for key in ("slow", "a", "b"):
            queue.request(key)
        await eventually(lambda: seen == ["a", "b"])


async def test_the_earlier_of_two_times_counts() -> None:
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)

    async with running(work) as queue:
        queue.request("a", delay=1000)
        queue.request("b", delay=0.02)
        queue.request("b", delay=1000)
        queue.request("a", delay=0.01)
        await eventually(lambda: seen == ["a", "b"])


async def test_work_says_when_to_look_again() -> None:
    looks = 0

    async def work(key: str) -> float | None:
        nonlocal looks
        looks += 1
        return 0.01 if looks < 3 else None

    async with running(work) as queue:
        queue.request("a")
        await eventually(lambda: looks == 3)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (StoreUnavailable("away"), logging.WARNING),
        (ObjectConflict("changed"), logging.INFO),
        (ValueError("a fault"), logging.ERROR),
    ],
    ids=["store", "conflict", "fault"],
)
async def test_what_fails_is_done_again_and_others_go_on(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    looks: list[str] = []

    async def work(key: str) -> None:
        looks.append(key)
        if key == "bad" and looks.count("bad") == 1:
            raise error

    async with running(work, workers=1) as queue:
        queue.request("bad")
        queue.request("good")
        await eventually(lambda: looks == ["bad", "good", "bad"])
    assert [it.levelno for it in caplog.records if it.name.endswith("queues")] == [level]


async def test_a_request_does_not_wait_for_the_next_attempt() -> None:
    looks = 0

    async def work(key: str) -> None:
        nonlocal looks
        looks += 1
        if looks < 8:
            queue.request(key)
            raise StoreUnavailable("away")

    async with running(work) as queue:
        queue.request("a")
        await eventually(lambda: looks == 8)
