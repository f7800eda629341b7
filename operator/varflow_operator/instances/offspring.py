"""The instances that subflows run as: what they say, and what it means for those above. PURE.

A child that is waited for is owned by its parent alone, and goes with it. With its own Workflow as
a second owner it would stay until both are gone. One that nobody waits for is owned by its Workflow
as every other instance is, and lives on.
"""

from __future__ import annotations

from typing import Final

from varflow.contract import CODE_CANCELLED
from varflow.engine import codes
from varflow.engine.messages import InstanceStatus, Json, StartSubflow, SubflowFinished
from varflow.errors import ObjectExists, VarflowError
from varflow_operator import names
from varflow_operator.instances import records, stopping
from varflow_operator.instances.records import Identity
from varflow_operator.kinds import INSTANCE, WORKFLOW, Object

MAX_INPUT_BYTES: Final = 16 * 1024
"""Longest input in the object; a longer one is an object in the store."""


def name_of(parent: Identity, action_id: str) -> str:
    """Return the name of the instance that a call runs as."""
    return names.child_instance(parent.name, uid=parent.uid, action_id=action_id)


def make(
    parent: Identity,
    command: StartSubflow,
    *,
    workflow: str,
    workflow_uid: str,
    input_ref: str,
) -> Object:
    """Return the manifest of a call's instance.

    Args:
        parent: who calls.
        command: the engine's.
        workflow: name of the Workflow that runs.
        workflow_uid: its UID, if it is there.
        input_ref: name of the data object with the input, if it is large.
    """
    owner = WORKFLOW.reference(workflow, workflow_uid)
    if not command.is_detached:
        owner = INSTANCE.reference(parent.name, parent.uid)
    given = {"inputRef": input_ref} if input_ref else {}
    user = {"user": parent.user} if parent.user else {}
    return {
        "metadata": {
            "namespace": parent.namespace,
            "name": name_of(parent, command.action_id),
            "ownerReferences": [owner] if owner["uid"] else [],
        },
        "spec": {
            "workflow": workflow,
            **({} if input_ref else {"input": command.input}),
            "trigger": {"type": "subflow", **user},
            "parent": {"name": parent.name, "uid": parent.uid, "depth": command.depth, **given},
        },
    }


def is_of(obj: Object, parent: Identity) -> bool:
    """Tell whether an instance is a child of another."""
    found = records.read(obj).parent
    return found is not None and found.uid == parent.uid


def check(obj: Object, parent: Identity) -> Object:
    """Return an instance that is a child of another.

    Raises:
        ObjectExists: somebody else has made it.
    """
    if is_of(obj, parent):
        return obj
    name = obj["metadata"]["name"]
    raise ObjectExists(
        f"instance {parent.namespace}/{name} is there, and is no subflow of {parent.name}, which "
        "needs the name; delete it"
    )


def is_over(obj: Object) -> bool:
    """Tell whether an instance has ended."""
    return records.read(obj).is_over


def has_begun(obj: Object) -> bool:
    """Tell whether an instance needs its input no more."""
    record = records.read(obj)
    return record.is_over or bool(record.status.get("startTime"))


def has_large_input(obj: Object) -> bool:
    """Tell whether an instance has to read its input among its parent's data."""
    parent = records.read(obj).parent
    return parent is not None and bool(parent.input_ref)


# What the engine hears


def begun(action_id: str, *, at: float) -> SubflowFinished:
    """Return the answer for a child that nobody waits for."""
    return SubflowFinished(at=at, action_id=action_id, status=InstanceStatus.COMPLETE)


def ended(action_id: str, obj: Object, *, output: Json, at: float) -> SubflowFinished:
    """Return the answer for a child that has ended."""
    status = obj["status"]
    error = status.get("error") or {}
    return SubflowFinished(
        at=at,
        action_id=action_id,
        status=InstanceStatus(status["phase"].lower()),
        output=output,
        code=error.get("code") or "",
        message=error.get("message") or "",
    )


def deleted(action_id: str, name: str, *, at: float) -> SubflowFinished:
    """Return the answer for a child whose object is gone."""
    message = f"instance {name}, which the subflow ran as, was deleted"
    return _failed(action_id, InstanceStatus.CANCELLED, CODE_CANCELLED, message, at=at)


def stopped(action_id: str, *, at: float) -> SubflowFinished:
    """Return the answer for a child that is not there and was to end."""
    stop = stopping.BY_PARENT
    return _failed(action_id, InstanceStatus.CANCELLED, stop.code, stop.message, at=at)


def refused(action_id: str, error: VarflowError, *, at: float) -> SubflowFinished:
    """Return the answer for a child that cannot be."""
    return _failed(action_id, InstanceStatus.FAILED, error.code, error.message, at=at)


def unnamed(action_id: str, error: VarflowError, *, at: float) -> SubflowFinished:
    """Return the answer for a call of a workflow that no cluster can have."""
    status, code = InstanceStatus.FAILED, codes.INVALID_WORKFLOW
    return _failed(action_id, status, code, error.message, at=at)


def _failed(
    action_id: str, status: InstanceStatus, code: str, message: str, *, at: float
) -> SubflowFinished:
    return SubflowFinished(at=at, action_id=action_id, status=status, code=code, message=message)
