"""The subflows of one instance: instances of their own, in the same run.

    StartSubflow ─► a child runs to its end ─► SubflowFinished
    StopSubflow ──► it is cancelled, its end waited for ─► SubflowFinished

A detached one is answered at once, and waited for at the end of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from varflow.engine import codes
from varflow.engine.messages import (
    Finish,
    InstanceStatus,
    StartSubflow,
    StopSubflow,
    SubflowFinished,
)
from varflow.shells.variables import Clock
from varflow_cli.local.background import Background

_REASON: Final = "cancelled by parent workflow"


@dataclass(frozen=True, slots=True)
class Child:
    """An instance that can run once."""

    live: Callable[[], Coroutine[Any, Any, Finish]]
    cancel: Callable[..., None]
    """Tells it to end, with `code` and `message`."""


class Children:
    """Starts and stops the children of one instance."""

    def __init__(
        self, make: Callable[[StartSubflow], Child], *, background: Background, clock: Clock
    ) -> None:
        self._make = make
        self._background = background
        self._clock = clock
        self._running: dict[str, tuple[Child, asyncio.Task[Finish]]] = {}

    async def run(self, command: StartSubflow) -> SubflowFinished:
        """Run a child to its end; only begin it if nobody waits for that."""
        child = self._make(command)
        if command.is_detached:
            self._background.add(_ignoring_its_end(child), cancel=lambda: _cancel(child))
            return self._answer(
                command.action_id, Finish(status=InstanceStatus.COMPLETE, output=None)
            )
        task = asyncio.create_task(child.live())
        self._running[command.action_id] = child, task
        try:
            return self._answer(command.action_id, await task)
        finally:
            del self._running[command.action_id]

    async def stop(self, command: StopSubflow) -> SubflowFinished:
        """Cancel a child and wait for its end."""
        if command.action_id not in self._running:
            return self._answer(command.action_id, _cancelled())
        child, task = self._running[command.action_id]
        _cancel(child)
        await asyncio.wait({task})
        return self._answer(command.action_id, _cancelled() if task.cancelled() else task.result())

    def _answer(self, action_id: str, finish: Finish) -> SubflowFinished:
        return SubflowFinished(
            at=self._clock(),
            action_id=action_id,
            status=finish.status,
            output=finish.output,
            code=finish.code,
            message=finish.message,
        )


def _cancel(child: Child) -> None:
    child.cancel(code=codes.CANCELLED_BY_PARENT, message=_REASON)


def _cancelled() -> Finish:
    return Finish(
        status=InstanceStatus.CANCELLED,
        output=None,
        code=codes.CANCELLED_BY_PARENT,
        message=_REASON,
    )


async def _ignoring_its_end(child: Child) -> None:
    await child.live()
