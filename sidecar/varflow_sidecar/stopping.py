"""When an action must stop: its deadline, or a cancel, whichever comes first."""

from __future__ import annotations

import asyncio
import time
from typing import Any


class ActionStopped(Exception):
    """The action was told to stop."""


class Stop:
    """Tells one execution to stop. The deadline is kept by the monotonic clock from now on."""

    def __init__(self, deadline: float) -> None:
        """Take a deadline in seconds since the epoch."""
        self._cancelled = asyncio.Event()
        self._ends_at = asyncio.get_running_loop().time() + deadline - time.time()

    @property
    def is_cancelled(self) -> bool:
        """True after `cancel`, false when time has run out."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Tell it to stop now."""
        self._cancelled.set()

    async def comes_before(self, task: asyncio.Task[Any]) -> bool:
        """Wait for the task or the stop; the task goes on in either case."""
        waiting = asyncio.ensure_future(self._cancelled.wait())
        left = self._ends_at - asyncio.get_running_loop().time()
        try:
            await asyncio.wait(
                [task, waiting], timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        return not task.done()
