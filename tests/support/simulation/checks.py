"""What has to hold of every history; the world checks more, where effects happen.

* a checkpoint that is read is the one that was written;
* each state that is entered follows one from which a transition, catch or arm leads to it, and no
  control plane enters again what a checkpoint before it had entered;
* an answer that the workflow sees is that of the attempt that has taken effect, at its branch's
  place; a branch that the workflow takes for failed or lost has taken none;
* the instance ends, soon after its hard timeout or the last fault at the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.support.simulation.pods import Key
from tests.support.simulation.violations import Violation
from tests.support.simulation.world import Instance, World
from varflow.engine import codes, timeouts
from varflow.engine.messages import DispatchAction, StartSubflow, StoreData, WriteVariables
from varflow.engine.snapshots import Phase, Snapshot
from varflow.language.states import SwitchState
from varflow.language.workflow import State, Workflow

if TYPE_CHECKING:
    from tests.support.simulation.runs import Request

Json = Any

SLACK_SECONDS: Final = 15.0
"""What a control plane may dawdle in all."""
_KNOWN_FAILURES: Final = frozenset({"oops", "other", codes.RETRIES_EXCEEDED})
"""Codes by which an action ends only when it has not taken effect."""


def check_kept(instance: Instance, snapshot: Snapshot) -> None:
    """Check that reading and writing a checkpoint are inverse."""
    if snapshot.encode() != instance.snapshot:
        raise Violation("a checkpoint is not what was written")


def check_progress(instance: Instance, snapshot: Snapshot, entered: tuple[str, ...]) -> None:
    """Check the states that a checkpoint adds to those before."""
    known = len(instance.entered)
    if entered[:known] != instance.entered or len(entered) != snapshot.step:
        raise Violation(f"states {instance.entered} were entered, and then {entered}")
    workflow = instance.workflow
    states = {state.id: state for state in workflow.states}
    for place in range(max(known, 1), len(entered)):
        before, after = states[entered[place - 1]], entered[place]
        if after not in _successors(before):
            raise Violation(f"state {after} was entered after {before.id}")


def _successors(state: State) -> set[str | None]:
    arms = state.conditions if isinstance(state, SwitchState) else ()
    default = state.defaultTransition if isinstance(state, SwitchState) else None
    ways = (*arms, *state.catch, state)
    return {default, *(way.transition for way in ways)}


def check_same(world: World, request: Request) -> None:
    """Check that an id means the same work whichever control plane asks."""
    found = _meaning(request)
    if found is None:
        return
    id, work = found
    if world.work.setdefault(id, work) != work:
        raise Violation(f"{request} was asked before with another meaning: {world.work[id]}")


def _meaning(request: Request) -> tuple[str, Json] | None:
    match request:
        case DispatchAction():
            return request.action_id, (request.function, request.input, request.iterator)
        case StartSubflow():
            return request.action_id, (request.workflow, request.input, request.depth)
        case WriteVariables():
            return request.request, request.items
        case StoreData():
            return request.request, (request.name, request.value)
        case _:
            return None


def check_end(world: World, instance: Instance) -> None:
    """Check that an instance ends in time."""
    limit = timeouts.limits(instance.workflow.timeouts).kill
    latest = max(instance.begun + limit, world.last_fault) + timeouts.GIVE_UP_SECONDS
    if world.now > latest + SLACK_SECONDS:
        raise Violation(f"{instance.uid} ends {world.now - latest:g} s too late")


def check_leaving(world: World, instance: Instance, before: Snapshot, after: Snapshot) -> None:
    """Check what a state that waited has left behind."""
    if before.phase is not Phase.INSIDE or not _is_left(before, after):
        return
    state = _state(instance.workflow, before.state)
    error, answer = _news(before, after, "error"), _news(before, after, "return")
    code = after.ending.code if after.ending else (error or {}).get("code")
    key = instance.uid, f"{before.step}.0"
    if state.type in {"action", "setter"} and code in _KNOWN_FAILURES:
        _check_no_effect(world, key)
    if state.type == "action" and isinstance(answer, dict):
        _check_answer(world, key, answer)
    if isinstance(answer, list) and answer:
        for branch, value in enumerate(answer):
            _check_answer(world, (instance.uid, f"{before.step}.{branch}"), value)


def _is_left(before: Snapshot, after: Snapshot) -> bool:
    return after.step > before.step or after.phase in {Phase.OVER, Phase.BETWEEN}


def _news(before: Snapshot, after: Snapshot, name: str) -> Json:
    """Return what a field of the data is now, if it was not that before."""
    if not isinstance(after.data, dict):
        return None
    now = after.data.get(name)
    return None if now == before.data.get(name) else now


def _state(workflow: Workflow, id: str) -> State:
    return next(state for state in workflow.states if state.id == id)


def _check_answer(world: World, key: Key, answer: Json) -> None:
    if answer is None or "error" in answer:
        _check_no_effect(world, key)
        return
    if answer["of"] != key[1]:
        raise Violation(f"{key} has the answer of {answer['of']}")
    decided = world.decisions.get(key)
    is_other = decided is not None and decided.output != answer
    if is_other and key not in world.unconfirmed:
        raise Violation(f"{key} took effect with {decided}, and answers {answer}")


def _check_no_effect(world: World, key: Key) -> None:
    if world.effects.get(key) and key not in world.unconfirmed:
        raise Violation(f"{key} has taken effect, and the workflow does not know")
