"""How an instance gets its workflow: waits for it, is owned by it, and has its revision loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from varflow.engine import codes
from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import (
    ClusterUnavailable,
    InvalidMessage,
    InvalidWorkflowFile,
    ObjectNotFound,
)
from varflow.variables import retrying
from varflow.variables.scopes import Owners
from varflow.variables.states import States
from varflow_operator.instances import definitions
from varflow_operator.instances.blueprints import Blueprint, BlueprintKey
from varflow_operator.instances.checkpoints import Keeper
from varflow_operator.instances.definitions import Chosen, NotYet
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.statuses import View

_FOR_EVER: Final = float("inf")


class NeverStarted(Exception):
    """The instance ends without having begun."""

    def __init__(self, finish: Finish) -> None:
        super().__init__(finish.message)
        self.finish = finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What an instance needs to run."""

    blueprint: Blueprint
    owners: Owners
    states: States
    view: View


async def begin(
    keeper: Keeper, view: View, ground: Ground, *, note: Callable[[View], None]
) -> Beginning:
    """Return what the instance needs; waits for its workflow if need be.

    Args:
        keeper: its status.
        view: what is shown of it.
        ground: what all instances have.
        note: told at once which revision it is to run, so that nobody takes that away.

    Raises:
        NeverStarted: its workflow does not come, or cannot be run.
        InstanceGone, Deposed: as `Keeper.write`.
    """
    chosen = await _choose(keeper, view, ground)
    view = replace(view, workflow_uid=chosen.workflow_uid, revision=chosen.revision, reason="")
    note(view)
    blueprint = await _load(keeper, chosen, ground)
    await keeper.adopt(chosen.workflow_uid)
    return Beginning(
        blueprint=blueprint,
        owners=await _owners(keeper, chosen, ground),
        states=States(trigger=keeper.record.trigger, is_per_user=blueprint.workflow.state.perUser),
        view=view,
    )


async def _choose(keeper: Keeper, view: View, ground: Ground) -> Chosen:
    if view.workflow_uid and view.revision:
        return Chosen(view.workflow_uid, view.revision)
    record, said = keeper.record, ""
    ends_at = record.created_at + ground.pending_seconds
    quiet_until = ground.clock() + definitions.FIRST_SIGHT_SECONDS
    while True:
        found = ground.definitions.find(record.namespace, record.workflow)
        choice = definitions.choose(found, name=record.workflow, wanted=record.revision)
        if isinstance(choice, Chosen):
            return choice
        now = ground.clock()
        if now >= ends_at:
            raise NeverStarted(_invalid(choice.message))
        if now >= quiet_until and choice.message != said:
            said = choice.message
            await keeper.write(_pending(view, choice), owners=None)
            continue  # it may have come meanwhile
        until = ends_at if said == choice.message else quiet_until
        await _change(keeper, ground, seconds=until - now)


async def _change(keeper: Keeper, ground: Ground, *, seconds: float) -> None:
    record = keeper.record
    change = ground.definitions.change(record.namespace, record.workflow)
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await change
    except TimeoutError:
        return


async def _load(keeper: Keeper, chosen: Chosen, ground: Ground) -> Blueprint:
    record = keeper.record
    key = BlueprintKey(record.namespace, record.workflow, chosen.workflow_uid, chosen.revision)
    try:
        return await retrying.until(
            _FOR_EVER, lambda: ground.blueprints.load(key), waits_out=ClusterUnavailable
        )
    except (ObjectNotFound, InvalidWorkflowFile, InvalidMessage) as error:
        message = f"revision {chosen.revision} of {record.workflow!r}: {error.message}"
        raise NeverStarted(_invalid(message)) from error


async def _owners(keeper: Keeper, chosen: Chosen, ground: Ground) -> Owners:
    """Return the instance's place in the store; that of the namespace is its workflow's."""
    record = keeper.record
    owner = {"metadata": {"uid": chosen.workflow_uid, "namespace": record.namespace}}
    return await retrying.until(
        _FOR_EVER,
        lambda: ground.ownership.of(owner, workflow=chosen.workflow_uid, instance=record.uid),
        waits_out=ClusterUnavailable,
    )


def _pending(view: View, choice: NotYet) -> View:
    return replace(view, pending=choice.reason, reason=choice.message)


def _invalid(message: str) -> Finish:
    return Finish(
        status=InstanceStatus.FAILED, output=None, code=codes.INVALID_WORKFLOW, message=message
    )
