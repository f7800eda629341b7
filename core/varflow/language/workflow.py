"""A workflow as typed values: what `loading` makes of YAML and what the engine runs. PURE.

Field names are Direktiv's (design.md §4); a field that takes expressions is a `Template`. The
models check what one field can show; rules between fields and between states are `checks`. An
unknown field is an error. What only later versions will run is accepted where its form is settled
(see `not_yet`) and an error elsewhere; in neither case is a workflow started and found wanting
half-way.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from varflow.language import bounds
from varflow.language.expressions import Dialect
from varflow.language.fields import JsonSchema, Model, Seconds
from varflow.language.functions import (
    ContainerFunction,
    FileSpec,
    Function,
    LocalSpec,
    Scale,
    SubflowFunction,
)
from varflow.language.retries import Retries, Retry
from varflow.language.starts import AnyStart, Start
from varflow.language.state_fields import Catch
from varflow.language.states import (
    Action,
    ActionState,
    DelayState,
    ErrorState,
    ForeachState,
    GetterState,
    GetterVariable,
    NoopState,
    ParallelState,
    SetterState,
    SetterVariable,
    State,
    SwitchCondition,
    SwitchState,
    ValidateState,
)

__all__ = [
    "Action",
    "ActionState",
    "Catch",
    "ContainerFunction",
    "DelayState",
    "ErrorState",
    "FileSpec",
    "ForeachState",
    "Function",
    "GetterState",
    "GetterVariable",
    "InputSpec",
    "LocalSpec",
    "Model",
    "NoopState",
    "ParallelState",
    "Retries",
    "Retry",
    "Scale",
    "SetterState",
    "SetterVariable",
    "Start",
    "State",
    "StateSpec",
    "SubflowFunction",
    "SwitchCondition",
    "SwitchState",
    "Timeouts",
    "ValidateState",
    "Workflow",
]


class Timeouts(Model):
    """Bounds on the whole instance."""

    interrupt: Seconds | None = None
    """When an error that can be caught is raised, `direktiv.cancels.timeout.soft`; 15 minutes."""
    kill: Seconds | None = None
    """When the instance is ended, `direktiv.cancels.timeout.hard`; 20 minutes, or 5 later."""


class InputSpec(Model):
    """What instances are given."""

    schema_: JsonSchema = Field(alias="schema")
    """A JSON Schema; an instance whose input does not match it fails before its first state."""


class StateSpec(Model):
    """What functions remember from one instance to the next."""

    perUser: StrictBool = False
    """Every user who starts instances has states of their own; schedules and events have anyway."""


class Workflow(Model):
    """One workflow definition."""

    absent: ClassVar = {"states": "is missing; a workflow has at least one state"}
    later: ClassVar = {
        "history": "history is not supported yet",
        "schedules": "schedules are not supported yet",
        "schemas": "schemas are not supported",
        "sharedDir": "shared folders are not supported yet",
        "singular": "singular workflows are not supported",
    }

    name: str
    namespace: str | None = None
    """The manifest's, if it names one."""
    dialect: Dialect = Dialect.WRAPPED
    description: str = Field(default="", max_length=bounds.DESCRIPTION)
    """What the workflow is for, in words for people."""
    functions: Annotated[tuple[Function, ...], Field(max_length=bounds.FUNCTIONS)] = ()
    """Programs that states call."""
    states: tuple[State, ...] = Field(min_length=1, max_length=bounds.STATES)
    """The steps; the first begins, unless start names another."""
    start: AnyStart = Start()
    """How instances begin."""
    input: InputSpec | None = None
    """What instances are given."""
    retry: Retry | None = None
    """When and how often actions without `retries` of their own are tried again."""
    state: StateSpec = StateSpec()
    """What functions remember from one instance to the next."""
    timeouts: Timeouts = Timeouts()
    """Bounds on the whole instance."""
    pendingTimeoutSeconds: StrictInt | None = Field(default=None, ge=1, le=bounds.PENDING_SECONDS)
    """How long an action waits, in a cluster, for a pod that cannot start; then it fails."""
