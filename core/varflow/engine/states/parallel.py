"""Call several functions at one time; their answers become `.return`, in the actions' order. PURE.

and   all must succeed: the first one that fails ends the state with its error
or    one must: the others are given up, and have null as their answer (but for one that turns
out to have committed: what it wrote stands, and so does its answer). All failed:
`direktiv.parallel.allFailed`. Upstream fails with the first error, against its documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from varflow.engine import branches, codes, effects
from varflow.engine.branches import JobOf
from varflow.engine.calls import Job
from varflow.engine.faults import StateError, make_fault
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectPhase
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import ParallelState

_LOST: Final = make_fault(codes.CANCELLED, "another branch has succeeded")


def enter(turn: Turn, state: ParallelState) -> Work[Verdict]:
    """Send the actions."""
    branches.begin(turn, len(state.actions))
    yield from branches.send(turn, _jobs(turn, state))
    return None


def on_report(turn: Turn, state: ParallelState, effect: Effect, report: Report) -> Work[Verdict]:
    """Go on when it is decided and nothing is open any more."""
    effect = yield from branches.on_report(turn, _jobs(turn, state), effect, report)
    is_decided = yield from _DECIDING[state.mode](turn, state, effect)
    answers = branches.find_answers(turn) if is_decided else None
    if answers is None:
        return None
    return Next(
        data={**turn.snapshot.data, "return": answers},
        transform=state.transform,
        transition=state.transition,
    )


def resume(turn: Turn, state: ParallelState) -> Work[None]:
    """Send what is running again."""
    yield from branches.resume(turn, _jobs(turn, state))


def _decide_and(turn: Turn, state: ParallelState, effect: Effect) -> Work[bool]:
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    yield from branches.send(turn, _jobs(turn, state))
    return branches.is_done(turn)


def _decide_or(turn: Turn, state: ParallelState, effect: Effect) -> Work[bool]:
    if branches.count_done(turn):
        for rival in effects.open_effects(turn.snapshot):
            effects.give_up(turn, rival, _LOST)
        return not effects.open_effects(turn.snapshot)
    yield from branches.send(turn, _jobs(turn, state))
    if not effects.open_effects(turn.snapshot):
        raise StateError(codes.ALL_FAILED, f"all actions failed; the last: {effect.reason}")
    return False


_DECIDING: Final[dict[str, Callable[[Turn, ParallelState, Effect], Work[bool]]]] = {
    "and": _decide_and,
    "or": _decide_or,
}


def _jobs(turn: Turn, state: ParallelState) -> JobOf:
    return lambda branch: Job(
        action=state.actions[branch], data=turn.whole_data, timeout=state.timeout
    )
