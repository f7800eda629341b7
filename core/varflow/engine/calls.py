"""What is sent for one attempt: an action to a function, or a subflow's child instance. PURE.

Both take the same input, and both are named by the attempt's id, so that sending again is
recognised. They differ in how they are given up (`effects`) and in who knows their end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from varflow.contract import FileMount
from varflow.engine import codes, effects, identities, mounts
from varflow.engine.faults import StateError
from varflow.engine.messages import DispatchAction, Json, StartSubflow
from varflow.engine.snapshots import Effect, EffectKind
from varflow.engine.turns import Turn, Work
from varflow.language.expressions import Language, Program
from varflow.language.workflow import Action, ContainerFunction, Function, SubflowFunction

MAX_DEPTH: Final = 10
"""Subflows within subflows: deeper is a recursion without end."""

_WHOLE_DATA: Final = Program(Language.JQ, ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a state wants done in a branch."""

    action: Action
    data: Callable[[], Work[Json]]
    """Gives what `input` and `files` are evaluated over; asked only when something is sent."""
    timeout: float | None
    """Seconds for one attempt."""
    is_detached: bool = False
    """Only the beginning is waited for."""


def kind(turn: Turn, action: Action) -> EffectKind:
    """Return what kind of effect calling the action's function is."""
    is_subflow = isinstance(_function(turn, action), SubflowFunction)
    return EffectKind.SUBFLOW if is_subflow else EffectKind.ACTION


def send(turn: Turn, job: Job, effect: Effect, *, deadline: float) -> Work[None]:
    """Emit the command for an attempt.

    Raises:
        StateError: its input or files cannot be evaluated, or subflows are nested too deeply.
    """
    function = _function(turn, job.action)
    data = yield from job.data()
    input_ = yield from _input(turn, job, data)
    if isinstance(function, SubflowFunction):
        turn.emit(_subflow(turn, job, effect, function=function, input=input_))
        return
    files = yield from _files(turn, job, function, data=data)
    turn.emit(
        DispatchAction(
            action_id=effect.id,
            function=function.id,
            decision=effects.decision(turn, effect),
            idempotency_key=identities.idempotency_key(
                turn.snapshot.instance, step=turn.snapshot.step, branch=effect.branch
            ),
            deadline=deadline,
            input=input_,
            files=files,
            iterator=effect.branch,
            attempt=effect.attempt,
            is_detached=job.is_detached,
        )
    )


def _subflow(
    turn: Turn, job: Job, effect: Effect, *, function: SubflowFunction, input: Json
) -> StartSubflow:
    depth = turn.snapshot.depth + 1
    if depth > MAX_DEPTH:
        raise StateError(codes.TOO_DEEP, f"more than {MAX_DEPTH} subflows within one another")
    return StartSubflow(
        action_id=effect.id,
        workflow=function.workflow,
        input=input,
        depth=depth,
        is_detached=job.is_detached,
    )


def _function(turn: Turn, action: Action) -> Function:
    try:
        return turn.plan.functions[action.function]
    except KeyError:
        raise StateError(
            codes.INVALID_WORKFLOW, f"there is no function {action.function!r}", is_catchable=False
        ) from None


def _input(turn: Turn, job: Job, data: Json) -> Work[Json]:
    """Return the action's input; without a template that is the whole data, secrets included."""
    action = job.action
    if action.input is None and not action.secrets:
        return data
    template = _WHOLE_DATA if action.input is None else action.input
    return (yield from turn.evaluate(template, over=data, secrets=action.secrets))


def _files(
    turn: Turn, job: Job, function: ContainerFunction, *, data: Json
) -> Work[tuple[FileMount, ...]]:
    files = (*function.files, *job.action.files)
    if not files:
        return ()
    template = mounts.make_template(files)
    rows = yield from turn.evaluate(template, over=data, secrets=job.action.secrets)
    return mounts.parse(rows)
