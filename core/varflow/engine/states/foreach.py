"""Call a function for every element of an array; the answers become `.return`. PURE.

Input and files of an action are evaluated over its element. The array is evaluated once, and again
after a restart, from data that does not change meanwhile: it is kept beside the snapshot, and not
in it, which it would double. Rejected: evaluating it whenever elements are sent, which for n of
them takes n² time.
"""

from __future__ import annotations

from varflow.engine import branches, codes
from varflow.engine.branches import JobOf
from varflow.engine.calls import Job
from varflow.engine.effects import SENT
from varflow.engine.faults import StateError
from varflow.engine.messages import Json, LogLevel
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectPhase
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import ForeachState


def enter(turn: Turn, state: ForeachState) -> Work[Verdict]:
    """Send the first elements; an empty array is done at once."""
    elements = yield from _elements(turn, state)
    if not elements:
        return _next(turn, state, [])
    branches.begin(turn, len(elements))
    branches.remember(turn, elements)
    yield from branches.send(turn, _jobs(turn, state), window=state.parallelism)
    return None


def on_report(turn: Turn, state: ForeachState, effect: Effect, report: Report) -> Work[Verdict]:
    """Send more elements, and go on when the last one is done.

    The first error ends it, unless they are to be skipped.
    """
    jobs = _jobs(turn, state)
    effect = yield from branches.on_report(turn, jobs, effect, report)
    if effect.phase is EffectPhase.FAILED:
        _skip(turn, state, effect)
    yield from branches.send(turn, jobs, window=state.parallelism)
    answers = branches.find_answers(turn) if branches.is_done(turn) else None
    return None if answers is None else _next(turn, state, answers)


def _skip(turn: Turn, state: ForeachState, effect: Effect) -> None:
    fault = effect.reason
    if not (state.skipFailures and fault.is_catchable and effect.kind in SENT):
        raise StateError.of(fault)
    turn.log(LogLevel.WARNING, f"element {effect.branch}: {fault}")
    branches.keep(turn, effect, {"error": {"code": fault.code, "msg": fault.message}})


def resume(turn: Turn, state: ForeachState) -> Work[None]:
    """Send what is running again."""
    yield from branches.resume(turn, _jobs(turn, state))


def _elements(turn: Turn, state: ForeachState) -> Work[list[Json]]:
    elements = yield from turn.evaluate(state.array)
    if not isinstance(elements, list):
        raise StateError(codes.BAD_ARRAY, f"array of state {state.id!r}: not an array")
    return elements


def _jobs(turn: Turn, state: ForeachState) -> JobOf:
    """Return what is to be done for each element."""

    def element(branch: int) -> Work[Json]:
        elements = branches.recall(turn)
        if elements is None:
            elements = yield from _elements(turn, state)
            branches.remember(turn, elements)
        return elements[branch]

    def job(branch: int) -> Job:
        return Job(action=state.action, data=lambda: element(branch), timeout=state.timeout)

    return job


def _next(turn: Turn, state: ForeachState, answers: list[Json]) -> Next:
    return Next(
        data={**turn.snapshot.data, "return": answers},
        transform=state.transform,
        transition=state.transition,
    )
