"""Go on by conditions: the first that is true decides, with its own transform. PURE.

True is all but null, false, "", 0, [] and {}, which is Python's rule for JSON values. A program
that yields null is an error before it comes to that, as everywhere (design.md §4). A switch has
no transform and transition beside those of its arms and its default.
"""

from __future__ import annotations

from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import SwitchState


def enter(turn: Turn, state: SwitchState) -> Work[Verdict]:
    """Take the first arm whose condition is true, else the default."""
    data = turn.snapshot.data
    for arm in state.conditions:
        if (yield from turn.evaluate(arm.condition)):
            return Next(data=data, transform=arm.transform, transition=arm.transition)
    return Next(data=data, transform=state.defaultTransform, transition=state.defaultTransition)
