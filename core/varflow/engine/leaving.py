"""How a state is left: for the next one, by an error, or because the instance ends. PURE.

Errors leave a state, and the instance ends, only when nothing of it can commit any more
(`effects`): until then the phase is INTERRUPTING or ENDING. A timeout of the instance and a
cancel are nothing else than an error and an end that come from outside.
"""

from __future__ import annotations

from varflow.engine import catching, codes, effects, identities
from varflow.engine.faults import Fault
from varflow.engine.messages import Finish, InstanceStatus, Json, LogLevel
from varflow.engine.snapshots import Ending, Phase
from varflow.engine.turns import Turn


def go_to(turn: Turn, state: str | None) -> None:
    """Leave the current state for another one; None is the normal end."""
    if state is None:
        _finish(turn, _normal_ending(turn.snapshot.mark), output=turn.snapshot.data)
    else:
        turn.update(phase=Phase.BETWEEN, state=state)


def fail(turn: Turn, fault: Fault) -> None:
    """Raise an error in the current state, now or when its open effects have been given up."""
    if _is_giving_up(turn, fault):
        turn.update(phase=Phase.INTERRUPTING, fault=fault)
        return
    turn.forget_state()
    turn.update(fault=None)
    caught = catching.find_catch(turn.state.catch, fault)
    if caught is None:
        turn.log(LogLevel.ERROR, str(fault))
        _finish(turn, failed_ending(fault), output=None)
    else:
        turn.log(LogLevel.WARNING, f"caught {fault}")
        error = {"code": fault.code, "msg": fault.message}
        turn.update(data={**turn.snapshot.data, "error": error})
        go_to(turn, caught.transition)


def end(turn: Turn, ending: Ending) -> None:
    """End the instance, now or when its open effects have been given up."""
    if _is_giving_up(turn, Fault(code=ending.code, message=ending.message)):
        turn.stop_timer(identities.INTERRUPT)
        turn.stop_timer(identities.KILL)
        turn.update(phase=Phase.ENDING, ending=ending, fault=None)
    else:
        _finish(turn, ending, output=None)


def go_on_when_settled(turn: Turn) -> None:
    """Once the last effect has been given up, do what was waiting for that."""
    snapshot = turn.snapshot
    if effects.open_effects(snapshot):
        return
    if snapshot.ending is not None:
        _finish(turn, snapshot.ending, output=None)
    elif snapshot.fault is not None:
        fail(turn, snapshot.fault)


def failed_ending(fault: Fault) -> Ending:
    """Return how an instance ends by an error that nothing caught."""
    is_crash = fault.code == codes.INTERNAL and not fault.is_catchable
    status = InstanceStatus.CRASHED if is_crash else InstanceStatus.FAILED
    return Ending(status=status, code=fault.code, message=fault.message)


def emit_finish(turn: Turn) -> None:
    """Tell the shell how the instance has ended."""
    ending = turn.snapshot.ending
    if ending is not None:
        turn.emit(
            Finish(
                status=ending.status,
                output=turn.snapshot.data,
                code=ending.code,
                message=ending.message,
            )
        )


def _normal_ending(mark: Fault | None) -> Ending:
    if mark is None:
        return Ending(status=InstanceStatus.COMPLETE)
    return Ending(status=InstanceStatus.FAILED, code=mark.code, message=mark.message)


def _is_giving_up(turn: Turn, fault: Fault) -> bool:
    """Give up what is open; say whether something has to be waited for."""
    for effect in effects.open_effects(turn.snapshot):
        effects.give_up(turn, effect, fault)
    return bool(effects.open_effects(turn.snapshot))


def _finish(turn: Turn, ending: Ending, *, output: Json) -> None:
    for timer in list(turn.snapshot.timers):
        turn.stop_timer(timer)
    turn.forget_state()
    turn.update(phase=Phase.OVER, ending=ending, data=output, input=None, steps={}, fault=None)
    emit_finish(turn)
