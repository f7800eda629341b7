"""What a valid workflow may hold and no shell of this version runs. PURE.

One table, asked before anything starts: by `varflow run`, by the operator when it accepts a
Workflow, and by `varflow lint` for its warnings. So the engine never meets such a state.

In Direktiv a workflow that events start cannot be started otherwise, and one that a clock starts
can. Hence the first is refused here, and the second runs for whoever starts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from varflow.language.codes import Code
from varflow.language.events import (
    ConsumeEventState,
    EventsAndState,
    EventsXorState,
    GenerateEventState,
)
from varflow.language.expressions import Fault
from varflow.language.starts import ScheduledStart, Start
from varflow.language.workflow import Workflow

_STATES: Final = (GenerateEventState, ConsumeEventState, EventsAndState, EventsXorState)
_STARTS: Final = (Start, ScheduledStart)
"""Starts of workflows that can be started by hand."""


def find_faults(workflow: Workflow) -> Iterator[Fault]:
    """Yield what keeps a workflow from being run at all, with its place in the spec."""
    if not isinstance(workflow.start, _STARTS):
        message = (
            f"a start of type {workflow.start.type} is accepted, and not run yet; "
            "take it out, and start instances yourself"
        )
        yield Fault(("start", "type"), message, code=Code.NOT_YET)
    for place, state in enumerate(workflow.states):
        if isinstance(state, _STATES):
            message = (
                f"a state of type {state.type} is accepted, and not run yet; "
                "until it is, the workflow runs only without it"
            )
            yield Fault(("states", place, "type"), message, code=Code.NOT_YET)


def find_idle(workflow: Workflow) -> Iterator[Fault]:
    """Yield what has no effect yet in a workflow that can be run."""
    if isinstance(workflow.start, ScheduledStart):
        message = (
            f"a start of type {workflow.start.type} is accepted, and not run yet; "
            "until it is, start instances yourself"
        )
        yield Fault(("start", "type"), message, code=Code.NOT_YET)
