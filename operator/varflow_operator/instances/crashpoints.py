"""The places where a process that dies leaves something half done, by name.

Nothing happens here: a point is passed. Tests let the control plane end at each of them and look at
what the next one makes of it; the names say what is done and what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """Between which two steps."""

    ADOPTED = "the instance is owned by its workflow, no epoch is written"
    SPILLED = "the large snapshot is in the store, the status does not name it"
    CHECKPOINTED = "the snapshot is in the status, its commands are not carried out"
    PLACED = "a pod is chosen, the action is not sent"
    SENT = "the action runs, nobody has its outcome"
    ANSWERED = "the outcome is here, the engine has not heard of it"
    DECIDED = "the engine has gone on, the new snapshot is not in the status"
    WRITTEN = "a setter has committed, the engine has not heard of it"
    STOPPED = "the function was told to stop, its action is not abandoned"
    ABANDONED = "the action is abandoned, the engine has not heard of it"
    TAKEN = "a pod has the action that nobody waits for, the engine has not heard of it"
    INPUT_STORED = "the large input of a subflow is in the store, its instance is not there"
    CHILD_MADE = "the instance of a subflow is there, nobody waits for its end"
    CHILD_ENDED = "the instance of a subflow has ended, the engine has not heard of it"
    CHILD_STOPPED = "the instance of a subflow is cancelled, nobody waits for its end"
    STORED = "the large output is in the store, the status does not name it"
    FINISHED = "the end is in the status, the variables have not ended"
    ENDED = "the variables have ended, the actor has not"


Pass = Callable[[CrashPoint], None]
"""Called at each point."""


def go_on(_point: CrashPoint) -> None:
    """Pass a point."""
