"""Call a function; its answer becomes `.return`. PURE."""

from __future__ import annotations

from varflow.engine import attempts
from varflow.engine.attempts import Job
from varflow.engine.faults import StateError
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectPhase
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import ActionState


def enter(turn: Turn, state: ActionState) -> Work[Verdict]:
    """Send the action to its function."""
    yield from attempts.start(turn, _job(turn, state))
    return None


def on_report(turn: Turn, state: ActionState, effect: Effect, report: Report) -> Work[Verdict]:
    """Go on when the action has ended for good."""
    effect = yield from attempts.on_report(turn, _job(turn, state), effect, report)
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    if effect.phase is not EffectPhase.SUCCEEDED:
        return None
    return Next(
        data={**turn.snapshot.data, "return": effect.value},
        transform=state.transform,
        transition=state.transition,
    )


def resume(turn: Turn, state: ActionState) -> Work[None]:
    """Send what is running again."""
    for effect in turn.snapshot.effects:
        yield from attempts.resume(turn, _job(turn, state), effect)


def _job(turn: Turn, state: ActionState) -> Job:
    return Job(action=state.action, data=turn.snapshot.data, timeout=state.timeout)
