"""One action, for one branch of a state: its attempts, its deadline, its retries. PURE.

What is done in which case stands in the table `MOVES` at the end. Two decisions behind it:

* `timeout` bounds one attempt, and an attempt that ran out of time is retried like any other
  failure whose code `retries.codes` names. Nothing is given up between attempts: if the one
  before did commit after all, the next one adopts its result (design.md §6).
* `max_attempts` counts the *further* attempts after the first, as in Direktiv's code. When they are
  used up the error is `direktiv.retries.exceeded`, with the last failure in its message.

A sidecar stops a function at its deadline and reports that itself, since it knows best what became
of it. The engine's own timer is a little later, for a sidecar that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from varflow.contract import FileMount
from varflow.engine import catching, codes, effects, identities, mounts, timeouts
from varflow.engine.faults import Fault, StateError, make_fault
from varflow.engine.messages import DispatchAction, Json, LogLevel
from varflow.engine.reports import Report, What
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase
from varflow.engine.turns import Turn, Work
from varflow.language.expressions import Language, Program
from varflow.language.workflow import Action, ContainerFunction, Retries

_WHOLE_DATA: Final = Program(Language.JQ, ".")
_LONGEST_DELAY_SECONDS: Final = 10 * 365 * 86400.0
"""Between attempts: longer than any instance lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a state wants done in a branch."""

    action: Action
    data: Json
    """What `input` and `files` are evaluated over."""
    timeout: float | None
    """Seconds for one attempt."""


def start(turn: Turn, job: Job, *, branch: int = 0) -> Work[Effect]:
    """Begin an action.

    Raises:
        StateError: its input or files cannot be evaluated; nothing was sent.
    """
    effect = effects.begin(turn, EffectKind.ACTION, branch=branch)
    return (yield from _send_if_queued(turn, job, effect))


def on_report(turn: Turn, job: Job, effect: Effect, report: Report) -> Work[Effect]:
    """Carry on with an action after something happened to it.

    Raises:
        StateError: as `start`, for another attempt.
    """
    if effect.phase is EffectPhase.GIVING_UP:
        return effects.move(turn, effect, report, moves=effects.MOVES)
    move = MOVES[effect.phase].get(report.what)
    if move is None:
        return effect
    return (yield from _send_if_queued(turn, job, move(turn, job, effect, report)))


def resume(turn: Turn, job: Job, effect: Effect) -> Work[None]:
    """Send a running attempt again after a restart of the shell: same id, same deadline.

    Its timer leaves time to fetch an answer that came while nobody was there.
    """
    if effect.phase is EffectPhase.RUNNING and effect.deadline is not None:
        yield from _dispatch(turn, job, effect, deadline=effect.deadline)
        _watch(turn, effect, deadline=max(effect.deadline, turn.at))


def _send_if_queued(turn: Turn, job: Job, effect: Effect) -> Work[Effect]:
    if effect.phase is not EffectPhase.QUEUED:
        return effect
    deadline = _deadline(turn, job)
    yield from _dispatch(turn, job, effect, deadline=deadline)
    running = effects.put(turn, replace(effect, phase=EffectPhase.RUNNING, deadline=deadline))
    _watch(turn, running, deadline=deadline)
    return running


def _deadline(turn: Turn, job: Job) -> float:
    """Return when the attempt has to end: never after the instance."""
    seconds = timeouts.ACTION_SECONDS if job.timeout is None else job.timeout
    return min(turn.at + seconds, turn.snapshot.timers.get(identities.KILL, float("inf")))


def _watch(turn: Turn, effect: Effect, *, deadline: float) -> None:
    effects.set_timer(turn, effect, deadline + timeouts.REPORT_SECONDS)


def _dispatch(turn: Turn, job: Job, effect: Effect, *, deadline: float) -> Work[None]:
    function = _function(turn, job.action)
    input_ = yield from _input(turn, job)
    files = yield from _files(turn, job, function)
    step = turn.snapshot.step
    turn.emit(
        DispatchAction(
            action_id=effect.id,
            function=function.id,
            decision=effects.decision(turn, effect),
            idempotency_key=identities.idempotency_key(
                turn.snapshot.instance, step=step, branch=effect.branch
            ),
            deadline=deadline,
            input=input_,
            files=files,
            iterator=effect.branch,
            attempt=effect.attempt,
        )
    )


def _function(turn: Turn, action: Action) -> ContainerFunction:
    function = turn.plan.functions.get(action.function)
    if isinstance(function, ContainerFunction):
        return function
    raise StateError(
        codes.INVALID_WORKFLOW,
        f"function {action.function!r} is not one that this version can call",
        is_catchable=False,
    )


def _input(turn: Turn, job: Job) -> Work[Json]:
    """Return the action's input; without a template that is the whole data, secrets included."""
    action = job.action
    if action.input is None and not action.secrets:
        return job.data
    template = _WHOLE_DATA if action.input is None else action.input
    return (yield from turn.evaluate(template, data=job.data, secrets=action.secrets))


