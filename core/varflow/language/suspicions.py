"""What is allowed in a workflow and hardly meant: `varflow lint` warns of it. PURE.

None of it is refused: Direktiv runs such files, and some is wrong only until the next edit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from varflow.language import patterns, wording
from varflow.language.codes import Code
from varflow.language.events import EventFilter, EventsXorState
from varflow.language.expressions import Dialect, Fault, Literal, Path, Template
from varflow.language.state_fields import StateCommon
from varflow.language.states import ForeachState, SwitchState
from varflow.language.workflow import Workflow


def find_faults(workflow: Workflow) -> Iterator[Fault]:
    """Yield what is suspicious in a valid workflow."""
    for check in _CHECKS:
        yield from check(workflow)


def targets(state: StateCommon) -> list[str | None]:
    """Return the states that may come after a state's own work; None is the end."""
    stops: list[str | None] = [] if state.stopIf is None else [None]
    if isinstance(state, EventsXorState):
        return [*(it.transition for it in state.events), *stops]
    if isinstance(state, SwitchState):
        return [*(it.transition for it in state.conditions), state.defaultTransition, *stops]
    return [state.transition, *stops]


def caught(state: StateCommon) -> list[str | None]:
    """Return the states that may come after an error of a state; None is the end."""
    return [it.transition for it in state.catch]


def _states_are_reached(workflow: Workflow) -> Iterator[Fault]:
    states = {state.id: state for state in workflow.states}
    queue = [workflow.start.state or workflow.states[0].id]
    reached = set(queue)
    for name in queue:
        found = {it for it in (*targets(states[name]), *caught(states[name])) if it} - reached
        reached |= found
        queue += found
    for place, state in enumerate(workflow.states):
        if state.id not in reached:
            message = f"nothing leads to the state {wording.shown(state.id)}; it never runs"
            yield Fault(("states", place, "id"), message, code=Code.UNREACHABLE)


def _catches_are_reached(workflow: Workflow) -> Iterator[Fault]:
    for place, state in enumerate(workflow.states):
        for later, catch in enumerate(state.catch):
            for earlier, other in enumerate(state.catch[:later]):
                if patterns.covers(other.error, catch.error):
                    message = (
                        f"is never reached: catch[{earlier}] takes every error that "
                        f"{wording.shown(catch.error)} stands for; put this one before it"
                    )
                    path: Path = ("states", place, "catch", later, "error")
                    yield Fault(path, message, code=Code.UNREACHABLE)
                    break


def _events_are_told_apart(workflow: Workflow) -> Iterator[Fault]:
    for place, state in enumerate(workflow.states):
        first: dict[EventFilter, int] = {}
        for later, case in enumerate(state.events if isinstance(state, EventsXorState) else ()):
            earlier = first.setdefault(case.event, later)
            if earlier != later:
                message = f"is never reached: events[{earlier}] waits for the same event"
                path: Path = ("states", place, "events", later, "event")
                yield Fault(path, message, code=Code.UNREACHABLE)


def _programs_are_no_texts(workflow: Workflow) -> Iterator[Fault]:
    if workflow.dialect is not Dialect.WRAPPED:
        return
    for place, state in enumerate(workflow.states):
        for path, template, need in _fields_that_need_programs(state):
            if isinstance(template, Literal) and isinstance(template.value, str):
                message = f"is a text, {need}; in this file programs are written jq(...)"
                yield Fault(("states", place, *path), message, code=Code.PROGRAM_AS_TEXT)


def _fields_that_need_programs(
    state: StateCommon,
) -> Iterator[tuple[Path, Template | None, str]]:
    yield ("transform",), state.transform, "and a transform gives an object"
    yield ("stopIf",), state.stopIf, "which decides the same every time"
    if isinstance(state, ForeachState):
        yield ("array",), state.array, "and a list is needed"
    if isinstance(state, SwitchState):
        yield ("defaultTransform",), state.defaultTransform, "and a transform gives an object"
        for place, condition in enumerate(state.conditions):
            path = ("conditions", place)
            yield (*path, "condition"), condition.condition, "which decides the same every time"
            yield (*path, "transform"), condition.transform, "and a transform gives an object"
    if isinstance(state, EventsXorState):
        for place, case in enumerate(state.events):
            yield ("events", place, "transform"), case.transform, "and a transform gives an object"


_CHECKS: Final[tuple[Callable[[Workflow], Iterator[Fault]], ...]] = (
    _states_are_reached,
    _catches_are_reached,
    _events_are_told_apart,
    _programs_are_no_texts,
)
"""All of them; one more is one more line."""
