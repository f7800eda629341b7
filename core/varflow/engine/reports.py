"""What an event says about an effect, whichever kind of effect it is. PURE.

Events name what happened in the shell's words; the moves of an effect depend on much less: which
effect, what became of it, and with which value or reason. Reducing events to that first lets the
moves be plain tables (`effects`, `attempts`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from varflow.contract import CODE_CONTAINER_FAILED, Outcome, OutcomeStatus
from varflow.engine import codes, timeouts
from varflow.engine.faults import Fault, make_fault
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DataLoaded,
    DataStored,
    EffectFailed,
    Event,
    InstanceStatus,
    Json,
    SubflowFinished,
    TimerFired,
    VariablesRead,
    VariablesWritten,
)


class What(StrEnum):
    """What became of an effect."""

    COMPLETE = "complete"
    FAILED = "failed"
    """It ended with an error and has not committed."""
    TIMED_OUT = "timed-out"
    """Its sidecar stopped it at its deadline, when it may have been about to commit."""
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    """Somebody else stopped it, such as a pod that went away."""
    LOST = "lost"
    """The shell cannot say; it may have committed."""
    GIVEN_UP = "given-up"
    """It has not committed and never will."""
    COMMITTED = "committed"
    """It had committed when it was given up; no other attempt will."""
    DUE = "due"
    """Its timer fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An event, as far as an effect is concerned."""

    id: str
    """The effect's, or that of its timer."""
    what: What
    value: Json = None
    fault: Fault = timeouts.SOFT
    """Why, if it is not complete; out of time if nobody says otherwise."""
    warnings: tuple[str, ...] = ()
    has_rivals: bool = False
    """What it says may not be all that comes of the effect."""


def of(event: Event) -> Report | None:
    """Return what `event` reports; None for one that is about the instance."""
    match event:
        case ActionFinished() | ActionGivenUp() | SubflowFinished():
            return _of_call(event)
        case VariablesRead() | DataLoaded():
            return Report(id=event.request, what=What.COMPLETE, value=list(event.values))
        case VariablesWritten() | DataStored():
            return Report(id=event.request, what=What.COMPLETE)
        case EffectFailed():
            fault = make_fault(event.code, event.message, is_catchable=event.is_catchable)
            return Report(id=event.request, what=What.LOST, fault=fault)
        case TimerFired():
            return Report(id=event.timer, what=What.DUE)
        case _:
            return None


def _of_call(event: ActionFinished | ActionGivenUp | SubflowFinished) -> Report:
    match event:
        case ActionFinished():
            report = _of_outcome(event.action_id, event.outcome)
            return replace(report, has_rivals=event.has_rivals)
        case SubflowFinished():
            return _of_child(event)
        case ActionGivenUp() if event.outcome is None:
            return Report(id=event.action_id, what=What.GIVEN_UP)
        case ActionGivenUp():
            return Report(id=event.action_id, what=What.COMMITTED, value=event.outcome.output)


def _of_outcome(id: str, outcome: Outcome) -> Report:
    return Report(
        id=id,
        what=_what(outcome),
        value=outcome.output,
        fault=_fault_of(outcome),
        warnings=outcome.warnings,
    )


def _of_child(event: SubflowFinished) -> Report:
    """Return how a child ended; its error is catchable here, whatever it was there."""
    if event.status is InstanceStatus.COMPLETE:
        return Report(id=event.action_id, what=What.COMPLETE, value=event.output)
    code = event.code or codes.INTERNAL
    fault = Fault(code=code, message=event.message, is_catchable=True)
    return Report(id=event.action_id, what=What.FAILED, fault=fault)


def _what(outcome: Outcome) -> What:
    if outcome.status is OutcomeStatus.FAILED and outcome.code == codes.TIMEOUT_SOFT:
        return What.TIMED_OUT
    return What(outcome.status)


def _fault_of(outcome: Outcome) -> Fault:
    """Return why; a crash has one code and no catch, whatever the outcome says."""
    if outcome.status is OutcomeStatus.CRASHED:
        return make_fault(codes.INTERNAL, outcome.message)
    return make_fault(outcome.code or _USUAL_CODES[outcome.status], outcome.message)


_USUAL_CODES: Final = {
    OutcomeStatus.COMPLETE: "",
    OutcomeStatus.FAILED: CODE_CONTAINER_FAILED,
    OutcomeStatus.CANCELLED: codes.CANCELLED,
}
