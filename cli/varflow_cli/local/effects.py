"""What the engine asks for, done on this machine: each command becomes the event that answers it.

    DispatchAction ─► the function listens ─► the sidecar's Actions ─► ActionFinished
    GiveUp ─────────► cancel, abandon the decision ─► ActionGivenUp, or ActionFinished
    ReadVariables ──► Variables.get, all at one time ─► VariablesRead
    WriteVariables ─► one commit, under its decision ─► VariablesWritten

No semantics of its own: what a value is, and what may be tried again, is decided by `conversions`,
`Variables` and the engine. A store that is away is waited out for a while (`PATIENCE_SECONDS`);
what is left of an error becomes `EffectFailed`, a crash unless the workflow's author can mend it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from varflow import errors
from varflow.contract import (
    CODE_CANCELLED,
    CODE_CONTAINER_FAILED,
    CODE_INTERNAL,
    CODE_TIMEOUT,
    Dispatch,
    Outcome,
    OutcomeStatus,
)
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DispatchAction,
    EffectFailed,
    Event,
    GiveUp,
    Json,
    ReadVariables,
    VariableRead,
    VariablesRead,
    VariablesWritten,
    VariableWrite,
    WriteVariables,
)
from varflow.variables import conversions, paths, scopes
from varflow.variables.commits import Abandoned
from varflow.variables.commits import Outcome as Decided
from varflow.variables.scopes import Owners
from varflow.variables.variables import Change, Variables
from varflow_cli.local.functions import FunctionNotStarted, LocalFunctions
from varflow_sidecar import retrying
from varflow_sidecar.actions import Actions

EPOCH: Final = 1
"""There is one control plane: this process."""

PATIENCE_SECONDS: Final = 60.0
"""How long a getter or setter waits for a store that is away (design.md §8, promise 4)."""

Clock = Callable[[], float]
Effect = DispatchAction | GiveUp | ReadVariables | WriteVariables
_T = TypeVar("_T")


class Effects:
    """Carries out the commands of one instance."""

    def __init__(
        self,
        *,
        owners: Owners,
        variables: Variables,
        actions: Actions,
        functions: LocalFunctions,
        clock: Clock = time.time,
    ) -> None:
        self._owners = owners
        self._variables = variables
        self._actions = actions
        self._functions = functions
        self._clock = clock
        self._given_up: set[str] = set()
        self._writing: set[str] = set()

    async def carry_out(self, command: Effect) -> Event:
        """Do what a command says and return the event that answers it."""
        match command:
            case DispatchAction():
                return await self._dispatch(command)
            case GiveUp():
                return await self._give_up(command)
            case ReadVariables():
                return await self._read_all(command)
            case WriteVariables():
                return await self._write(command)

    async def _dispatch(self, command: DispatchAction) -> Event:
        outcome = await self._run(command)
        return ActionFinished(at=self._clock(), action_id=command.action_id, outcome=outcome)

    async def _run(self, command: DispatchAction) -> Outcome:
        try:
            async with asyncio.timeout(max(0.0, command.deadline - self._clock())):
                await self._functions.ready(command.function)
        except FunctionNotStarted as error:
            return Outcome(
                status=OutcomeStatus.FAILED, code=CODE_CONTAINER_FAILED, message=str(error)
            )
        except TimeoutError:
            message = f"function {command.function!r} did not listen on $PORT before the deadline"
            return Outcome(status=OutcomeStatus.FAILED, code=CODE_TIMEOUT, message=message)
        if command.action_id in self._given_up:  # while the function was starting
            return Outcome(status=OutcomeStatus.CANCELLED, code=CODE_CANCELLED)
        outcome = await self._actions.run(self._make_dispatch(command))
        if outcome.code != CODE_CONTAINER_FAILED:
            return outcome
        end = await self._functions.find_end(command.function)
        return replace(outcome, message=f"{outcome.message} ({end})") if end else outcome

    async def _give_up(self, command: GiveUp) -> Event:
        self._given_up.add(command.action_id)
        with contextlib.suppress(errors.UnknownAction):  # a setter, or not sent yet
            self._actions.cancel(command.action_id)
        decision = paths.decision(self._owners, command.decision)
        stands = await self._abandon(command.action_id, decision)
        if stands is None:
            return ActionGivenUp(at=self._clock(), action_id=command.action_id)
        outcome = Outcome.decode(stands.result)
        return ActionFinished(at=self._clock(), action_id=command.action_id, outcome=outcome)

    async def _abandon(self, action_id: str, decision: str) -> Decided | None:
        """Give an effect up for good and return what was decided before, if anything was.

        Where that cannot be written, nobody else can have anything decided either: every attempt
        is this process's. So what stands when the last of them is over stands for good.
        """
        try:
            return await self._patiently(lambda: self._variables.abandon(decision))
        except (errors.StoreFull, errors.StoreReadOnly):
            if not await self._is_over(action_id):
                raise
            found = await self._variables.find_decision(decision)
            return None if isinstance(found, Abandoned) else found

    async def _is_over(self, action_id: str) -> bool:
        try:
            action = self._actions.get(action_id)
        except errors.UnknownAction:
            return action_id not in self._writing
        return await self._actions.wait(action, seconds=PATIENCE_SECONDS) is not None

    async def _read_all(self, command: ReadVariables) -> Event:
        values = await asyncio.gather(*(self._read(item) for item in command.items))
        return VariablesRead(at=self._clock(), request=command.request, values=tuple(values))

    async def _write(self, command: WriteVariables) -> Event:
        self._writing.add(command.request)
        try:
            await self._commit(command)
        finally:
            self._writing.discard(command.request)
        return VariablesWritten(at=self._clock(), request=command.request)

    async def _commit(self, command: WriteVariables) -> None:
        changes = await self._make_changes(command.items)
        decision = paths.decision(self._owners, command.decision)
        result = Outcome(status=OutcomeStatus.COMPLETE).encode()
        await self._patiently(lambda: self._variables.commit(decision, changes, result=result))

    def failure(self, request: str, error: errors.VarflowError) -> Event:
        """Return the event for a command that ended with an error."""
        is_catchable = error.status < 500
        return EffectFailed(
            at=self._clock(),
            request=request,
            code=error.code if is_catchable else CODE_INTERNAL,
            message=error.message if is_catchable else f"{error.message} [{error.code}]",
            is_catchable=is_catchable,
        )

    def _make_dispatch(self, command: DispatchAction) -> Dispatch:
        return Dispatch(
            action_id=command.action_id,
            function=command.function,
            owners=self._owners,
            decision=command.decision,
            idempotency_key=command.idempotency_key,
            epoch=EPOCH,
            deadline=command.deadline,
            input=command.input,
            iterator=command.iterator,
            attempt=command.attempt,
            files=command.files,
        )

    async def _read(self, item: VariableRead) -> Json:
        address = scopes.address(self._owners, item.scope, item.key)
        variable = await self._patiently(lambda: self._variables.get(address))
        return None if variable is None else conversions.json_or_base64(await variable.bytes())

    async def _make_changes(self, items: Sequence[VariableWrite]) -> list[Change]:
        """Store what the changes need; all of it or, when something fails, nothing."""
        made = await asyncio.gather(*map(self._make_change, items), return_exceptions=True)
        changes = [change for change in made if isinstance(change, Change)]
        for failure in made:
            if isinstance(failure, BaseException):
                await self._discard(changes)
                raise failure
        return changes

    async def _discard(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.content is not None:
                with contextlib.suppress(errors.StoreError):  # then it is left to the sweeper
                    await self._variables.discard(self._owners, change.content)

    async def _make_change(self, item: VariableWrite) -> Change:
        address = scopes.address(self._owners, item.scope, item.key)
        if item.data is None:
            return Change(address, None)
        data = item.data
        try:
            content = await self._patiently(
                lambda: self._variables.store_content(self._owners, data)
            )
        except errors.TooLarge as error:
            raise errors.TooLarge(f"{address}: {error.message}") from error
        return Change(address, content, item.content_type)

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying.until(self._clock() + PATIENCE_SECONDS, call)
