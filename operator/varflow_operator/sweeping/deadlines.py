"""By when an instance's attempts have to end: what they still write must not be swept before."""

from __future__ import annotations

from varflow.engine import timeouts
from varflow.errors import ObjectNotFound
from varflow.language.workflow import ActionState, Workflow
from varflow_operator.instances import records
from varflow_operator.instances.blueprints import BlueprintKey
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances
from varflow_operator.instances.records import Record
from varflow_operator.kinds import INSTANCE


async def last_of(ground: Ground, record: Record) -> float:
    """Return when the last attempt of an instance has to end: with the instance's own time."""
    began = records.parse_time(record.status.get("startTime")) or record.created_at
    workflow = await _find_workflow(ground, record)
    if workflow is None:
        return float("inf")  # then its decisions stay as long as its object
    return began + timeouts.limits(workflow.timeouts).kill


async def may_go_on(ground: Ground, record: Record) -> bool:
    """Tell whether an action that nobody waited for may have outlived its instance."""
    workflow = await _find_workflow(ground, record)
    states = () if workflow is None else workflow.states
    return any(isinstance(state, ActionState) and state.async_ for state in states)


async def longest_in(ground: Ground, instances: Instances, namespace: str) -> float:
    """Return how many seconds the longest action may take of those that may run in a namespace."""
    longest = timeouts.ACTION_SECONDS
    async for found in ground.cluster.list(INSTANCE, namespace):
        record = records.read(found)
        is_over = instances.find_over(found["metadata"]["uid"]) is not None
        if record.status.get("startTime") and (not is_over or await may_go_on(ground, record)):
            longest = max(longest, await last_of(ground, record) - record.created_at)
    return longest


async def _find_workflow(ground: Ground, record: Record) -> Workflow | None:
    """Return what an instance ran, if it is still kept."""
    key = BlueprintKey(
        record.namespace,
        record.workflow,
        record.status.get("workflowUID") or "",
        record.status.get("revision") or "",
    )
    try:
        return (await ground.blueprints.load(key)).workflow
    except ObjectNotFound:
        return None
