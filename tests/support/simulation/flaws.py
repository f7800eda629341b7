"""Defects that a simulation can be given, to show that it finds them.

Each is a rule of the design that is broken in one place: in the shell, in the world outside, or in
what comes out of the engine. None is patched into the sources: the simulation asks whether it has
the flaw, or passes what the engine returns through `spoil`.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from varflow.engine import identities
from varflow.engine.messages import Command, SetTimer
from varflow.engine.snapshots import Snapshot

Result = tuple[Snapshot, list[Command]]


class Flaw(StrEnum):
    """What is wrong."""

    # The shell
    HASTE = "commands are carried out before the checkpoint"
    OVERWRITING = "a deposed control plane writes its checkpoint all the same"
    LOST_TIMERS = "a new control plane does not set timers again"
    # The world
    NO_FENCE = "sidecars and the API server take commands of a deposed control plane"
    NO_RIVALS = "that a pod out of sight may run an action is not said"
    RERUN = "an action that is sent again runs again"
    TWO_DECISIONS = "an attempt commits although another has"
    EMPTY_PROMISE = "giving up is confirmed and not written down"
    LIVE_CHILD = "a child is said to have stopped and runs on"
    # The engine
    NO_DOUBT = "that an attempt may have committed is forgotten"
    MIXED_ANSWERS = "answers of branches are in the order of their arrival"
    LOST_ANSWER = "of the answers of branches only the last one is kept"
    NO_LIMIT = "the hard timeout is not set"
    SAME_STEP = "entering a state does not count"


def spoil(flaw: Flaw | None, before: Snapshot, result: Result) -> Result:
    """Return what an engine with the flaw would have returned."""
    snapshot, commands = result
    match flaw:
        case Flaw.NO_DOUBT:
            return _without_doubt(snapshot), commands
        case Flaw.MIXED_ANSWERS | Flaw.LOST_ANSWER:
            return _with_other_answers(flaw, snapshot), commands
        case Flaw.NO_LIMIT:
            kept = [it for it in commands if not _is_limit(it)]
            return snapshot, kept
        case Flaw.SAME_STEP if before.step:
            return replace(snapshot, step=before.step), commands
        case _:
            return result


def _without_doubt(snapshot: Snapshot) -> Snapshot:
    effects = tuple(replace(effect, is_doubtful=False) for effect in snapshot.effects)
    return replace(snapshot, effects=effects)


def _with_other_answers(flaw: Flaw, snapshot: Snapshot) -> Snapshot:
    fan = snapshot.fan
    if fan is None:
        return snapshot
    if flaw is Flaw.LOST_ANSWER:
        return replace(snapshot, fan=replace(fan, results=fan.results[-1:]))
    branches = sorted(branch for branch, _ in fan.results)
    answers = [answer for _, answer in fan.results]
    return replace(snapshot, fan=replace(fan, results=tuple(zip(branches, answers, strict=True))))


def _is_limit(command: Command) -> bool:
    return isinstance(command, SetTimer) and command.timer == identities.KILL
