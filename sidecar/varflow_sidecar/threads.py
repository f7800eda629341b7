"""File work off the event loop, without ever leaving a thread behind.

A cancelled action removes its folder next; a thread that still wrote there would write into
nothing, or worse into its successor. So a cancelled wait here first waits for the thread's present
step, and steps are short: one chunk of a stream.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import ParamSpec, TypeVar

from varflow.variables import background

P = ParamSpec("P")
T = TypeVar("T")


async def run(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it in a worker thread; when cancelled, cancel only after it has returned."""
    return await _finished(_start(functools.partial(call, *args, **kwargs)))


async def acquire(call: Callable[[], T], *, release: Callable[[T], None]) -> T:
    """Do the same with a call that opens something: when cancelled, what it opened is released."""
    step = _start(call)
    try:
        return await _finished(step)
    except asyncio.CancelledError:
        if step.exception() is None:
            release(step.result())
        raise


async def iterate(items: Generator[T, None, None]) -> AsyncGenerator[T, None]:
    """Run a generator in worker threads, one item ahead of its consumer; closes it."""
    step = functools.partial(next, items, None)
    ahead = _start(step)
    try:
        while (item := await asyncio.shield(ahead)) is not None:
            ahead = _start(step)
            yield item
    finally:
        try:
            await background.settled(ahead)
        finally:
            items.close()


def _start(call: Callable[[], T]) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(None, call)


async def _finished(step: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await background.settled(step)
        raise
