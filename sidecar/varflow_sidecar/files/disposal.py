"""Removing what actions leave behind, while the next ones run.

    execution ──ended folder──► queue ──► one thread at a time

Nobody waits for it: the outcome of an action does not depend on it, and unlinking costs as much as
the rest of a small action. A process that dies here leaves folders that its successor takes for
what they are (see `folders`). Rejected: a task for each folder, which lets a busy sidecar fall
behind without bound; a full queue makes actions wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Final, Self

from varflow_sidecar import threads
from varflow_sidecar.files.folders import ActionFolder, Folders
from varflow_sidecar.metrics import Metrics

_LONGEST_QUEUE: Final = 64
_CLOSE_SECONDS: Final = 5.0
"""How long the end of a sidecar waits for it."""

_logger = logging.getLogger(__name__)


class Disposal:
    """Removes folders, one after the other. An async context manager."""

    def __init__(self, folders: Folders, *, metrics: Metrics) -> None:
        self._folders = folders
        self._metrics = metrics
        self._queue: asyncio.Queue[ActionFolder] = asyncio.Queue(_LONGEST_QUEUE)
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._remove_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.settled()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def dispose(self, folder: ActionFolder) -> None:
        """Have a folder removed soon; waits only when many are waiting."""
        await self._queue.put(folder)

    async def settled(self) -> None:
        """Return when everything so far has been removed."""
        await self._queue.join()

    def note_left(self, folder: ActionFolder, error: OSError) -> None:
        """Say that a folder stays until the pod ends."""
        self._metrics.folders_left.inc()
        _logger.warning("%s cannot be removed: %s", folder.path, error.strerror)

    async def _remove_all(self) -> None:
        while True:
            folder = await self._queue.get()
            try:
                await threads.run(self._folders.remove, folder)
            except OSError as error:
                self.note_left(folder, error)
            finally:
                self._queue.task_done()
