"""What there is of a workflow in the cluster, and what its spec says: all that a decision needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from varflow.errors import InvalidWorkflowFile, ObjectNotFound
from varflow.language.workflow import Workflow
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONTROLLER_REVISION, DEPLOYMENT, SECRET, Object
from varflow_operator.resources.plans import Owner
from varflow_operator.workflows import reading
from varflow_operator.workflows.revisions import Revisions

LiveRevisions: TypeAlias = Callable[[str], frozenset[str] | None]
"""Workflow UID -> the revisions that its unfinished instances run on; None while that is not known
yet, as before all instances have been seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One workflow, when it was looked at."""

    obj: Object
    """The Workflow object."""
    revision: str
    """Hash of its spec."""
    defined: Workflow | InvalidWorkflowFile
    """What the spec says, or what is wrong with it."""
    live: Mapping[str, Workflow] | None
    """What unfinished instances run, by revision; None when that is not wholly known."""
    secret: Object | None
    """The object that has the name of the sidecars' Secret."""
    deployments: tuple[Object, ...]
    revisions: tuple[Object, ...]
    """The ControllerRevisions."""

    @property
    def owner(self) -> Owner:
        """The workflow as the owner of its objects."""
        return owner_of(self.obj)

    @property
    def generation(self) -> int:
        """Which version of the spec this is."""
        return int(self.obj["metadata"].get("generation", 1))

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as it is."""
        return self.obj.get("status") or {}


def owner_of(obj: Object) -> Owner:
    """Return a Workflow object as the owner of its objects."""
    metadata = obj["metadata"]
    return Owner(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"])


async def gather(
    obj: Object, *, cluster: Cluster, revisions: Revisions, live: LiveRevisions
) -> Situation:
    """Look at everything that belongs to a Workflow object.

    Raises:
        VarflowError: the cluster could not say, or the programs could not be compiled.
    """
    owner, revision = owner_of(obj), reading.revision_of(obj)
    labels = names.selector({names.LABEL_WORKFLOW_UID: owner.uid})
    others = live(owner.uid)
    kept = cluster.list(CONTROLLER_REVISION, owner.namespace, labels=labels)
    deployments = cluster.list(DEPLOYMENT, owner.namespace, labels=labels)
    return Situation(
        obj=obj,
        revision=revision,
        defined=await _read(obj, is_compiled=_is_accepted(obj, revision)),
        live=None if others is None else await _load(owner, others - {revision}, revisions),
        secret=await cluster.find(SECRET, owner.namespace, names.sidecar_secret(owner.name)),
        deployments=tuple([it async for it in deployments]),
        revisions=tuple([it async for it in kept]),
    )


async def _read(obj: Object, *, is_compiled: bool) -> Workflow | InvalidWorkflowFile:
    try:
        return await asyncio.to_thread(reading.read, obj, is_compiled=is_compiled)
    except InvalidWorkflowFile as error:
        return error


async def _load(
    owner: Owner, wanted: Iterable[str], revisions: Revisions
) -> dict[str, Workflow] | None:
    """Return the revisions that instances run on, or None when one of them cannot be read."""
    try:
        return {
            revision: await revisions.load(owner.namespace, owner.name, revision)
            for revision in sorted(wanted)
        }
    except (ObjectNotFound, InvalidWorkflowFile):
        # those who run it hear of this; here it only means that nothing old may be taken away
        return None


def _is_accepted(obj: Object, revision: str) -> bool:
    """Tell whether the operator has found this very spec right before."""
    status = obj.get("status") or {}
    is_same = status.get("observedGeneration") == obj["metadata"].get("generation")
    return is_same and status.get("revision") == revision
