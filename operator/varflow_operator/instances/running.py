"""One instance that has begun, from event to event until it finishes.

    inbox ──event──► advance (engine) ──► what is to be kept, what is to be done
                                                 │
                         checkpoint in the status (`checkpoints`)
                                                 │
                               `doing` ◄── commands ──event──► inbox

Events are taken one after the other, so the engine never sees two at once. A command with an effect
is carried out when the snapshot that led to it is in the status, and not before; reading a variable
is none. What changes without one is kept a moment later, together with what comes until then.

An instance whose object is gone is cancelled, without checkpoints: nobody could read them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Final

import orjson

from varflow.engine import advancing, effects, identities, snapshots
from varflow.engine.advancing import Advance
from varflow.engine.messages import (
    Cancelled,
    Command,
    EnterState,
    Evaluate,
    Event,
    Finish,
    InstanceStatus,
    Json,
    ReadVariables,
    Started,
)
from varflow.engine.snapshots import Snapshot
from varflow.errors import VarflowError
from varflow.shells import driving
from varflow_operator.instances import agenda, ending, secrets, stopping
from varflow_operator.instances.checkpoints import Keeper
from varflow_operator.instances.conflicts import Deposed, InstanceGone
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.doing import Doing, Message, Waiting
from varflow_operator.instances.ending import End
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.starting import Beginning
from varflow_operator.instances.stopping import Stop

LINGER_SECONDS: Final = 0.02
"""How long what happened waits for more before it is kept, when nothing depends on it."""
_GIVE_UP_SECONDS: Final = 10.0
"""How long a crashed instance tries to give up what runs."""
_LOG_SECONDS: Final = 2.0
"""Who sees the end finds the last lines, unless the store takes longer than this."""
KEPT_SECONDS: Final = 3600.0
"""After its last deadline an attempt cannot be left: by then clocks agree, and pods are gone."""

_logger = logging.getLogger(__name__)


class Run:
    """Runs one instance."""

    def __init__(
        self, ground: Ground, keeper: Keeper, beginning: Beginning, *, input: Json
    ) -> None:
        self.view = beginning.view
        self._ground = ground
        self._keeper = keeper
        self._owners = beginning.owners
        self._workflow = beginning.blueprint.workflow
        self._input = input
        self._snapshot = snapshots.begin(keeper.record.uid)
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        identity = keeper.record.identity
        self._doing = Doing(ground, beginning, identity=identity, inbox=self._inbox)
        self._to_do: list[Command] = []
        self._is_dirty = False
        """The engine has a newer snapshot than the status."""
        self._has_to_write = False
        """What is to be done, or shown, must be in the status first."""
        self._is_gone = False
        self._is_resumed = keeper.has_begun
        self._kill_at = 0.0

    def stop(self, stop: Stop) -> None:
        """Have the instance end as cancelled, or take note that it was deleted."""
        self._inbox.put_nowait(stop)

    async def run(self) -> None:
        """Run it to its end.

        Raises:
            Deposed: a newer control plane has it.
            Exception: Varflow has a fault, and not even that could be written.
        """
        try:
            await self._end(await self._run_guarded())
        finally:
            await self._doing.close()

    async def _run_guarded(self) -> Finish:
        try:
            await self._begin()
            return await self._serve()
        except Deposed:
            raise
        except Exception as error:
            record = self._keeper.record
            _logger.exception("instance %s/%s crashes", record.namespace, record.name)
            await self._give_up_all()
            return ending.crash(error)

    async def _begin(self) -> None:
        at = self._ground.clock()
        input, self._input = self._input, None
        if not self._is_resumed:
            self.view = replace(self.view, started_at=at)
            await self._advance(await self._started(input, at=at))
            return
        self._snapshot = Snapshot.decode(await self._keeper.load(self._owners))
        await self._take_steps(advancing.resume(self._workflow, self._snapshot, at), at=at)
        # The epoch has to be in the status before anything is done under it.
        self._has_to_write = True

    async def _started(self, input: Json, *, at: float) -> Started:
        parent = self._keeper.record.parent
        if parent is None:
            return Started(at=at, input={} if input is None else input)
        if parent.input_ref:
            owners = replace(self._owners, instance=parent.uid)
            input = orjson.loads(await self._keeper.load_data(owners, parent.input_ref))
        return Started(at=at, input=input, depth=parent.depth)

    async def _serve(self) -> Finish:
        is_resumed = self._is_resumed
        while True:
            if self._has_to_write:
                await self._checkpoint()
            to_do, self._to_do = self._to_do, []
            for command in to_do:
                if isinstance(command, Finish):
                    return command
                self._doing.carry_out(command, is_resumed=is_resumed)
            is_resumed = False
            await self._take_some()

    # Events

    async def _take_some(self) -> None:
        """Take what comes next, and all that is there already."""
        try:
            async with asyncio.timeout(LINGER_SECONDS if self._is_dirty else None):
                message = await self._inbox.get()
        except TimeoutError:
            self._has_to_write = True
            return
        await self._take(message)
        while not self._inbox.empty():
            await self._take(self._inbox.get_nowait())

    async def _take(self, message: Message) -> None:
        match message:
            case Waiting():
                self.view = replace(self.view, reason=message.reason)
                self._has_to_write = True
            case Stop():
                self._is_gone |= message.is_gone
                await self._cancel(message)
            case Exception():
                raise message
            case _:
                await self._advance(message)

    async def _cancel(self, stop: Stop) -> None:
        at = self._ground.clock()
        await self._advance(Cancelled(at=at, code=stop.code, message=stop.message))

    async def _advance(self, event: Event) -> None:
        steps = advancing.advance(self._workflow, self._snapshot, event)
        await self._take_steps(steps, at=event.at)

    async def _take_steps(self, steps: Advance, *, at: float) -> None:
        before = self._snapshot
        self._snapshot, commands = await driving.advance(steps, self._evaluate)
        self._kill_at = self._snapshot.timers.get(identities.KILL, self._kill_at)
        for command in commands:
            if isinstance(command, EnterState):
                self.view = self.view.entering(command, at=at)
        others = [command for command in commands if not isinstance(command, EnterState)]
        self._to_do = agenda.joined(self._to_do, others)
        self._has_to_write |= agenda.needs_checkpoint(others)
        is_asked_again = any(isinstance(command, ReadVariables) for command in commands)
        self._is_dirty |= self._snapshot is not before and not is_asked_again

    async def _evaluate(self, question: Evaluate) -> Json:
        data = await secrets.add_to(
            question.data,
            question.secrets,
            namespace=self._keeper.record.namespace,
            ground=self._ground,
        )
        return await self._ground.evaluator.evaluate(
            question.template, data, question.variables, allow_null=question.allow_null
        )

    # Checkpoints

    async def _checkpoint(self) -> None:
        self._ground.passed(CrashPoint.DECIDED)
        if not self._is_gone and not agenda.is_end(self._to_do):
            await self._write()
            self._ground.passed(CrashPoint.CHECKPOINTED)
        self._is_dirty = self._has_to_write = False

    async def _write(self) -> None:
        try:
            await self._keeper.write(
                self.view, owners=self._owners, snapshot=self._snapshot.encode()
            )
        except InstanceGone:
            # What should have been done is not; what runs is given up.
            self._to_do.clear()
            self._is_gone = True
            await self._cancel(stopping.DELETED)

    # The end

    async def _end(self, finish: Finish) -> None:
        end = End(self._ground, self._keeper, self._owners, view=self.view)
        flush = asyncio.ensure_future(self._ground.log.flush(self._owners))
        try:
            await asyncio.wait({flush}, timeout=_LOG_SECONDS)
            if not self._is_gone:
                await end.write(finish)
                self.view = end.view
        finally:
            await flush
        await self._see_off(end, finish)
        is_quiet = await end.wait_for((*self._doing.tasks, *self._doing.effects.detached.tasks))
        await self._ground.log.flush(self._owners)
        is_clean = is_quiet and not (self._is_resumed or self._doing.effects.is_anything_left)
        keep_until = None if is_clean else self._kill_at + KEPT_SECONDS
        await end.end_variables(keep_until=keep_until)

    async def _see_off(self, end: End, finish: Finish) -> None:
        """Stay for what nobody waited for, unless that has to stop, too."""
        detached = self._doing.effects.detached
        going_on = asyncio.ensure_future(detached.finish())
        deleted = asyncio.ensure_future(self._until_deleted())
        try:
            if not end.is_gone and finish.status is not InstanceStatus.CANCELLED:
                ends = {going_on, deleted}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            going_on.cancel()
            deleted.cancel()
        end.is_gone |= self._is_gone
        await detached.stop()

    async def _until_deleted(self) -> None:
        while not self._is_gone:
            message = await self._inbox.get()
            self._is_gone = isinstance(message, Stop) and message.is_gone

    async def _give_up_all(self) -> None:
        """See to it that nothing commits any more after the crash; best effort."""
        commands = effects.ways_to_give_up(self._snapshot)
        carry_out = self._doing.effects.carry_out
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                await asyncio.gather(*(carry_out(it, is_resumed=False) for it in commands))
        except (VarflowError, TimeoutError) as error:
            _logger.warning("what runs cannot be given up: %s", error)
