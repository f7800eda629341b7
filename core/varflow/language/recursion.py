"""Workflows that call one another in a circle which none of them leaves. PURE.

Such a call always ends the same way: ten levels deep, with `direktiv.limits.depth`. A circle as
such is fine, a tree is walked like that; so this looks for workflows that cannot end without
calling another of them. It begins with all and removes those that can until nothing changes. What
expressions yield is unknown here: every condition may be true, and every one false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from varflow.language import subflows, suspicions
from varflow.language.codes import Code
from varflow.language.expressions import Fault
from varflow.language.state_fields import StateCommon
from varflow.language.states import ActionState, calls_of
from varflow.language.workflow import ForeachState, ParallelState, SubflowFunction, Workflow

_Calls = Mapping[str, Mapping[str, str]]
"""By workflow, the workflows that its functions call, by the function's id."""


def find_faults(workflows: Mapping[str, Workflow]) -> Iterator[tuple[str, Fault]]:
    """Yield the workflows that never end well, each with the function that it calls another by."""
    calls = {name: dict(_callees(it, workflows)) for name, it in workflows.items()}
    endless = _endless(workflows, calls)
    following = {name: _unavoidable(workflows[name], calls[name], endless) for name in endless}
    for name in endless:
        circle = _circle(name, calls, following)
        if circle[-1] == name:
            ids = [function.id for function in workflows[name].functions]
            message = (
                f"{' → '.join(circle)} is a circle without an end; "
                "ten subflows deep it fails with direktiv.limits.depth"
            )
            path = ("functions", ids.index(following[name]), "workflow")
            yield name, Fault(path, message, code=Code.ENDLESS_SUBFLOWS)


def _callees(workflow: Workflow, workflows: Mapping[str, Workflow]) -> Iterator[tuple[str, str]]:
    for function in workflow.functions:
        if isinstance(function, SubflowFunction):
            name = subflows.find(function.workflow, workflows)
            if name is not None:
                yield function.id, name


def _endless(workflows: Mapping[str, Workflow], calls: _Calls) -> list[str]:
    left = [name for name in workflows if calls[name]]
    while True:
        kept = [name for name in left if _unavoidable(workflows[name], calls[name], left)]
        if kept == left:
            return left
        left = kept


def _unavoidable(workflow: Workflow, calls: Mapping[str, str], endless: list[str]) -> str:
    """Return the first function met that calls an endless workflow; empty if there is a way round.

    Walks the states from the first, and behind a call of an endless workflow only where its error
    is caught.
    """
    states = {state.id: state for state in workflow.states}
    queue = [workflow.start.state or workflow.states[0].id]
    found = ""
    for name in queue:
        function = _endless_call(states[name], calls, endless)
        found = found or function
        following = suspicions.caught(states[name])
        if not function:
            following += suspicions.targets(states[name])
        if None in following:
            return ""
        queue += [it for it in dict.fromkeys(following) if it and it not in queue]
    return found


def _endless_call(state: StateCommon, calls: Mapping[str, str], endless: list[str]) -> str:
    """Return the id of the function by which a state must call an endless workflow, or nothing."""
    called = [it.function for it in calls_of(state) if calls.get(it.function) in endless]
    match state:
        case ActionState(async_=True) | ForeachState():
            return ""  # goes on at once; may have nothing to call it for
        case ParallelState(mode="or") if len(called) < len(state.actions):
            return ""
        case _:
            return called[0] if called else ""


def _circle(name: str, calls: _Calls, following: Mapping[str, str]) -> list[str]:
    """Return the workflows from this one on, until one comes again."""
    passed = [name]
    while True:
        name = calls[name][following[name]]
        passed.append(name)
        if name in passed[:-1]:
            return passed
