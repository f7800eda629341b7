"""What a run's instances have begun and nobody waits for: asynchronous actions and subflows.

The run waits for it at its end, each within its own deadline; cancelling the run cancels it, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Background:
    """The work of a run that is not waited for."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Callable[[], None]] = {}

    def add(self, work: Coroutine[Any, Any, None], *, cancel: Callable[[], None]) -> None:
        """Begin something; `cancel` tells it to end."""
        self._tasks[asyncio.create_task(work)] = cancel

    def cancel(self) -> None:
        """Tell all of it to end."""
        for task, cancel in self._tasks.items():
            if not task.done():
                cancel()

    async def finish(self) -> None:
        """Return when all of it has ended, what was added meanwhile, too.

        Raises:
            Exception: Varflow has a defect.
        """
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._tasks[task]
                task.result()

    async def close(self) -> None:
        """Break off what still goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
