"""The types of states: one module each, and one table of them. PURE.

A state's module has up to three functions:

* `enter(turn, state)`: do what the state is for, or send it out;
* `on_report(turn, state, effect, report)`: go on after something happened to one of its effects;
* `resume(turn, state)`: after a restart of the shell, send out again what is running.

The first two return a `Next` when the state is done, or None while it waits, and raise
`StateError`. What all states share, from log to catch, is in `stepping` and `leaving`. Giving up
is, too: a state that is left with open effects, for whatever reason, never hears of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect
from varflow.engine.states import (
    action,
    delay,
    error,
    foreach,
    getter,
    noop,
    parallel,
    setter,
    switch,
    validate,
)
from varflow.engine.turns import Turn, Verdict, Work


def _waits_for_nothing(turn: Turn, state: Any, effect: Effect, report: Report) -> Work[Verdict]:
    raise NotImplementedError(f"a {state.type} state has no effects")


def _sends_nothing(turn: Turn, state: Any) -> Work[None]:
    yield from ()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a type of state does. Its functions take that type's model, hence `Any`."""

    enter: Callable[[Turn, Any], Work[Verdict]]
    on_report: Callable[[Turn, Any, Effect, Report], Work[Verdict]] = _waits_for_nothing
    resume: Callable[[Turn, Any], Work[None]] = _sends_nothing


TABLE: Final = {
    "action": Behaviour(action.enter, action.on_report, action.resume),
    "delay": Behaviour(delay.enter, delay.on_report),
    "error": Behaviour(error.enter),
    "foreach": Behaviour(foreach.enter, foreach.on_report, foreach.resume),
    "getter": Behaviour(getter.enter, getter.on_report, getter.resume),
    "noop": Behaviour(noop.enter),
    "parallel": Behaviour(parallel.enter, parallel.on_report, parallel.resume),
    "setter": Behaviour(setter.enter, setter.on_report, setter.resume),
    "switch": Behaviour(switch.enter),
    "validate": Behaviour(validate.enter),
}
