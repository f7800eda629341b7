"""From state to state: what all states share. PURE.

    enter: log ► metadata ► what the state is for ──► (it waits) ──► leave: transform ► transition

`run` goes on in memory until a state waits or the instance ends. It is a loop, not a recursion, and
it pauses now and then.
"""

from __future__ import annotations

from typing import Final

import orjson

from varflow.engine import codes, identities, leaving
from varflow.engine.faults import StateError
from varflow.engine.messages import EnterState, Json, LogLevel
from varflow.engine.snapshots import Phase
from varflow.engine.states import TABLE, Behaviour
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.expressions import Literal, Template

STATES_PER_TURN: Final = 1000
"""After so many states without a wait the shell gets its turn: it checkpoints, writes the log, and
delivers timeouts and cancels even to a loop without end. It also bounds the commands of a turn."""

_NO_TRANSFORM: Final = (Literal(""), Literal("."))


def run(turn: Turn) -> Work[None]:
    """Enter state after state until one waits, the instance ends, or it is time to pause."""
    turn.stop_timer(identities.GO_ON)
    for _ in range(STATES_PER_TURN):
        if turn.snapshot.phase is not Phase.BETWEEN:
            return
        yield from work(turn, _enter(turn))
    if turn.snapshot.phase is Phase.BETWEEN:
        turn.set_timer(identities.GO_ON, turn.at)


def work(turn: Turn, part: Work[Verdict] | Work[None]) -> Work[None]:
    """Let the state work, and leave it when it is done or has failed."""
    try:
        verdict = yield from part
        if verdict is not None:
            yield from _leave(turn, verdict)
    except StateError as error:
        leaving.fail(turn, error.fault)


def behaviour(turn: Turn) -> Behaviour:
    """Return what the current state does."""
    return TABLE[turn.state.type]


def _enter(turn: Turn) -> Work[Verdict]:
    state, step = turn.state, turn.snapshot.step + 1
    turn.update(phase=Phase.INSIDE, step=step)
    turn.emit(EnterState(state=state.id, step=step))
    if state.log is not None:
        value = yield from turn.evaluate(state.log)
        turn.log(LogLevel.INFO, _log_text(value))
    if state.metadata is not None:
        metadata = yield from turn.evaluate(state.metadata)
        turn.update(metadata=metadata)
    return (yield from behaviour(turn).enter(turn, state))


def _leave(turn: Turn, verdict: Next) -> Work[None]:
    # Before the transform: should that fail, a catch still finds `.return`.
    turn.forget_state()
    turn.update(data=verdict.data)
    data = yield from _transformed(turn, verdict.transform)
    state, steps = turn.snapshot.state, turn.snapshot.steps
    if turn.plan.mentions.has_step(state):
        steps = {**steps, state: data}
    turn.update(data=data, steps=steps)
    is_over = yield from _is_over(turn)
    leaving.go_to(turn, None if is_over else verdict.transition)


def _is_over(turn: Turn) -> Work[bool]:
    """Say whether the state ends the workflow before its time; what is true is as for a switch."""
    condition = turn.state.stopIf
    if condition is None or not (yield from turn.evaluate(condition)):
        return False
    turn.log(LogLevel.INFO, "stopIf is true: the workflow ends here")
    return True


def _transformed(turn: Turn, transform: Template | None) -> Work[Json]:
    if transform is None or transform in _NO_TRANSFORM:
        return turn.snapshot.data
    data = yield from turn.evaluate(transform)
    if not isinstance(data, dict):
        raise StateError(
            codes.NOT_OBJECT, f"transform of state {turn.snapshot.state!r}: not an object"
        )
    return data


def _log_text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
