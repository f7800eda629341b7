"""Who somebody is to a cluster, for workflows that keep the states of their users apart."""

from __future__ import annotations

from varflow_operator.cluster import Cluster
from varflow_operator.kinds import SELF_SUBJECT_REVIEW, Object


async def find_user(cluster: Cluster, workflow: Object) -> str:
    """Return the caller's name if the workflow wants to know it; else an empty text.

    Raises:
        ClusterError: the cluster could not say.
    """
    if not (workflow["spec"].get("state") or {}).get("perUser"):
        return ""
    review = await cluster.create(SELF_SUBJECT_REVIEW, {"metadata": {}})
    return str(review["status"]["userInfo"]["username"])
