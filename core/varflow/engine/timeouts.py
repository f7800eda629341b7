"""How long an instance may take (direktiv-contract.md §3.8). PURE.

    interrupt   soft: the state in which it happens gets a catchable error     default 15 min
    kill        hard: the instance ends                                        default 20 min

`interrupt` alone moves `kill` to 5 minutes later. Where both would come at the same moment only
`kill` counts: a workflow that sets `kill: PT60S` wants to end then, and Direktiv's tests expect the
hard code. Timeouts of actions lie within these and never extend them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.engine import codes
from varflow.engine.faults import Fault
from varflow.language.workflow import Timeouts

INTERRUPT_SECONDS: Final = 15 * 60.0
KILL_SECONDS: Final = 20 * 60.0
KILL_AFTER_INTERRUPT_SECONDS: Final = 5 * 60.0

ACTION_SECONDS: Final = 15 * 60.0
"""An action's timeout when its state names none."""

REPORT_SECONDS: Final = 15.0
"""How long after a deadline the sidecar's own report is waited for. It is the better one, since it
knows what became of the function; it comes after the function's grace of 10 s."""

GIVE_UP_SECONDS: Final = 30.0
"""How long the confirmation that an action will not commit is waited for. The shell tries again
within that time; an instance ends within 60 s of the last fault (design.md §8)."""

SOFT: Final = Fault(code=codes.TIMEOUT_SOFT, message="operation timed out")
HARD: Final = Fault(code=codes.TIMEOUT_HARD, message="workflow timed out", is_catchable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Both timeouts in seconds after the start; no `interrupt` when `kill` is not later."""

    interrupt: float | None
    kill: float


def limits(given: Timeouts) -> Limits:
    """Fill in what a workflow does not say."""
    interrupt = INTERRUPT_SECONDS if given.interrupt is None else given.interrupt
    kill = _default_kill(given) if given.kill is None else given.kill
    return Limits(interrupt=interrupt if interrupt < kill else None, kill=kill)


def _default_kill(given: Timeouts) -> float:
    if given.interrupt is None:
        return KILL_SECONDS
    return given.interrupt + KILL_AFTER_INTERRUPT_SECONDS