def _files(turn: Turn, job: Job, function: ContainerFunction) -> Work[tuple[FileMount, ...]]:
    files = (*function.files, *job.action.files)
    if not files:
        return ()
    template = mounts.make_template(files)
    rows = yield from turn.evaluate(template, data=job.data, secrets=job.action.secrets)
    return mounts.parse(rows)


# Moves


def _succeeded(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    return effects.succeed(turn, effect, report)


def _failed(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    """Try again, or fail; an action that may have committed is given up before it fails."""
    retries = job.action.retries
    if retries is None or not _is_retryable(retries, report.fault):
        return _failed_finally(turn, effect, report.fault)
    if effect.attempt < retries.max_attempts:
        return _back_off(turn, effect, report.fault, retries=retries)
    return _failed_finally(turn, effect, _exceeded(effect, report.fault))


def _failed_in_doubt(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    return _failed(turn, job, replace(effect, is_doubtful=True), report)


def _again(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    attempt = effect.attempt + 1
    next_id = effects.attempt_id(turn, branch=effect.branch, attempt=attempt)
    queued = effects.enter(turn, effect, EffectPhase.QUEUED)
    return effects.put(turn, replace(queued, attempt=attempt, id=next_id, deadline=None))


def _is_retryable(retries: Retries, fault: Fault) -> bool:
    return fault.is_catchable and catching.is_match(retries.codes, fault.code)


def _failed_finally(turn: Turn, effect: Effect, fault: Fault) -> Effect:
    settle = effects.give_up if effect.is_doubtful else effects.fail
    return settle(turn, effect, fault)


def _back_off(turn: Turn, effect: Effect, fault: Fault, *, retries: Retries) -> Effect:
    seconds = _delay(retries, effect.attempt)
    turn.log(
        LogLevel.WARNING,
        f"attempt {effect.attempt + 1} failed ({fault}); trying again in {seconds:g} s",
    )
    waiting = effects.enter(turn, effect, EffectPhase.BACKING_OFF, fault=fault)
    effects.set_timer(turn, waiting, turn.at + seconds)
    return waiting


def _delay(retries: Retries, attempt: int) -> float:
    """Return the seconds before the next attempt; bounded, since infinity is no JSON."""
    try:
        return min(retries.delay * retries.multiplier**attempt, _LONGEST_DELAY_SECONDS)
    except OverflowError:
        return _LONGEST_DELAY_SECONDS


def _exceeded(effect: Effect, fault: Fault) -> Fault:
    return make_fault(
        codes.RETRIES_EXCEEDED, f"gave up after {effect.attempt + 1} attempts; the last: {fault}"
    )


_ActionMove = Callable[[Turn, Job, Effect, Report], Effect]

MOVES: Final[Mapping[EffectPhase, Mapping[What, _ActionMove]]] = {
    EffectPhase.RUNNING: {
        What.COMPLETE: _succeeded,
        What.FAILED: _failed,  # known to have committed nothing
        What.TIMED_OUT: _failed_in_doubt,
        What.CANCELLED: _failed_in_doubt,
        What.CRASHED: _failed_in_doubt,  # not catchable, so never retried
        What.LOST: _failed_in_doubt,
        What.DUE: _failed_in_doubt,  # not even the sidecar's report came
    },
    EffectPhase.BACKING_OFF: {
        What.DUE: _again,
        What.COMPLETE: _succeeded,  # the answer of an attempt that was taken for lost
    },
}
"""What becomes of an action; while it is given up, see `effects.GIVING_UP`."""
