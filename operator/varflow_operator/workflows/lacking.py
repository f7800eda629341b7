"""What workflows may hold and a cluster does not run yet. PURE.

Such a workflow is refused as a whole, rather than started and found wanting half-way.
"""

from __future__ import annotations

from collections.abc import Iterator

from varflow.language.expressions import Fault
from varflow.language.workflow import ActionState, SubflowFunction, Workflow

_ADVICE = "in a cluster yet, only by `varflow run` on a machine"


def find_faults(workflow: Workflow) -> Iterator[Fault]:
    """Yield everything in a workflow that no cluster runs, with its place in the object."""
    for place, function in enumerate(workflow.functions):
        if isinstance(function, SubflowFunction):
            message = f"subflows are not run {_ADVICE}"
            yield Fault(("spec", "functions", place, "type"), message)
    for place, state in enumerate(workflow.states):
        if isinstance(state, ActionState) and state.async_:
            message = f"asynchronous actions are not run {_ADVICE}"
            yield Fault(("spec", "states", place, "async"), message)
