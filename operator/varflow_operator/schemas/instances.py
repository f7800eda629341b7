"""A `WorkflowInstance`: one run of a workflow, what it was given and how it stands. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StrictBool, StrictInt

from varflow.engine import calls
from varflow.language import bounds
from varflow.language.fields import Model, Name
from varflow_operator.schemas.statuses import MAX_MESSAGE, Conditions, Count, Revision

MAX_STEPS = 20
"""Steps that `recentSteps` holds."""

StateId = Annotated[str, Field(max_length=bounds.ID)]
Uid = Annotated[str, Field(max_length=bounds.NAME)]
ObjectName = Annotated[str, Field(max_length=1024)]
"""Name of a data object in the store."""


class Trigger(Model):
    """What started the instance."""

    type: Literal["manual", "cli", "schedule", "event", "webhook", "subflow"] = "manual"
    """Its kind; manual unless given."""
    name: Name | None = None
    """Which one, where there are several, such as the schedule's name."""
    user: Annotated[str, Field(max_length=bounds.NAME)] | None = None
    """On whose behalf; for workflows that keep the states of their users apart."""


class Parent(Model):
    """The instance that started this one as a subflow."""

    name: Name
    """Its name."""
    uid: Uid
    """Its UID."""
    depth: Annotated[StrictInt, Field(ge=1, le=calls.MAX_DEPTH)] = 1
    """How many instances are above this one."""
    inputRef: ObjectName | None = None
    """Name of the data object of the parent in the store that holds an input over 16 KiB."""


class InstanceSpec(Model):
    """What is to run. It stays as it is, except that cancel may become true."""

    workflow: Annotated[str, Field(min_length=1, max_length=bounds.NAME)]
    """Name of the Workflow, in the same namespace."""
    revision: Revision | None = None
    """Which of its revisions; the present one unless given."""
    input: Any = None
    """The input: any JSON value."""
    trigger: Trigger | None = None
    """What started the instance."""
    parent: Parent | None = None
    """The instance that started this one as a subflow."""
    cancel: StrictBool = False
    """Set it to true to end the instance; it cannot be taken back."""


class InstanceError(Model):
    """The error that the instance ended with."""

    code: Annotated[str, Field(max_length=MAX_MESSAGE)]
    """The error's code; that of a function may be any text."""
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    """The error's message."""


class Step(Model):
    """A step that the instance took."""

    state: StateId
    """The state's id."""
    step: Count
    """The step's number."""
    startTime: AwareDatetime
    """When it began."""


class Checkpoint(Model):
    """Where the instance goes on after a restart of the operator; nothing here is for reading."""

    epoch: Count
    """The operator's term of office: of two, the one with the higher writes."""
    seq: Count
    """Number of the checkpoint within the instance."""
    snapshot: Annotated[str, Field(max_length=bounds.TEXT)] | None = None
    """The engine's snapshot as JSON text, when it is small."""
    snapshotRef: ObjectName | None = None
    """Name of the data object in the store that holds it, when it is large."""


class InstanceStatus(Model):
    """How the instance stands; written by the operator."""

    observedGeneration: Count | None = None
    """The generation of the spec that this status is about."""
    phase: Literal["Pending", "Running", "Complete", "Failed", "Crashed", "Cancelled"] | None = None
    """Where it is in its life, in one word; the conditions say the same to programs."""
    reason: Annotated[str, Field(max_length=MAX_MESSAGE)] | None = None
    """What it waits for, such as a pod that cannot start."""
    workflowUID: Uid | None = None
    """UID of the Workflow that it runs."""
    revision: Revision | None = None
    """The revision of the Workflow that it runs, from start to end."""
    state: StateId | None = None
    """The state that it is in."""
    step: Count | None = None
    """How many steps it has taken."""
    startTime: AwareDatetime | None = None
    """When it started."""
    completionTime: AwareDatetime | None = None
    """When it ended."""
    output: Any = None
    """The output of an instance that ended well: any JSON value up to 16 KiB."""
    outputRef: ObjectName | None = None
    """Name of the data object in the store that holds a larger output."""
    error: InstanceError | None = None
    """The error that it ended with."""
    recentSteps: Annotated[tuple[Step, ...], Field(max_length=MAX_STEPS)] = ()
    """The last steps that it took, at most twenty."""
    conditions: Conditions = ()
    """Succeeded, which is Unknown as long as it runs, and Completed, which is True at any end."""
    checkpoint: Checkpoint | None = None
    """Where it goes on after a restart of the operator."""
