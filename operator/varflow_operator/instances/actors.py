"""The life of one instance in the control plane: from its appearance until nothing is left to do.

    begin (`starting`) ──► run (`running`) ──► the end in the status ──► its data ends (`ending`)
       │ never started, cancelled                     ▲
       └──────────────────────────────────────────────┘

The actor stops for good when a newer control plane has written (`Deposed`); when it was an older
one, another actor begins with what that wrote (`Overtaken`). When the instance is
deleted it gives up what runs and removes what was stored. A fault of Varflow ends this instance as
crashed, and no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import VarflowError
from varflow_operator.instances import ending, starting, statuses, stopping
from varflow_operator.instances.checkpoints import Keeper
from varflow_operator.instances.conflicts import Deposed, InstanceGone, Overtaken
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Record
from varflow_operator.instances.running import Run
from varflow_operator.instances.starting import Beginning, NeverStarted
from varflow_operator.instances.statuses import View
from varflow_operator.instances.stopping import Stop

_logger = logging.getLogger(__name__)


class Actor:
    """One instance that has not ended."""

    def __init__(self, record: Record, ground: Ground) -> None:
        """Take it over; `run` does the work.

        Raises:
            Deposed: a newer control plane has it.
        """
        self._ground = ground
        self._keeper = Keeper(record, ground)
        self._input = record.input
        self._view = statuses.view_of(record)
        self._run: Run | None = None
        self._stop = record.stop
        self.is_gone = False
        """Its object was deleted."""
        self.is_ended = False
        """Its end is in the status."""
        self.is_overtaken = False
        """What it began with is old: another actor has to begin with what is there now."""
        self._interrupted = asyncio.Event()

    @property
    def record(self) -> Record:
        """The object, as it was last seen."""
        return self._keeper.record

    @property
    def view(self) -> View:
        """What is shown of it."""
        return self._view if self._run is None else self._run.view

    def stop(self, stop: Stop) -> None:
        """Have the instance end as cancelled."""
        if self._stop is None:
            self._stop = stop
            self._interrupted.set()
            if self._run is not None:
                self._run.stop(stop)

    def forget(self) -> None:
        """Take note that the instance was deleted."""
        self.is_gone = True
        self._interrupted.set()
        if self._run is not None:
            self._run.stop(stopping.DELETED)

    async def run(self) -> None:
        """Run it to its end. Raises nothing but `CancelledError`."""
        name = f"{self._keeper.record.namespace}/{self._keeper.record.name}"
        try:
            await self._live()
            self.is_ended = not self.is_gone
        except Deposed as error:
            self.is_overtaken = isinstance(error, Overtaken)
            _logger.warning("%s", error.message)
        except InstanceGone:
            self.is_gone = True
            _logger.info("instance %s was deleted", name)
        except Exception as error:
            _logger.exception("instance %s ends by a fault of Varflow", name)
            await self._crash(error)

    async def _live(self) -> None:
        try:
            beginning = await self._unless_interrupted(
                starting.begin(self._keeper, self._view, self._ground, note=self._note),
                is_resumed=self._keeper.has_begun,
            )
        except NeverStarted as error:
            await self._end_at_once(error.finish)
            return
        input, self._input = self._input, None
        self._run = Run(self._ground, self._keeper, beginning, input=input)
        del input
        if self._stop is not None:
            self._run.stop(self._stop)
        if self.is_gone:
            self._run.stop(stopping.DELETED)
        await self._run.run()

    def _note(self, view: View) -> None:
        self._view = view

    async def _unless_interrupted(
        self, work: Coroutine[Any, Any, Beginning], *, is_resumed: bool
    ) -> Beginning:
        """Begin, unless the instance is deleted meanwhile, or cancelled and has not begun before.

        Raises:
            NeverStarted: it is cancelled.
            InstanceGone: it was deleted.
        """
        beginning = asyncio.ensure_future(work)
        interrupted = asyncio.ensure_future(self._interrupted.wait())
        try:
            if self._stop is not None and not is_resumed:
                raise NeverStarted(_cancelled(self._stop))
            await asyncio.wait({beginning, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if self.is_gone:
                raise InstanceGone("the instance was deleted before it began")
            if self._stop is not None and not is_resumed and not beginning.done():
                raise NeverStarted(_cancelled(self._stop))
            return await beginning
        finally:
            for task in (beginning, interrupted):
                task.cancel()
            await asyncio.gather(beginning, interrupted, return_exceptions=True)

    async def _end_at_once(self, finish: Finish) -> None:
        """End an instance that has nothing but its status."""
        view = replace(self._view, finish=finish, completed_at=self._ground.clock(), reason="")
        await self._keeper.write(view, owners=None)
        self._ground.metrics.instance_ended(statuses.phase(view), 0.0)

    async def _crash(self, error: Exception) -> None:
        """Say in the status that it is over, if that can be said at all."""
        finish = ending.crash(error)
        view = replace(self.view, finish=finish, completed_at=self._ground.clock(), reason="")
        try:
            await self._keeper.write(view, owners=None)
        except VarflowError:
            _logger.exception("the end of that instance cannot be written")


def _cancelled(stop: Stop) -> Finish:
    return Finish(
        status=InstanceStatus.CANCELLED,
        output=None,
        code=stop.code,
        message="cancelled before it began",
    )
