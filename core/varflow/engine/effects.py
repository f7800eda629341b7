"""The life of what happens outside: waited for, given up, settled. PURE.

    QUEUED ──► RUNNING ──► SUCCEEDED          BACKING_OFF only for actions, see `attempts`
                 │  ▲  └──► FAILED
                 ▼  │          ▲
           BACKING_OFF ──► GIVING_UP          from RUNNING, too: timeout, cancel, end

One rule holds everywhere: **an effect that might still commit is not left behind.** It is given up
first, which makes its decision object say so for good (design.md §6), and only when that is
confirmed the state's error is raised or the instance ends. When it turns out to have committed,
that result stands. That holds for success, too: where an earlier attempt may still run somewhere,
an action that succeeded is *sealed* before the instance goes on (GIVING_UP without a fault), since
one without changes has left no decision object to stop the other. Reads and delays commit nothing,
and neither does an action whose attempts are all known to have failed; those are dropped at once.

An effect has at most one timer at a time, named after its phase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from varflow.engine import identities, reports, timeouts
from varflow.engine.faults import Fault
from varflow.engine.messages import Event, GiveUp, Json, LogLevel, StopSubflow
from varflow.engine.reports import Report, What
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase, Snapshot
from varflow.engine.turns import Turn

COMMITTING: Final = frozenset({EffectKind.ACTION, EffectKind.SUBFLOW, EffectKind.WRITE})
"""Kinds of effect that may change variables."""
SENT: Final = frozenset({EffectKind.ACTION, EffectKind.SUBFLOW})
"""Kinds of effect that begin by being sent."""
SETTLED: Final = frozenset({EffectPhase.SUCCEEDED, EffectPhase.FAILED})

Move = Callable[[Turn, Effect, Report], Effect]
Moves = Mapping[EffectPhase, Mapping[What, Move]]
"""What a report does to an effect; one that is not listed says nothing new and changes nothing."""


def begin(turn: Turn, kind: EffectKind, *, branch: int = 0, value: Json = None) -> Effect:
    """Add an effect to the current state: a call is yet to be sent, all else runs."""
    effect = Effect(
        kind=kind,
        branch=branch,
        id=attempt_id(turn, branch=branch, attempt=0),
        phase=EffectPhase.QUEUED if kind in SENT else EffectPhase.RUNNING,
        value=value,
    )
    turn.update(effects=(*turn.snapshot.effects, effect))
    return effect


def put(turn: Turn, effect: Effect) -> Effect:
    """Replace an effect by what has become of it."""
    turn.update(
        effects=tuple(
            effect if present.branch == effect.branch else present
            for present in turn.snapshot.effects
        )
    )
    return effect


def drop(turn: Turn, effect: Effect) -> None:
    """Forget a settled effect whose answer is kept elsewhere."""
    turn.update(effects=tuple(it for it in turn.snapshot.effects if it.branch != effect.branch))


def find(snapshot: Snapshot, event: Event) -> tuple[Effect, Report] | None:
    """Return the open effect that an event is about, and what it says; None when it is late."""
    report = reports.of(event)
    for effect in open_effects(snapshot):
        if report is not None and _is_about(report, effect):
            return effect, report
    return None


def get(snapshot: Snapshot, event: Event) -> tuple[Effect, Report]:
    """Return what `find` does.

    Raises:
        LookupError: the event is late.
    """
    found = find(snapshot, event)
    if found is None:
        raise LookupError(f"no open effect for {event}")
    return found


def _is_about(report: Report, effect: Effect) -> bool:
    if report.what is What.DUE:
        return identities.branch_of(report.id) == effect.branch
    return report.id == effect.id


def open_effects(snapshot: Snapshot) -> list[Effect]:
    """Return the effects that are not settled."""
    return [effect for effect in snapshot.effects if effect.phase not in SETTLED]


def attempt_id(turn: Turn, *, branch: int, attempt: int) -> str:
    """Return the id of an attempt or request in the current step."""
    snapshot = turn.snapshot
    return identities.action_id(
        snapshot.instance, step=snapshot.step, branch=branch, attempt=attempt
    )


def decision(turn: Turn, effect: Effect) -> str:
    """Return the name of the effect's decision object."""
    return identities.decision(step=turn.snapshot.step, branch=effect.branch)


def set_timer(turn: Turn, effect: Effect, at: float) -> None:
    """Set the timer of an effect's present phase."""
    turn.set_timer(_timer(turn, effect), at)


def _timer(turn: Turn, effect: Effect) -> str:
    return identities.timer(
        effect.phase, step=turn.snapshot.step, branch=effect.branch, attempt=effect.attempt
    )


# Moves


def move(turn: Turn, effect: Effect, report: Report, *, moves: Moves) -> Effect:
    """Apply a report to an effect by a table of moves."""
    handler = moves.get(effect.phase, {}).get(report.what)
    return handler(turn, effect, report) if handler else effect


