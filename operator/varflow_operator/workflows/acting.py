"""Carries out what was decided about a workflow."""

from __future__ import annotations

from varflow_operator.cluster import Cluster
from varflow_operator.kinds import WORKFLOW, Object
from varflow_operator.workflows.deciding import Plan


async def act(plan: Plan, obj: Object, cluster: Cluster) -> None:
    """Carry out a plan; the status says that all is there once it is.

    Raises:
        ObjectRefused: the API server does not accept an object; nothing was deleted.
        ObjectConflict, ObjectNotFound: something has changed; gather and decide anew.
        ClusterError: the cluster failed.
    """
    for kind, body in plan.apply:
        await cluster.apply(kind, body)
    await write_status(plan, obj, cluster)
    for kind, body in plan.delete:
        metadata = body["metadata"]
        await cluster.delete(kind, metadata["namespace"], metadata["name"], uid=metadata["uid"])


async def write_status(plan: Plan, obj: Object, cluster: Cluster) -> None:
    """Write the status if it is another one.

    Raises:
        ObjectConflict, ObjectNotFound: as `act`.
        ClusterError: as `act`.
    """
    if plan.status != obj.get("status"):
        await cluster.replace_status(WORKFLOW, {**obj, "status": plan.status})
