"""The revisions of workflows that instances run on, as typed values.

A ControllerRevision never changes and is named by the hash of what it keeps, so what was read once
stays true. Only a few are remembered: whoever runs an instance holds its workflow anyway.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from varflow.language.workflow import Workflow
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONTROLLER_REVISION, WORKFLOW, Object
from varflow_operator.workflows import reading

_REMEMBERED: Final = 64


class Revisions:
    """Reads revisions of workflows from the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: OrderedDict[tuple[str, str, str], Workflow] = OrderedDict()

    async def load(self, namespace: str, workflow: str, revision: str) -> Workflow:
        """Return a workflow as it was in one of its revisions.

        Raises:
            ObjectNotFound: the revision is not kept any more, or never was.
            InvalidWorkflowFile: this version of Varflow does not accept it.
            ClusterError: the cluster could not say.
        """
        key = (namespace, workflow, revision)
        if key not in self._known:
            self._known[key] = await self._load(*key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    async def _load(self, namespace: str, workflow: str, revision: str) -> Workflow:
        name = names.revision(workflow, revision)
        found = await self._cluster.get(CONTROLLER_REVISION, namespace, name)
        obj = object_of(found, workflow)
        return await asyncio.to_thread(reading.read, obj, is_compiled=True)


def object_of(kept: Object, workflow: str) -> Object:
    """Return the Workflow object that a ControllerRevision keeps the spec of."""
    data = kept.get("data")
    return {
        "apiVersion": WORKFLOW.api_version,
        "kind": WORKFLOW.name,
        "metadata": {"name": workflow, "namespace": kept["metadata"]["namespace"]},
        "spec": data.get("spec") if isinstance(data, dict) else None,
    }
