"""Carries out the commands of one instance; what answers them goes to its inbox."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from varflow.engine.messages import (
    Command,
    DispatchAction,
    EnterState,
    Event,
    Finish,
    GiveUp,
    LoadData,
    Log,
    ReadVariables,
    SetTimer,
    StartSubflow,
    StopSubflow,
    StopTimer,
    StoreData,
    WriteVariables,
)
from varflow.errors import ActionAbandoned, VarflowError
from varflow.logs import Level
from varflow.shells.timers import Timers
from varflow.variables.scopes import Owners
from varflow_operator.instances.conflicts import Deposed
from varflow_operator.instances.effects import Effect, Effects
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Identity
from varflow_operator.instances.starting import Beginning
from varflow_operator.instances.stopping import Stop


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action waits for a pod, for this reason; "" when it does no more."""

    reason: str


Message = Event | Waiting | Stop | Exception


class Doing:
    """What one instance does."""

    def __init__(
        self,
        ground: Ground,
        beginning: Beginning,
        *,
        identity: Identity,
        inbox: asyncio.Queue[Message],
    ) -> None:
        self._ground = ground
        self._owners: Owners = beginning.owners
        self._inbox = inbox
        self.effects = Effects(
            ground,
            identity=identity,
            owners=beginning.owners,
            states=beginning.states,
            blueprint=beginning.blueprint,
            report=lambda reason: inbox.put_nowait(Waiting(reason)),
        )
        self._timers = Timers(clock=ground.clock, fire=inbox.put_nowait)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What goes on."""
        return tuple(self._tasks)

    def carry_out(self, command: Command, *, is_resumed: bool) -> None:
        """Do what a command says, or begin to.

        Args:
            command: the engine's.
            is_resumed: a control plane before this one may have done it.
        """
        match command:
            case Log():
                level = Level(command.level)
                self._ground.log.write(
                    self._owners, command.text, source=command.state, level=level
                )
            case SetTimer():
                self._timers.set(command)
            case StopTimer():
                self._timers.stop(command.timer)
            case DispatchAction() | GiveUp() | StartSubflow() | StopSubflow():
                self._start(command.action_id, command, is_resumed=is_resumed)
            case ReadVariables() | WriteVariables() | StoreData() | LoadData():
                self._start(command.request, command, is_resumed=is_resumed)
            case EnterState() | Finish():
                raise AssertionError(f"{command} is nothing to carry out")

    async def close(self) -> None:
        """Break off what goes on."""
        self._timers.stop_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.effects.detached.close()

    def _start(self, request: str, command: Effect, *, is_resumed: bool) -> None:
        work = self.effects.carry_out(command, is_resumed=is_resumed)
        task = asyncio.ensure_future(self._answer(request, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: str, work: Coroutine[Any, Any, Event]) -> None:
        try:
            self._inbox.put_nowait(await work)
        except ActionAbandoned:
            pass  # by our own GiveUp, which has its own answer
        except Deposed as error:
            self._inbox.put_nowait(error)
        except VarflowError as error:
            self._inbox.put_nowait(self.effects.failure(request, error))
        except Exception as error:  # noqa: BLE001 - a fault; who reads the inbox raises it
            self._inbox.put_nowait(error)
