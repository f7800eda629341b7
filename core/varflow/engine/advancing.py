"""The way into the engine: from an event to what the instance does next. PURE.

    advance: where it stands × what happens ──► TABLE ──► a handler
             then `stepping.run`: enter states until one waits or the instance ends

An event that the table has no place for, or that is about an effect or timer of an earlier step or
attempt, is late or a duplicate: it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from enum import Enum, auto
from typing import Any, Final

from varflow.engine import codes, effects, identities, inputs, leaving, plans, stepping, timeouts
from varflow.engine.faults import make_fault
from varflow.engine.messages import (
    Cancelled,
    Command,
    Evaluate,
    Event,
    InstanceStatus,
    Json,
    LogLevel,
    SetTimer,
    Started,
    TimerFired,
)
from varflow.engine.snapshots import EffectPhase, Ending, Phase, Snapshot
from varflow.engine.turns import Turn, Work
from varflow.language.workflow import Workflow

Advance = Generator[Evaluate, Json, tuple[Snapshot, tuple[Command, ...]]]


def advance(workflow: Workflow, snapshot: Snapshot, event: Event) -> Advance:
    """Take an event in; return the new snapshot and the commands to carry out once it is kept.

    Raises:
        InvalidMessage: the snapshot belongs to another workflow or revision.
    """
    handler = TABLE[snapshot.phase].get(_occasion(event))
    if handler is None or _is_late(snapshot, event):
        return snapshot, ()
    turn = Turn(plans.of(workflow), snapshot, at=event.at)
    if isinstance(event, TimerFired):
        turn.drop_timer(event.timer)
    yield from handler(turn, event)
    yield from stepping.run(turn)
    return turn.snapshot, tuple(turn.commands)


def resume(workflow: Workflow, snapshot: Snapshot, at: float) -> Advance:
    """Return the commands to issue again after a restart of the shell.

    What was sent is evaluated again; should that fail now (a secret is gone), that is the state's
    error, and the snapshot differs from the one given.

    Raises:
        InvalidMessage: the snapshot belongs to another workflow or revision.
    """
    turn = Turn(plans.of(workflow), snapshot, at=at)
    if snapshot.phase is Phase.OVER:
        leaving.emit_finish(turn)
        return snapshot, tuple(turn.commands)
    for effect in effects.open_effects(snapshot):
        if effect.phase is EffectPhase.GIVING_UP:
            effects.ask_to_give_up(turn, effect)
    if snapshot.phase is Phase.INSIDE:
        yield from stepping.work(turn, stepping.behaviour(turn).resume(turn, turn.state))
        yield from stepping.run(turn)
    _set_other_timers(turn)
    return turn.snapshot, tuple(turn.commands)


def _set_other_timers(turn: Turn) -> None:
    """Set the timers that were not moved: those would fire at once if their old time came first."""
    done = {command.timer for command in turn.commands if isinstance(command, SetTimer)}
    for timer, at in turn.snapshot.timers.items():
        if timer not in done:
            turn.emit(SetTimer(timer=timer, at=at))


class Occasion(Enum):
    """What can happen to an instance."""

    START = auto()
    REPORT = auto()
    """Something became of an effect."""
    CANCEL = auto()
    INTERRUPT = auto()
    KILL = auto()
    GO_ON = auto()


_INSTANCE_TIMERS: Final = {
    identities.INTERRUPT: Occasion.INTERRUPT,
    identities.KILL: Occasion.KILL,
    identities.GO_ON: Occasion.GO_ON,
}


def _occasion(event: Event) -> Occasion:
    match event:
        case Started():
            return Occasion.START
        case Cancelled():
            return Occasion.CANCEL
        case TimerFired():
            return _INSTANCE_TIMERS.get(event.timer, Occasion.REPORT)
        case _:
            return Occasion.REPORT


def _is_late(snapshot: Snapshot, event: Event) -> bool:
    if isinstance(event, TimerFired) and event.timer not in snapshot.timers:
        return True
    return _occasion(event) is Occasion.REPORT and effects.find(snapshot, event) is None


# Handlers


def _start(turn: Turn, event: Started) -> Work[None]:
    yield from ()
    data = inputs.normalise(event.input)
    is_input_kept = turn.plan.mentions.input
    turn.update(
        phase=Phase.BETWEEN,
        state=turn.plan.first,
        data=data,
        input=data if is_input_kept else None,
        depth=event.depth,
    )
    if found := inputs.find_errors(turn.plan.workflow, data):
        fault = make_fault(codes.SCHEMA_FAILED, f"the input is not valid: {'; '.join(found)}")
        turn.log(LogLevel.ERROR, str(fault))
        leaving.end(turn, leaving.failed_ending(fault))
        return
    limits = timeouts.limits(turn.plan.workflow.timeouts)
    if limits.interrupt is not None:
        turn.set_timer(identities.INTERRUPT, turn.at + limits.interrupt)
    turn.set_timer(identities.KILL, turn.at + limits.kill)


def _tell_state(turn: Turn, event: Event) -> Work[None]:
    """An effect that the state waits for."""
    effect, report = effects.get(turn.snapshot, event)
    part = stepping.behaviour(turn).on_report(turn, turn.state, effect, report)
    yield from stepping.work(turn, part)


def _settle(turn: Turn, event: Event) -> Work[None]:
    """An effect that is being given up: the state does not hear of it any more."""
    yield from ()
    effect, report = effects.get(turn.snapshot, event)
    effects.move(turn, effect, report, moves=effects.MOVES)
    leaving.go_on_when_settled(turn)


def _cancel(turn: Turn, event: Cancelled) -> Work[None]:
    yield from ()
    ending = Ending(status=InstanceStatus.CANCELLED, code=event.code, message=event.message)
    leaving.end(turn, ending)


def _interrupt(turn: Turn, event: Event) -> Work[None]:
    yield from ()
    leaving.fail(turn, timeouts.SOFT)


def _kill(turn: Turn, event: Event) -> Work[None]:
    yield from ()
    leaving.end(turn, leaving.failed_ending(timeouts.HARD))


def _go_on(turn: Turn, event: Event) -> Work[None]:
    """Run on, which `advance` does anyway."""
    yield from ()


_Handler = Callable[[Turn, Any], Work[None]]
"""Takes the event of its occasion, which no common type can say."""

_ALWAYS: Final[Mapping[Occasion, _Handler]] = {
    Occasion.CANCEL: _cancel,
    Occasion.INTERRUPT: _interrupt,
    Occasion.KILL: _kill,
}

TABLE: Final[Mapping[Phase, Mapping[Occasion, _Handler]]] = {
    Phase.NEW: {Occasion.START: _start, Occasion.CANCEL: _cancel},
    Phase.BETWEEN: {**_ALWAYS, Occasion.GO_ON: _go_on},
    Phase.INSIDE: {**_ALWAYS, Occasion.REPORT: _tell_state},
    Phase.INTERRUPTING: {**_ALWAYS, Occasion.REPORT: _settle},
    Phase.ENDING: {Occasion.REPORT: _settle},
    Phase.OVER: {},
}
"""What happens on each occasion; one that is not listed is late."""
