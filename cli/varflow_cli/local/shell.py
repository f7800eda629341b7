"""The local shell: one instance, from its input to its end, in one task.

    inbox ──event──► advance (engine) ──commands──► tasks, timers ──event──► inbox
                       │ Evaluate ▲
                       ▼          │ value, or ExpressionError
                     Evaluator (sandboxed jq)

Events are taken one after the other, so the engine never sees two at once; what commands do runs
beside it. The snapshot stays in memory: locally the instance ends with the process, and an input
can be run again. Time enters here and nowhere else.

A defect (an exception that is no `VarflowError`, from the engine or a command) ends the run at
once, and `run` raises it: nothing after it could be trusted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from varflow.contract import CODE_CANCELLED
from varflow.engine import advancing, snapshots
from varflow.engine.messages import (
    Cancelled,
    Command,
    DispatchAction,
    EnterState,
    Evaluate,
    Event,
    Finish,
    GiveUp,
    Json,
    LoadData,
    Log,
    ReadVariables,
    SetTimer,
    Started,
    StartSubflow,
    StopSubflow,
    StopTimer,
    StoreData,
    WriteVariables,
)
from varflow.errors import ActionAbandoned, VarflowError
from varflow.language.evaluating import Evaluator
from varflow.language.workflow import Workflow
from varflow.shells import driving
from varflow.shells.timers import Timers
from varflow_cli.console.progress import Progress
from varflow_cli.local.effects import Effects
from varflow_cli.local.secrets import Secrets


class Shell:
    """Runs one instance."""

    def __init__(
        self,
        workflow: Workflow,
        *,
        instance: str,
        effects: Effects,
        evaluator: Evaluator,
        secrets: Secrets,
        progress: Progress,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._workflow = workflow
        self._snapshot = snapshots.begin(instance)
        self._effects = effects
        self._evaluator = evaluator
        self._secrets = secrets
        self._progress = progress
        self._clock = clock
        self._inbox: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._timers = Timers(clock=clock, fire=self._inbox.put_nowait)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, input: Json, *, depth: int = 0) -> Finish:
        """Run the instance and return how it ended; nothing of it runs any more then.

        Raises:
            Exception: Varflow has a defect.
        """
        self._inbox.put_nowait(Started(at=self._clock(), input=input, depth=depth))
        try:
            while True:
                event = await self._inbox.get()
                if isinstance(event, Exception):
                    raise event
                for command in await self._advance(event):
                    if isinstance(command, Finish):
                        return command
                    self._carry_out(command)
        finally:
            await self._stop()

    def cancel(self, *, code: str = CODE_CANCELLED, message: str) -> None:
        """Ask the instance to stop; `run` returns when it has."""
        self._inbox.put_nowait(Cancelled(at=self._clock(), code=code, message=message))

    # The engine

    async def _advance(self, event: Event) -> tuple[Command, ...]:
        steps = advancing.advance(self._workflow, self._snapshot, event)
        self._snapshot, commands = await driving.advance(steps, self._evaluate)
        return commands

    async def _evaluate(self, question: Evaluate) -> Json:
        return await self._evaluator.evaluate(
            question.template,
            self._secrets.add_to(question.data, question.secrets),
            question.variables,
            allow_null=question.allow_null,
        )

    # Commands

    def _carry_out(self, command: Command) -> None:
        match command:
            case EnterState() | Log():
                self._show(command)
            case SetTimer() | StopTimer():
                self._wind(command)
            case DispatchAction() | GiveUp() | StartSubflow() | StopSubflow():
                self._begin(command.action_id, self._effects.carry_out(command))
            case ReadVariables() | WriteVariables() | StoreData() | LoadData():
                self._begin(command.request, self._effects.carry_out(command))
            case Finish():
                raise AssertionError("Finish is the last command")

    def _show(self, command: EnterState | Log) -> None:
        if isinstance(command, EnterState):
            self._progress.enter(command.state)
        else:
            self._progress.log(command.text, level=command.level, source=command.state)

    def _wind(self, command: SetTimer | StopTimer) -> None:
        if isinstance(command, SetTimer):
            self._timers.set(command)
        else:
            self._timers.stop(command.timer)

    def _begin(self, request: str, work: Coroutine[Any, Any, Event]) -> None:
        task = asyncio.create_task(self._answer(request, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: str, work: Coroutine[Any, Any, Event]) -> None:
        try:
            self._inbox.put_nowait(await work)
        except ActionAbandoned:
            pass  # by our own GiveUp, which has its own answer
        except VarflowError as error:
            self._inbox.put_nowait(self._effects.failure(request, error))
        except Exception as error:  # noqa: BLE001 - a defect; `run` raises it
            self._inbox.put_nowait(error)

    async def _stop(self) -> None:
        self._timers.stop_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
