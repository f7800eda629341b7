"""What the engine asks for, done on this machine: each command becomes the event that answers it.

    DispatchAction ─► the function listens ─► the sidecar's Actions ─► ActionFinished
    GiveUp ─────────► cancel, abandon the decision ─► ActionGivenUp, or ActionFinished
    ReadVariables, WriteVariables ─► `shells.variables`
    StoreData, LoadData ───────────► `shells.data`
    StartSubflow, StopSubflow ─────► `children`

No semantics of its own: what may be tried again is decided by the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Final

from varflow import errors
from varflow.contract import (
    CODE_CANCELLED,
    CODE_CONTAINER_FAILED,
    CODE_TIMEOUT,
    Dispatch,
    Outcome,
    OutcomeStatus,
)
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DispatchAction,
    Event,
    GiveUp,
    LoadData,
    ReadVariables,
    StartSubflow,
    StopSubflow,
    StoreData,
    WriteVariables,
)
from varflow.shells.data import DataEffects
from varflow.shells.variables import PATIENCE_SECONDS, Clock, VariableEffects
from varflow.variables.scopes import Owners
from varflow.variables.states import States
from varflow.variables.variables import Variables
from varflow_cli.console.progress import Progress
from varflow_cli.local import launching
from varflow_cli.local.background import Background
from varflow_cli.local.children import Children
from varflow_cli.local.functions import FunctionNotStarted, LocalFunctions
from varflow_sidecar.actions import Actions

EPOCH: Final = 1
"""There is one control plane: this process."""

Effect = (
    DispatchAction
    | GiveUp
    | StartSubflow
    | StopSubflow
    | ReadVariables
    | WriteVariables
    | StoreData
    | LoadData
)


class Effects:
    """Carries out the commands of one instance."""

    def __init__(
        self,
        *,
        owners: Owners,
        states: States,
        variables: Variables,
        actions: Actions,
        functions: LocalFunctions,
        family: str,
        children: Children,
        background: Background,
        progress: Progress,
        clock: Clock = time.time,
    ) -> None:
        """Take the instance's places; `family` is as `launching.name_of` takes it."""
        self._owners = owners
        self._states = states
        self._variable_effects = VariableEffects(owners=owners, variables=variables, clock=clock)
        self._data = DataEffects(owners=owners, store=variables.store, clock=clock)
        self._actions = actions
        self._functions = functions
        self._family = family
        self._children = children
        self._background = background
        self._progress = progress
        self._clock = clock
        self._given_up: set[str] = set()
        self._writing: set[str] = set()
        self._has_detached = False

    @property
    def has_left_work(self) -> bool:
        """Something of the instance may go on although nobody waits for it."""
        return self._has_detached or bool(self._given_up)

    async def carry_out(self, command: Effect) -> Event:
        """Do what a command says and return the event that answers it."""
        match command:
            case DispatchAction():
                return await self._dispatch(command)
            case GiveUp():
                return await self._give_up(command)
            case StartSubflow():
                return await self._children.run(command)
            case StopSubflow():
                return await self._children.stop(command)
            case ReadVariables():
                return await self._variable_effects.read(command)
            case WriteVariables():
                return await self._write(command)
            case StoreData() | LoadData():
                return await self._data.carry_out(command)

    async def _dispatch(self, command: DispatchAction) -> Event:
        if command.is_detached:
            self._has_detached = True
            self._background.add(
                self._run_detached(command), cancel=lambda: self._cancel(command.action_id)
            )
            outcome = Outcome(status=OutcomeStatus.COMPLETE)
        else:
            outcome = await self._run(command)
        return ActionFinished(at=self._clock(), action_id=command.action_id, outcome=outcome)

    async def _run_detached(self, command: DispatchAction) -> None:
        outcome = await self._run(command)
        if outcome.status is not OutcomeStatus.COMPLETE:
            self._progress.log(
                f"asynchronous action of {command.function!r}: {outcome.code}: {outcome.message}",
                level="warning",
            )

    async def _run(self, command: DispatchAction) -> Outcome:
        function = launching.name_of(command.function, family=self._family)
        try:
            async with asyncio.timeout(max(0.0, command.deadline - self._clock())):
                await self._functions.ready(function)
        except FunctionNotStarted as error:
            return Outcome(
                status=OutcomeStatus.FAILED, code=CODE_CONTAINER_FAILED, message=str(error)
            )
        except TimeoutError:
            message = f"function {function!r} did not listen on $PORT before the deadline"
            return Outcome(status=OutcomeStatus.FAILED, code=CODE_TIMEOUT, message=message)
        if command.action_id in self._given_up:  # while the function was starting
            return Outcome(status=OutcomeStatus.CANCELLED, code=CODE_CANCELLED)
        outcome = await self._actions.run(self._make_dispatch(command))
        if outcome.code != CODE_CONTAINER_FAILED:
            return outcome
        end = await self._functions.find_end(function)
        return replace(outcome, message=f"{outcome.message} ({end})") if end else outcome

    async def _give_up(self, command: GiveUp) -> Event:
        self._cancel(command.action_id)
        stands = await self._abandon(command.action_id, command.decision)
        if stands is None:
            return ActionGivenUp(at=self._clock(), action_id=command.action_id)
        return ActionFinished(at=self._clock(), action_id=command.action_id, outcome=stands)

    def _cancel(self, action_id: str) -> None:
        self._given_up.add(action_id)
        with contextlib.suppress(errors.UnknownAction):  # a setter, or not sent yet
            self._actions.cancel(action_id)

    async def _abandon(self, action_id: str, decision: str) -> Outcome | None:
        """Give an effect up for good and return what was decided before, if anything was.

        Where that cannot be written, nobody else can have anything decided either: every attempt
        is this process's. So what stands when the last of them is over stands for good.
        """
        try:
            return await self._variable_effects.abandon(decision)
        except (errors.StoreFull, errors.StoreReadOnly):
            if not await self._is_over(action_id):
                raise
            return await self._variable_effects.find_committed(decision)

    async def _is_over(self, action_id: str) -> bool:
        try:
            action = self._actions.get(action_id)
        except errors.UnknownAction:
            return action_id not in self._writing
        return await self._actions.wait(action, seconds=PATIENCE_SECONDS) is not None

    async def _write(self, command: WriteVariables) -> Event:
        self._writing.add(command.request)
        try:
            return await self._variable_effects.write(command)
        finally:
            self._writing.discard(command.request)

    def failure(self, request: str, error: errors.VarflowError) -> Event:
        """Return the event for a command that ended with an error."""
        return self._variable_effects.failure(request, error)

    def _make_dispatch(self, command: DispatchAction) -> Dispatch:
        return Dispatch(
            action_id=command.action_id,
            function=launching.name_of(command.function, family=self._family),
            owners=self._owners,
            decision=command.decision,
            idempotency_key=command.idempotency_key,
            epoch=EPOCH,
            deadline=command.deadline,
            input=command.input,
            iterator=command.iterator,
            attempt=command.attempt,
            is_first=command.attempt == 0,
            files=command.files,
            state=self._states.name_of(command.function),
        )
