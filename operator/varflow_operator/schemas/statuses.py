"""What the operator says of Workflows and Variables in their `status`. PURE.

The models are for the schemas: the operator writes plain JSON, and reads what it wrote.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StrictInt

from varflow.language import bounds
from varflow.language.fields import Model, Name

MAX_CONDITIONS = 16
MAX_MESSAGE = 32768

Count = Annotated[StrictInt, Field(ge=0, le=2**53)]
"""A number that JSON can hold."""
Revision = Annotated[str, Field(max_length=bounds.NAME)]


class Condition(Model):
    """One aspect of the object's state, as kubectl and GitOps tools read it."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Which aspect."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    observedGeneration: Count | None = None
    """The generation of the object that this is about."""
    lastTransitionTime: AwareDatetime
    """When status changed last."""
    reason: Annotated[
        str, Field(max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    """Why, in one word that programs may compare."""
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    """Why, in words for people."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)]


class FunctionStatus(Model):
    """A function and where it runs."""

    id: Annotated[str, Field(max_length=bounds.ID)]
    """The function's id."""
    deployment: Name
    """Name of the Deployment of its pods."""


class WorkflowStatus(Model):
    """What became of the workflow's definition; written by the operator."""

    observedGeneration: Count | None = None
    """The generation of the spec that this status is about."""
    revision: Revision | None = None
    """The revision that new instances run: a hash of the spec that was accepted last."""
    states: Count | None = None
    """How many states the revision has."""
    functions: Annotated[tuple[FunctionStatus, ...], Field(max_length=bounds.FUNCTIONS)] = ()
    """The functions and where they run."""
    conditions: Conditions = ()
    """Ready, and while something is being done or wrong, Reconciling or Stalled."""


class VariableStatus(Model):
    """What is in the store; written by the operator."""

    observedGeneration: Count | None = None
    """The generation of the spec that this status is about."""
    revision: Revision | None = None
    """The variable's revision that was written or found."""
    size: Count | None = None
    """The value's size in bytes."""
    sha256: Annotated[str, Field(max_length=64, pattern="^[0-9a-f]*$")] | None = None
    """Hash of the value; never of a secret's."""
    expiresAt: AwareDatetime | None = None
    """When the variable ends, if it does."""
    conditions: Conditions = ()
    """Ready, and while something is being done or wrong, Reconciling or Stalled."""
