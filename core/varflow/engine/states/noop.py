"""A state that does nothing of its own: log, transform and transition are common to all. PURE."""

from __future__ import annotations

from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import NoopState


def enter(turn: Turn, state: NoopState) -> Work[Verdict]:
    """Go on."""
    yield from ()
    return Next(data=turn.snapshot.data, transform=state.transform, transition=state.transition)
