"""One action on its way to a pod and back, and how that can end without an outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from varflow.contract import CODE_CANCELLED, Dispatch, Outcome, OutcomeStatus
from varflow.errors import VarflowError
from varflow_operator.pods.functions import FunctionSettings, Pod

CODE_NOT_STARTED: Final = "direktiv.function.notStarted"
"""Ours: no pod of the function became ready; in Direktiv the instance waits for its timeout."""

GIVEN_UP: Final = Outcome(
    status=OutcomeStatus.CANCELLED, code=CODE_CANCELLED, message="the action was given up"
)


class PodLost(VarflowError):
    """A pod is gone, or cannot be reached; what became of the action is not known."""

    code = "pod_lost"
    status = 503


class NotStarted(Exception):
    """No pod has the action, and none will; the outcome says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(slots=True, kw_only=True, eq=False)
class Errand:
    """One attempt of an action."""

    dispatch: Dispatch
    settings: FunctionSettings
    is_resumed: bool
    """A control plane before this one may have sent it."""
    is_detached: bool = False
    """Nobody waits for its end."""
    pod: Pod | None = None
    """Where it is, or is about to be sent."""
    was_sent: bool = False
    """It may run somewhere."""
    has_rivals: bool = False
    """A pod that is out of sight may run it, beside the one that is asked."""
    is_given_up: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """A sidecar has it."""
    told: set[str] = field(default_factory=set)
    """URLs of the sidecars that have heard so."""

    def message(self) -> Dispatch:
        """Return what is to be sent now."""
        was_tried = self.is_resumed or self.was_sent or self.dispatch.attempt > 0
        return replace(self.dispatch, is_first=not was_tried)
