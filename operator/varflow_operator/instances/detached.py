"""The actions of one instance that nobody waits for: begun, and looked after until they end.

    begin ─► a sidecar has it ─► answered
                              └─► its end: a line in the instance's log if it went wrong

They go on when their instance has ended, and its variables stay that long: what ends takes along
the decisions that keep two attempts from committing both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from varflow.contract import Outcome, OutcomeStatus
from varflow.errors import VarflowError
from varflow.logs import Level
from varflow.variables.scopes import Owners
from varflow_operator.instances.conflicts import Deposed
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.dispatching import Errands
from varflow_operator.instances.errands import Errand
from varflow_operator.instances.ground import Ground

_logger = logging.getLogger(__name__)


class Detached:
    """What goes on although nobody waits for it."""

    def __init__(self, ground: Ground, owners: Owners, errands: Errands) -> None:
        """Take whose log is written, and who brings actions to pods."""
        self._ground = ground
        self._owners = owners
        self._errands = errands
        self._going_on: dict[asyncio.Task[None], Errand] = {}

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What goes on."""
        return tuple(self._going_on)

    async def begin(self, errand: Errand) -> Outcome:
        """Return when a sidecar has the action, or when it is known to have ended before.

        Raises:
            Deposed, VarflowError: as `Errands.run`, before a sidecar had it.
        """
        running = asyncio.ensure_future(self._errands.run(errand))
        taken = asyncio.ensure_future(errand.taken.wait())
        try:
            await asyncio.wait({running, taken}, return_when=asyncio.FIRST_COMPLETED)
            if not errand.taken.is_set():
                return await running
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            taken.cancel()
        self._look_after(errand, running)
        self._ground.passed(CrashPoint.TAKEN)
        return Outcome(status=OutcomeStatus.COMPLETE)

    async def finish(self) -> None:
        """Return when all of them have ended."""
        while self._going_on:
            await asyncio.wait(self._going_on)

    async def stop(self) -> None:
        """Tell all of them to end; best effort."""
        await asyncio.gather(*map(self._errands.stop, self._going_on.values()))

    async def close(self) -> None:
        """Break off what is done about them here; they go on."""
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look_after(self, errand: Errand, running: asyncio.Future[Outcome]) -> None:
        task = asyncio.ensure_future(self._see_its_end(errand, running))
        self._going_on[task] = errand
        task.add_done_callback(self._going_on.pop)

    async def _see_its_end(self, errand: Errand, running: asyncio.Future[Outcome]) -> None:
        try:
            outcome = await running
        except Deposed as error:
            _logger.warning("%s", error.message)
            return
        except VarflowError as error:
            self._warn(errand, f"nobody knows what became of it: {error.message}")
            return
        except Exception:
            _logger.exception("an action that nobody waits for is lost sight of")
            return
        self._ground.metrics.action_ended(str(outcome.status))
        if outcome.status is not OutcomeStatus.COMPLETE:
            self._warn(errand, f"{outcome.code}: {outcome.message}")

    def _warn(self, errand: Errand, said: str) -> None:
        text = f"asynchronous action of {errand.dispatch.function!r}: {said}"
        self._ground.log.write(self._owners, text, source="", level=Level.WARNING)
