"""What the status of an instance says. PURE.

`View` is what is shown to people and tools, beside the checkpoint that only the control plane
reads. `phase` says what the conditions say, in one word: `Succeeded` is Unknown while the instance
is active, and `Completed` is True on any end, so that `kubectl wait` never hangs on a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from varflow.engine.messages import EnterState, Finish, InstanceStatus, Json
from varflow_operator import conditions
from varflow_operator.conditions import Condition, Status
from varflow_operator.instances.records import Mark, Record, parse_time
from varflow_operator.names import ConditionType, Reason

RECENT_STEPS: Final = 20
"""Steps that the status lists: the last ones."""
MAX_OUTPUT_BYTES: Final = 16 * 1024
"""Longest output in the status; a longer one is an object in the store."""
MAX_REASON: Final = 1000
"""Longest reason, in characters."""


class Phase(StrEnum):
    """Where an instance stands, for people."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"


_ENDS: Final[Mapping[InstanceStatus, tuple[Phase, Reason]]] = {
    InstanceStatus.COMPLETE: (Phase.COMPLETE, Reason.SUCCEEDED),
    InstanceStatus.FAILED: (Phase.FAILED, Reason.FAILED),
    InstanceStatus.CRASHED: (Phase.CRASHED, Reason.CRASHED),
    InstanceStatus.CANCELLED: (Phase.CANCELLED, Reason.CANCELLED),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A state that was entered."""

    state: str
    step: int
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown of an instance."""

    workflow_uid: str = ""
    revision: str = ""
    started_at: float | None = None
    """When the engine began; None while the instance is pending."""
    recent: tuple[Step, ...] = ()
    reason: str = ""
    """Why it waits; empty when it waits for nothing but its work."""
    pending: Reason = Reason.PENDING
    """Why it has not started."""
    finish: Finish | None = None
    completed_at: float | None = None
    output_ref: str = ""
    """Name of the data object with the output, if it is large."""

    def entering(self, command: EnterState, *, at: float) -> View:
        """Return the view after a state was entered."""
        steps = (*self.recent, Step(command.state, command.step, at))
        return replace(self, recent=steps[-RECENT_STEPS:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a control plane needs to go on."""

    mark: Mark
    snapshot: str = ""
    ref: str = ""


def view_of(record: Record) -> View:
    """Return what the status of an instance shows."""
    status = record.status
    return View(
        workflow_uid=status.get("workflowUID") or "",
        revision=status.get("revision") or "",
        started_at=parse_time(status.get("startTime")),
        recent=tuple(
            Step(it["state"], it["step"], parse_time(it.get("startTime")) or 0.0)
            for it in status.get("recentSteps") or ()
        ),
        reason=status.get("reason") or "",
    )


def render(
    view: View,
    checkpoint: Checkpoint,
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: float,
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        view: what is shown.
        checkpoint: what is kept.
        previous: the status before, for the times of the conditions.
        generation: the spec's.
        now: seconds since the epoch.
    """
    status = {
        "phase": str(phase(view)),
        "conditions": conditions.merge(
            previous.get("conditions") or (), _conditions(view), generation=generation, now=now
        ),
        "observedGeneration": generation,
        "checkpoint": _checkpoint(checkpoint),
        **_given(
            workflowUID=view.workflow_uid,
            revision=view.revision,
            reason=view.reason[:MAX_REASON],
            outputRef=view.output_ref,
            startTime=_time(view.started_at),
            completionTime=_time(view.completed_at),
        ),
    }
    if view.recent:
        status |= _steps(view.recent)
    if view.finish is not None:
        status |= _end(view.finish, is_output_elsewhere=bool(view.output_ref))
    return status


def phase(view: View) -> Phase:
    """Return where an instance stands, in one word."""
    if view.finish is not None:
        return _ENDS[view.finish.status][0]
    return Phase.PENDING if view.started_at is None else Phase.RUNNING


def _conditions(view: View) -> tuple[Condition, Condition]:
    if view.finish is None:
        reason = view.pending if view.started_at is None else Reason.STARTED
        return (
            Condition(ConditionType.SUCCEEDED, Status.UNKNOWN, reason, view.reason),
            Condition(ConditionType.COMPLETED, Status.FALSE, reason, view.reason),
        )
    end, reason = _ENDS[view.finish.status]
    message = ": ".join(filter(None, (view.finish.code, view.finish.message)))
    succeeded = Status.TRUE if end is Phase.COMPLETE else Status.FALSE
    return (
        Condition(ConditionType.SUCCEEDED, succeeded, reason, message),
        Condition(ConditionType.COMPLETED, Status.TRUE, reason, message),
    )


def _checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "epoch": checkpoint.mark.epoch,
        "seq": checkpoint.mark.seq,
        **_given(snapshot=checkpoint.snapshot, snapshotRef=checkpoint.ref),
    }


def _steps(recent: tuple[Step, ...]) -> dict[str, Json]:
    return {
        "state": recent[-1].state,
        "step": recent[-1].step,
        "recentSteps": [
            {"state": it.state, "step": it.step, "startTime": _time(it.started_at)} for it in recent
        ],
    }


def _end(finish: Finish, *, is_output_elsewhere: bool) -> dict[str, Json]:
    has_output = finish.output is not None and not is_output_elsewhere
    error = {
        "code": conditions.shortened(finish.code),
        "message": conditions.shortened(finish.message),
    }
    return {
        **({"output": finish.output} if has_output else {}),
        **({"error": error} if finish.code or finish.message else {}),
    }


def _time(seconds: float | None) -> str:
    return "" if seconds is None else conditions.timestamp(seconds)


def _given(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}
