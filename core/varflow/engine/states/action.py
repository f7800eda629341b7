"""Call a function; its answer becomes `.return`. PURE.

An asynchronous one is waited for only until it is on its way; what becomes of it, and that it
could not be sent, changes nothing here (direktiv-contract.md §3.4).
"""

from __future__ import annotations

from varflow.engine import attempts
from varflow.engine.calls import Job
from varflow.engine.effects import SETTLED
from varflow.engine.faults import StateError
from varflow.engine.messages import Json
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
    if effect.phase not in SETTLED:
        return None
    if state.async_:
        return _next(state, turn.snapshot.data)
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    return _next(state, {**turn.snapshot.data, "return": effect.value})


def resume(turn: Turn, state: ActionState) -> Work[None]:
    """Send what is running again."""
    for effect in turn.snapshot.effects:
        yield from attempts.resume(turn, _job(turn, state), effect)


def _next(state: ActionState, data: Json) -> Next:
    return Next(data=data, transform=state.transform, transition=state.transition)


def _job(turn: Turn, state: ActionState) -> Job:
    return Job(
        action=state.action,
        data=turn.whole_data,
        timeout=state.timeout,
        is_detached=state.async_,
    )
