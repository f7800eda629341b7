"""Somebody's wish that a run ends before it is complete: Ctrl-C, or `--timeout`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class StopWanted(Exception):
    """The wish came before the work was done; the work was cancelled.

    No `VarflowError`: whoever asks for `before` handles it.
    """


class Stop:
    """The wish; the first one counts."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self.message = ""
        """Why, for people."""
        self.is_late = False
        """It was the time limit's."""

    def want(self, message: str, *, is_late: bool = False) -> None:
        """Have the run end."""
        if not self._wanted.is_set():
            self.message, self.is_late = message, is_late
            self._wanted.set()

    async def wait(self) -> None:
        """Return when somebody wants the end."""
        await self._wanted.wait()

    async def before(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Return what `work` does, unless the wish comes first.

        Raises:
            StopWanted: it did.
        """
        task = asyncio.create_task(work)
        wish = asyncio.create_task(self.wait())
        try:
            await asyncio.wait({task, wish}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise StopWanted
            return task.result()
        finally:
            task.cancel()
            wish.cancel()
            await asyncio.gather(task, wish, return_exceptions=True)
