"""By when an instance's attempts have to end: what they still write must not be swept before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.engine import timeouts
from varflow.errors import ObjectNotFound
from varflow.language.workflow import ActionState, Workflow
from varflow_operator.instances import records
from varflow_operator.instances.blueprints import BlueprintKey
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances
from varflow_operator.instances.records import Record
from varflow_operator.instances.running import KEPT_SECONDS
from varflow_operator.kinds import INSTANCE

FENCE_SECONDS: Final = timeouts.ACTION_SECONDS + KEPT_SECONDS
"""How long after its last decision an attempt may be left of an instance of which nothing more is
known: an action's usual timeout, and an hour."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long something of an instance may go on."""

    last: float
    """When its last attempt has to end: with the instance's own time."""
    outlives: bool
    """An action that nobody waited for may have outlived the instance."""


async def of(ground: Ground, record: Record) -> Deadline:
    """Return how long something of an instance may go on."""
    workflow = await _find_workflow(ground, record)
    if workflow is None:
        return Deadline(float("inf"), outlives=False)  # its decisions stay as long as its object
    began = records.parse_time(record.status.get("startTime")) or record.created_at
    return Deadline(
        began + timeouts.limits(workflow.timeouts).kill,
        outlives=any(isinstance(it, ActionState) and it.async_ for it in workflow.states),
    )


async def longest_in(ground: Ground, instances: Instances, namespace: str) -> float:
    """Return how many seconds the longest action may take of those that may run in a namespace."""
    longest = timeouts.ACTION_SECONDS
    async for found in ground.cluster.list(INSTANCE, namespace):
        record = records.read(found)
        if not record.status.get("startTime"):
            continue
        deadline = await of(ground, record)
        if deadline.outlives or instances.find_over(found["metadata"]["uid"]) is None:
            longest = max(longest, deadline.last - record.created_at)
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
