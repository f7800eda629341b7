"""One call, for one branch of a state: its attempts, its deadline, its retries. PURE.

What is done in which case stands in the table `MOVES` at the end. Three decisions behind it:

* `timeout` bounds one attempt, and an attempt that ran out of time is retried like any other
  failure that is (see `retries`). Nothing is given up between attempts: if the one
  before did commit after all, the next one adopts its result (design.md §6).
* One that nobody waits for is done when it is on its way, also when an attempt before may be, too:
  sealing it would stop what has only begun. The first of them that commits wins.
* `max_attempts` counts the *further* attempts after the first, as in Direktiv's code.

A sidecar stops a function at its deadline and reports that itself, since it knows best what became
of it. The engine's own timer is a little later, for a sidecar that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from varflow.engine import calls, effects, identities, retries, timeouts
from varflow.engine.calls import Job
from varflow.engine.faults import Fault
from varflow.engine.messages import LogLevel
from varflow.engine.reports import Report, What
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase
from varflow.engine.turns import Turn, Work


def start(turn: Turn, job: Job, *, branch: int = 0) -> Work[Effect]:
    """Begin an action.

    Raises:
        StateError: its input or files cannot be evaluated; nothing was sent.
    """
    effect = effects.begin(turn, calls.kind(turn, job.action), branch=branch)
    return (yield from _send_if_queued(turn, job, effect))


def on_report(turn: Turn, job: Job, effect: Effect, report: Report) -> Work[Effect]:
    """Carry on with an action after something happened to it.

    Raises:
        StateError: as `start`, for another attempt.
    """
    if effect.phase is EffectPhase.GIVING_UP:
        given_up = effects.move(turn, effect, report, moves=effects.MOVES)
        return (yield from _send_if_queued(turn, job, _after_child(turn, job, given_up)))
    if job.is_detached and report.what is What.COMPLETE:
        return effects.enter(turn, effect, EffectPhase.SUCCEEDED)
    move = MOVES[effect.kind][effect.phase].get(report.what)
    if move is None:
        return effect
    return (yield from _send_if_queued(turn, job, move(turn, job, effect, report)))


def resume(turn: Turn, job: Job, effect: Effect) -> Work[None]:
    """Send a running attempt again after a restart of the shell: same id, same deadline.

    Its timer leaves time to fetch an answer that came while nobody was there.
    """
    if effect.phase is EffectPhase.RUNNING and effect.deadline is not None:
        yield from calls.send(turn, job, effect, deadline=effect.deadline)
        _watch(turn, effect, deadline=max(effect.deadline, turn.at))


def _send_if_queued(turn: Turn, job: Job, effect: Effect) -> Work[Effect]:
    if effect.phase is not EffectPhase.QUEUED:
        return effect
    deadline = _deadline(turn, job)
    yield from calls.send(turn, job, effect, deadline=deadline)
    running = effects.put(turn, replace(effect, phase=EffectPhase.RUNNING, deadline=deadline))
    _watch(turn, running, deadline=deadline)
    return running


def _deadline(turn: Turn, job: Job) -> float:
    """Return when the attempt has to end: never after the instance."""
    seconds = timeouts.ACTION_SECONDS if job.timeout is None else job.timeout
    return min(turn.at + seconds, turn.snapshot.timers.get(identities.KILL, float("inf")))


def _watch(turn: Turn, effect: Effect, *, deadline: float) -> None:
    """Wait for the report of a sidecar; a child has none but its end."""
    grace = 0.0 if effect.kind is EffectKind.SUBFLOW else timeouts.REPORT_SECONDS
    effects.set_timer(turn, effect, deadline + grace)


# Moves


def _succeeded(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    return effects.succeed(turn, effect, report)


def _failed(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    """Try again, or fail; an action that may have committed is given up before it fails."""
    effect = replace(effect, is_doubtful=effect.is_doubtful or report.has_rivals)
    policy = job.action.retries or turn.plan.workflow.retry
    if policy is None or not retries.takes(policy, report.fault):
        return _failed_finally(turn, effect, report.fault)
    seconds = retries.delay(policy, effect.attempt)
    if seconds is not None:
        return _back_off(turn, effect, report.fault, seconds=seconds)
    return _failed_finally(turn, effect, retries.used_up(policy, effect.attempt, report.fault))


def _failed_in_doubt(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    return _failed(turn, job, replace(effect, is_doubtful=True), report)


def _again(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    attempt = effect.attempt + 1
    next_id = effects.attempt_id(turn, branch=effect.branch, attempt=attempt)
    queued = effects.enter(turn, effect, EffectPhase.QUEUED)
    return effects.put(turn, replace(queued, attempt=attempt, id=next_id, deadline=None))


def _failed_finally(turn: Turn, effect: Effect, fault: Fault) -> Effect:
    settle = effects.give_up if effect.is_doubtful else effects.fail
    return settle(turn, effect, fault)


def _back_off(turn: Turn, effect: Effect, fault: Fault, *, seconds: float) -> Effect:
    turn.log(
        LogLevel.WARNING,
        f"attempt {effect.attempt + 1} failed ({fault}); trying again in {seconds:g} s",
    )
    waiting = effects.enter(turn, effect, EffectPhase.BACKING_OFF, fault=fault)
    effects.set_timer(turn, waiting, turn.at + seconds)
    return waiting


def _stop_child(turn: Turn, job: Job, effect: Effect, report: Report) -> Effect:
    """Stop a child before anything else is done: two of them would do everything twice."""
    return effects.give_up(turn, effect, report.fault)


def _after_child(turn: Turn, job: Job, effect: Effect) -> Effect:
    """Try again once the child of a failed attempt has ended."""
    if effect.kind is not EffectKind.SUBFLOW or effect.phase is not EffectPhase.FAILED:
        return effect
    return _failed(turn, job, effect, Report(id=effect.id, what=What.FAILED, fault=effect.reason))


_CallMove = Callable[[Turn, Job, Effect, Report], Effect]
_CallMoves = Mapping[EffectPhase, Mapping[What, _CallMove]]

_BACKING_OFF: Final[Mapping[What, _CallMove]] = {
    What.DUE: _again,
    What.COMPLETE: _succeeded,  # the answer of an attempt that was taken for lost
}

_ACTION_MOVES: Final[_CallMoves] = {
    EffectPhase.RUNNING: {
        What.COMPLETE: _succeeded,
        What.FAILED: _failed,  # known to have committed nothing, unless it has rivals
        What.TIMED_OUT: _failed_in_doubt,
        What.CANCELLED: _failed_in_doubt,
        What.CRASHED: _failed_in_doubt,  # not catchable, so never retried
        What.LOST: _failed_in_doubt,
        What.DUE: _failed_in_doubt,  # not even the sidecar's report came
    },
    EffectPhase.BACKING_OFF: _BACKING_OFF,
}

_SUBFLOW_MOVES: Final[_CallMoves] = {
    EffectPhase.RUNNING: {
        What.COMPLETE: _succeeded,
        What.FAILED: _failed,
        What.LOST: _stop_child,
        What.DUE: _stop_child,
    },
    EffectPhase.BACKING_OFF: _BACKING_OFF,
}

MOVES: Final[Mapping[EffectKind, _CallMoves]] = {
    EffectKind.ACTION: _ACTION_MOVES,
    EffectKind.SUBFLOW: _SUBFLOW_MOVES,
}
"""What becomes of a call; while it is given up, see `effects.GIVING_UP`."""
