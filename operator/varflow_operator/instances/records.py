"""What the actor of an instance takes from its object. PURE.

The object's JSON is not kept: of a thousand live instances only what is still needed stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from varflow.engine.messages import Json
from varflow.variables.states import Trigger
from varflow_operator.instances import stopping
from varflow_operator.instances.stopping import Stop
from varflow_operator.kinds import WORKFLOW, Object
from varflow_operator.names import ConditionType

_FIRST_DEPTH = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """Who wrote a checkpoint, and which one it was."""

    epoch: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which instance it is."""

    namespace: str
    name: str
    uid: str
    user: str = ""
    """On whose behalf it runs, as far as that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The instance that has started one as a subflow."""

    uid: str
    depth: int
    """How many instances are above the one that it has started."""
    input_ref: str
    """Name of the parent's data object with the input, if it is large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One WorkflowInstance."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    workflow: str
    """Name of its Workflow."""
    revision: str
    """The revision that it asks for; empty for the present one."""
    input: Json
    trigger: Trigger
    """What started it."""
    parent: Parent | None
    """None for one that is no subflow."""
    stop: Stop | None
    """Somebody wants it to stop."""
    created_at: float
    owners: tuple[Mapping[str, Any], ...]
    status: Mapping[str, Any]

    @property
    def identity(self) -> Identity:
        """Which instance it is."""
        return Identity(
            namespace=self.namespace, name=self.name, uid=self.uid, user=self.trigger.user
        )

    @property
    def is_over(self) -> bool:
        """It has ended; nothing about it changes any more."""
        return any(
            condition.get("type") == ConditionType.COMPLETED and condition.get("status") == "True"
            for condition in self.status.get("conditions") or ()
        )

    @property
    def mark(self) -> Mark:
        """Who wrote last."""
        checkpoint = self.status.get("checkpoint") or {}
        return Mark(int(checkpoint.get("epoch", 0)), int(checkpoint.get("seq", 0)))

    @property
    def snapshot(self) -> str:
        """The engine's snapshot, if it is in the status."""
        return str((self.status.get("checkpoint") or {}).get("snapshot") or "")

    @property
    def snapshot_ref(self) -> str:
        """Name of the data object that holds the snapshot, if it is large."""
        return str((self.status.get("checkpoint") or {}).get("snapshotRef") or "")

    @property
    def output_ref(self) -> str:
        """Name of the data object that holds the output, if it is large."""
        return str(self.status.get("outputRef") or "")

    def has_owner(self, workflow_uid: str) -> bool:
        """Tell whether Kubernetes removes it with its workflow, or with who waits for its end.

        One with both would stay until both are gone.
        """
        parent = "" if self.parent is None else self.parent.uid
        return any(it.get("uid") in {workflow_uid, parent} for it in self.owners)

    def owners_with(self, workflow_uid: str) -> list[dict[str, Any]]:
        """Return the owner references with one to the workflow."""
        return [*map(dict, self.owners), WORKFLOW.reference(self.workflow, workflow_uid)]


def read(obj: Object) -> Record:
    """Return the record of an object as the API server sends it."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return Record(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        workflow=spec.get("workflow") or "",
        revision=spec.get("revision") or "",
        input=spec.get("input"),
        trigger=_read_trigger(spec.get("trigger") or {}),
        parent=_parent(spec.get("parent")),
        stop=stopping.wish(obj),
        created_at=parse_time(metadata.get("creationTimestamp")) or 0.0,
        owners=tuple(metadata.get("ownerReferences") or ()),
        status=obj.get("status") or {},
    )


def _read_trigger(spec: Mapping[str, Any]) -> Trigger:
    return Trigger(
        type=spec.get("type") or "", name=spec.get("name") or "", user=spec.get("user") or ""
    )


def _parent(given: Mapping[str, Any] | None) -> Parent | None:
    if not given:
        return None
    return Parent(
        uid=given["uid"],
        depth=given.get("depth", _FIRST_DEPTH),
        input_ref=given.get("inputRef") or "",
    )


def parse_time(text: str | None) -> float | None:
    """Return a time of the API in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() if text else None
