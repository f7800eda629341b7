"""Wait for some time. PURE."""

from __future__ import annotations

from varflow.engine import effects
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectKind
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.workflow import DelayState


def enter(turn: Turn, state: DelayState) -> Work[Verdict]:
    """Set the timer."""
    yield from ()
    effect = effects.begin(turn, EffectKind.DELAY)
    effects.set_timer(turn, effect, turn.at + state.duration)
    return None


def on_report(turn: Turn, state: DelayState, effect: Effect, report: Report) -> Work[Verdict]:
    """Go on when the time has come."""
    yield from ()
    effects.move(turn, effect, report, moves=effects.DELAY_MOVES)
    return Next(data=turn.snapshot.data, transform=state.transform, transition=state.transition)