def enter(
    turn: Turn,
    effect: Effect,
    phase: EffectPhase,
    *,
    fault: Fault | None = None,
    value: Json = None,
) -> Effect:
    """Bring an effect into another phase; the timer of the old one is no longer wanted."""
    turn.stop_timer(_timer(turn, effect))
    return put(turn, replace(effect, phase=phase, fault=fault, value=value))


def succeed(turn: Turn, effect: Effect, report: Report) -> Effect:
    """Settle an effect with its answer, once no other attempt of it can commit."""
    if _is_sealing(effect):
        return effect
    for warning in report.warnings:
        turn.log(LogLevel.WARNING, warning)
    if not (report.has_rivals or _has_rivals(effect)):
        return enter(turn, effect, EffectPhase.SUCCEEDED, value=report.value)
    if effect.phase is EffectPhase.GIVING_UP:
        return put(turn, replace(effect, fault=None, value=report.value))
    sealing = enter(turn, effect, EffectPhase.GIVING_UP, value=report.value)
    ask_to_give_up(turn, sealing)
    return sealing


def _has_rivals(effect: Effect) -> bool:
    """Say whether an earlier attempt may still run somewhere, and commit where this one did not."""
    return effect.is_doubtful and effect.attempt > 0


def _is_sealing(effect: Effect) -> bool:
    """Say whether an effect has succeeded, and its rivals are being given up."""
    return effect.phase is EffectPhase.GIVING_UP and effect.fault is None


def fail(turn: Turn, effect: Effect, fault: Fault) -> Effect:
    """Settle an effect with an error that is known to be its end."""
    return enter(turn, effect, EffectPhase.FAILED, fault=fault)


def lose(turn: Turn, effect: Effect, report: Report) -> Effect:
    """Take note that nobody knows what became of an effect."""
    return give_up(turn, replace(effect, is_doubtful=True), report.fault)


def give_up(turn: Turn, effect: Effect, fault: Fault) -> Effect:
    """Begin to give an effect up, for the reason `fault`; at once when nothing can come of it."""
    if effect.phase is EffectPhase.GIVING_UP:
        return effect
    if not _may_commit(effect):
        return fail(turn, effect, fault)
    given_up = enter(turn, effect, EffectPhase.GIVING_UP, fault=fault)
    ask_to_give_up(turn, given_up)
    return given_up


def ask_to_give_up(turn: Turn, effect: Effect) -> None:
    """Have the shell give an effect up, and do not wait for its answer for ever."""
    turn.emit(_way_to_give_up(turn.snapshot, effect))
    set_timer(turn, effect, turn.at + timeouts.GIVE_UP_SECONDS)


def ways_to_give_up(snapshot: Snapshot) -> list[GiveUp | StopSubflow]:
    """Return what a shell does that cannot go on, so that nothing commits any more."""
    return [
        _way_to_give_up(snapshot, effect)
        for effect in open_effects(snapshot)
        if effect.kind in COMMITTING
    ]


def _way_to_give_up(snapshot: Snapshot, effect: Effect) -> GiveUp | StopSubflow:
    if effect.kind is EffectKind.SUBFLOW:
        return StopSubflow(action_id=effect.id)
    name = identities.decision(step=snapshot.step, branch=effect.branch)
    return GiveUp(action_id=effect.id, decision=name)


def _may_commit(effect: Effect) -> bool:
    if effect.kind not in COMMITTING:
        return False
    return effect.phase is EffectPhase.RUNNING or effect.is_doubtful


def _committed(turn: Turn, effect: Effect, report: Report) -> Effect:
    return enter(turn, effect, EffectPhase.SUCCEEDED, value=report.value)


def _given_up(turn: Turn, effect: Effect, report: Report) -> Effect:
    if _is_sealing(effect):
        return enter(turn, effect, EffectPhase.SUCCEEDED, value=effect.value)
    return fail(turn, effect, effect.reason)


def _ended_child(turn: Turn, effect: Effect, report: Report) -> Effect:
    """A child that has ended commits nothing any more; an action's failure says no such thing."""
    if effect.kind is EffectKind.SUBFLOW:
        return _given_up(turn, effect, report)
    return effect


def _unconfirmed(turn: Turn, effect: Effect, report: Report) -> Effect:
    turn.log(
        LogLevel.WARNING,
        f"could not confirm that {effect.kind} {effect.id} was given up; "
        "until its deadline it may still write variables",
    )
    return _given_up(turn, effect, report)


GIVING_UP: Final[Mapping[What, Move]] = {
    What.COMPLETE: succeed,  # its answer came after all
    What.FAILED: _ended_child,
    What.COMMITTED: _committed,
    What.GIVEN_UP: _given_up,
    What.DUE: _unconfirmed,
}
"""A failure of an action that is reported now is that of what was sent before, and not of the
giving up."""

MOVES: Final[Moves] = {
    EffectPhase.RUNNING: {What.COMPLETE: succeed, What.LOST: lose},
    EffectPhase.GIVING_UP: GIVING_UP,
}
"""Of reads and writes."""

DELAY_MOVES: Final[Moves] = {EffectPhase.RUNNING: {What.DUE: succeed}}
