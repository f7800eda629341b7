"""What instances of one revision share: the workflow, and where its functions' pods are.

A running instance finishes on the revision that it began with, whatever becomes of the Workflow's
spec. All instances of a revision share one value, which lives as long as one of them does; a few
more are kept for the next instance.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from varflow.language.workflow import Workflow
from varflow_operator.pods.functions import FunctionSettings
from varflow_operator.resources import plans
from varflow_operator.resources.plans import Owner
from varflow_operator.workflows.revisions import Revisions

_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class BlueprintKey:
    """What names a revision of a workflow."""

    namespace: str
    workflow: str
    workflow_uid: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """One revision of one workflow."""

    workflow: Workflow
    workflow_uid: str
    functions: dict[str, FunctionSettings]
    """By the function's id."""


class Blueprints:
    """Makes them, once for all who ask at the same time."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._kept: OrderedDict[BlueprintKey, asyncio.Task[Blueprint]] = OrderedDict()

    async def load(self, key: BlueprintKey) -> Blueprint:
        """Return the blueprint of a revision.

        Raises:
            ObjectNotFound: the revision is not kept any more, or never was.
            InvalidWorkflowFile: this version of Varflow does not accept it.
            ClusterError: the cluster could not say.
        """
        task = self._kept.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._kept[key] = asyncio.ensure_future(self._make(key))
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(task)

    async def _make(self, key: BlueprintKey) -> Blueprint:
        workflow = await self._revisions.load(key.namespace, key.workflow, key.revision)
        owner = Owner(namespace=key.namespace, name=key.workflow, uid=key.workflow_uid)
        return Blueprint(
            workflow=workflow,
            workflow_uid=key.workflow_uid,
            functions={
                pods.function.id: FunctionSettings.of(pods) for pods in plans.plan(workflow, owner)
            },
        )
