"""Work that goes on after the answer, and steps that a cancellation must not cut in two.

Finishing a commit and removing what nobody names any more happen after the caller has its answer.
If such work fails, nothing is wrong in the store: whoever meets a half-finished commit finishes it,
and a sweeper removes the bodies. So a failure is logged, not raised, and never repeated for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Background:
    """Tasks that somebody waits for in the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> None:
        """Run `work`; `name` says in the log what failed."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def settle(self) -> None:
        """Return when nothing runs any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("%s failed and is left to the next one: %s", task.get_name(), error)


async def all_of(*work: Awaitable[T]) -> list[T]:
    """Run all, wait until the last has ended, then return their results or raise the first error.

    `asyncio.gather` alone returns at the first error while the others go on writing, and a
    `TaskGroup` cancels them in the middle and wraps the error in a group.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]  # no exception is among them


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, also when the caller is cancelled, be it again and again.

    Only then be cancelled: it is known what became of a write before anybody acts on it.
    """
    task = asyncio.ensure_future(work)
    await settled(task)
    return task.result()


async def settled(step: asyncio.Future[T]) -> None:
    """Wait until a step has ended; whoever asks to stop waiting in the meantime is heard then.

    Raises:
        asyncio.CancelledError: the wait was cancelled; the step is over all the same.
    """
    cancelled: asyncio.CancelledError | None = None
    while not step.done():
        try:
            await asyncio.wait([step])
        except asyncio.CancelledError as error:
            cancelled = error
    if not step.cancelled():
        step.exception()  # seen: who was cancelled hears of that only
    if cancelled is not None:
        raise cancelled
