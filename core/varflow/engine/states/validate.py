"""Check data against a JSON Schema. PURE."""

from __future__ import annotations

from varflow.engine import codes
from varflow.engine.faults import StateError
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import ValidateState


def enter(turn: Turn, state: ValidateState) -> Work[Verdict]:
    """Go on if the subject is valid; the error names everything that is not."""
    data = turn.snapshot.data
    subject = data if state.subject is None else (yield from turn.evaluate(state.subject))
    found = state.schema_.find_errors(subject)
    if found:
        raise StateError(codes.SCHEMA_FAILED, "; ".join(found))
    return Next(data=data, transform=state.transform, transition=state.transition)
