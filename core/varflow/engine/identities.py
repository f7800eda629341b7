"""How everything that an instance causes is named. PURE.

All names follow from instance, step, branch and attempt, so a command that is carried out again
after a restart names the same thing, and an answer to an earlier one is recognised as late. The
step counts entered states: a loop that comes back to a state makes new names.

| name             | of                       | differs by                     |
|------------------|--------------------------|--------------------------------|
| action id        | an attempt, a request    | instance, step, branch, attempt |
| decision         | an action within its instance | step, branch              |
| idempotency key  | an action                | instance, step, branch         |
| timer            | a wait                   | what for, step, branch, attempt |
"""

from __future__ import annotations

import hashlib
from typing import Final

INTERRUPT: Final = "interrupt"
"""Timer: the instance's soft timeout."""
KILL: Final = "kill"
"""Timer: the instance's hard timeout."""
GO_ON: Final = "go-on"
"""Timer: the shell had its turn, carry on (see `advancing.STATES_PER_TURN`)."""


def action_id(instance: str, *, step: int, branch: int, attempt: int) -> str:
    """Return the id of an attempt or a request: 32 hexadecimal digits."""
    name = f"{instance}\n{step}.{branch}.{attempt}"
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def decision(*, step: int, branch: int) -> str:
    """Return the name of an action's decision object within its instance."""
    return f"{step}.{branch}"


def idempotency_key(instance: str, *, step: int, branch: int) -> str:
    """Return what a function sees in every attempt of one action."""
    return f"{instance}.{step}.{branch}"


def timer(purpose: str, *, step: int, branch: int = 0, attempt: int = 0) -> str:
    """Return the id of a timer of a state."""
    return f"{purpose}.{step}.{branch}.{attempt}"


def branch_of(timer_id: str) -> int | None:
    """Return the branch that a state's timer belongs to; None for the instance's own."""
    parts = timer_id.split(".")
    return int(parts[2]) if len(parts) == 4 else None
