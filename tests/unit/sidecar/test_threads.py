"""Steps in worker threads: none is left behind, and no cancellation is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import aclosing

import pytest

from varflow_sidecar import threads


class Steps:
    """A generator whose second step lasts until a test ends it."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.is_closed = False

    def run(self) -> Generator[int, None, None]:
        try:
            yield 1
            self.has_begun.set()
            self.may_end.wait()
            yield 2
        finally:
            self.is_closed = True


async def test_who_is_cancelled_while_a_stream_is_left_hears_of_it_when_its_step_is_over() -> None:
    steps, leaving = Steps(), asyncio.Event()

    async def leave_early() -> None:
        async with aclosing(threads.iterate(steps.run())) as stream:
            await anext(stream)
            await asyncio.to_thread(steps.has_begun.wait)
            leaving.set()

    task = asyncio.create_task(leave_early())
    await leaving.wait()
    task.cancel()
    await asyncio.sleep(0)
    is_left_behind = task.done()
    steps.may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_left_behind
    assert steps.is_closed
