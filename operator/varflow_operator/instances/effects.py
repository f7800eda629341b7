"""What the engine asks for, done in a cluster: each command becomes the event that answers it.

DispatchAction ─► `dispatching`: a pod, its outcome ─► ActionFinished
                  `detached`, if nobody waits for it: a pod ─► ActionFinished
GiveUp ─────────► DELETE to the pods, abandon the decision ─► ActionGivenUp
StartSubflow, StopSubflow ─────► `children`
ReadVariables, WriteVariables ─► `shells.variables`
StoreData, LoadData ───────────► `shells.data`
"""

from __future__ import annotations

from varflow.contract import Dispatch, Outcome
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DispatchAction,
    EffectFailed,
    Event,
    GiveUp,
    LoadData,
    ReadVariables,
    StartSubflow,
    StopSubflow,
    StoreData,
    WriteVariables,
)
from varflow.errors import InvalidInput, VarflowError
from varflow.shells.data import DataEffects
from varflow.shells.variables import VariableEffects
from varflow.variables.scopes import Owners
from varflow.variables.states import States
from varflow_operator.instances.blueprints import Blueprint
from varflow_operator.instances.children import Children
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.detached import Detached
from varflow_operator.instances.dispatching import Errands
from varflow_operator.instances.errands import Errand
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Identity
from varflow_operator.instances.waiting import Report

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
        ground: Ground,
        *,
        identity: Identity,
        owners: Owners,
        states: States,
        blueprint: Blueprint,
        report: Report,
    ) -> None:
        """Take the instance, its places in the store and its workflow; `report` as in `Errands`."""
        self._ground = ground
        self._owners = owners
        self._states = states
        self._blueprint = blueprint
        self._variables = VariableEffects(
            owners=owners, variables=ground.variables, clock=ground.clock
        )
        self._data = DataEffects(owners=owners, store=ground.variables.store, clock=ground.clock)
        pending = blueprint.workflow.pendingTimeoutSeconds
        self._errands = Errands(
            ground,
            token=ground.token_of(blueprint.workflow_uid),
            pending_seconds=ground.pending_seconds if pending is None else pending,
            variables=self._variables,
            report=report,
        )
        self.detached = Detached(ground, owners, self._errands)
        self._children = Children(ground, owners=owners, parent=identity)

    @property
    def is_anything_left(self) -> bool:
        """An attempt may go on somewhere although nobody waits for it."""
        return self._errands.is_anything_left

    async def carry_out(self, command: Effect, *, is_resumed: bool) -> Event:
        """Do what a command says and return the event that answers it.

        Args:
            command: the engine's.
            is_resumed: a control plane before this one may have done it.
        """
        match command:
            case DispatchAction():
                return await self._dispatch(command, is_resumed=is_resumed)
            case GiveUp():
                return await self._give_up(command)
            case StartSubflow():
                return await self._children.run(command, is_resumed=is_resumed)
            case StopSubflow():
                return await self._children.stop(command)
            case ReadVariables():
                return await self._variables.read(command)
            case WriteVariables():
                return await self._write(command)
            case StoreData() | LoadData():
                return await self._data.carry_out(command)

    def failure(self, request: str, error: VarflowError) -> EffectFailed:
        """Return the event for a command that ended with an error."""
        return self._variables.failure(request, error)

    async def _dispatch(self, command: DispatchAction, *, is_resumed: bool) -> Event:
        settings = self._blueprint.functions.get(command.function)
        if settings is None:
            raise InvalidInput(f"function {command.function!r} has no pods in this revision")
        dispatch = self._make_dispatch(command)
        errand = Errand(
            dispatch=dispatch,
            settings=settings,
            is_resumed=is_resumed,
            is_detached=command.is_detached,
        )
        if command.is_detached:
            return self._finished(errand, await self.detached.begin(errand))
        outcome = await self._errands.run(errand)
        self._ground.metrics.action_ended(str(outcome.status))
        return self._finished(errand, outcome)

    def _finished(self, errand: Errand, outcome: Outcome) -> Event:
        return ActionFinished(
            at=self._ground.clock(),
            action_id=errand.dispatch.action_id,
            outcome=outcome,
            has_rivals=errand.has_rivals and not errand.is_detached,
        )

    async def _give_up(self, command: GiveUp) -> Event:
        await self._errands.give_up(
            command.decision,
            workflow_uid=self._blueprint.workflow_uid,
            action_id=command.action_id,
        )
        self._ground.passed(CrashPoint.STOPPED)
        outcome = await self._variables.abandon(command.decision)
        self._ground.passed(CrashPoint.ABANDONED)
        return ActionGivenUp(at=self._ground.clock(), action_id=command.action_id, outcome=outcome)

    async def _write(self, command: WriteVariables) -> Event:
        written = await self._variables.write(command)
        self._ground.passed(CrashPoint.WRITTEN)
        return written

    def _make_dispatch(self, command: DispatchAction) -> Dispatch:
        return Dispatch(
            action_id=command.action_id,
            function=command.function,
            owners=self._owners,
            decision=command.decision,
            idempotency_key=command.idempotency_key,
            epoch=self._ground.epoch,
            deadline=command.deadline,
            input=command.input,
            iterator=command.iterator,
            attempt=command.attempt,
            files=command.files,
            state=self._states.name_of(command.function),
        )
