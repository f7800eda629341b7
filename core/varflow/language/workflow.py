"""A workflow as typed values: what `loading` makes of YAML and what the engine runs. PURE.

Field names are Direktiv's (design.md §4); a field that takes expressions is a `Template`. The
models check what one field can show; rules between fields and between states are `checks`. An
unknown field is an error, and so is what only later versions will run: a workflow is refused as a
whole rather than started and found wanting half-way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, ValidationInfo

from varflow.language import expressions, fields, wording
from varflow.language.expressions import Dialect
from varflow.language.fields import (
    Expression,
    Identifier,
    Key,
    Model,
    Pattern,
    Scope,
    Seconds,
    WrappedText,
)
from varflow.language.functions import (
    ContainerFunction,
    FileSpec,
    Function,
    LocalSpec,
    Scale,
    SubflowFunction,
)

__all__ = [
    "Action",
    "ActionState",
    "Catch",
    "ContainerFunction",
    "DelayState",
    "ErrorState",
    "FileSpec",
    "Function",
    "GetterState",
    "GetterVariable",
    "LocalSpec",
    "Model",
    "NoopState",
    "Retries",
    "Scale",
    "SetterState",
    "SetterVariable",
    "Start",
    "State",
    "SubflowFunction",
    "SwitchCondition",
    "SwitchState",
    "Timeouts",
    "Workflow",
]

NEEDS_SCOPE = "is missing; write instance, workflow or namespace"
_LATER_STATES = {
    "consumeEvent",
    "eventAnd",
    "eventXor",
    "eventsAnd",
    "eventsXor",
    "foreach",
    "generateEvent",
    "parallel",
    "validate",
}
_LATER_STARTS = {"event", "eventsAnd", "eventsXor", "scheduled"}


class Retries(Model):
    """When and how often an action is tried again."""

    max_attempts: Annotated[int, Field(strict=True, ge=1)]
    """Further attempts after the first."""
    delay: Seconds = 5.0
    multiplier: float = Field(default=1.0, ge=0, le=1000, allow_inf_nan=False)
    codes: tuple[Pattern, ...] = Field(min_length=1)


class Action(Model):
    """One call of a function."""

    later: ClassVar = {"workflow": "subflows are not supported yet"}

    function: str
    input: Expression | None = None
    """None means that the field was not given: the whole of the instance's data."""
    secrets: tuple[str, ...] = ()
    retries: Retries | None = None
    files: tuple[FileSpec, ...] = ()


class Catch(Model):
    """Where to go on an error; `error` is a glob over codes."""

    error: Pattern
    transition: str | None = None


class StateCommon(Model):
    """What every state has."""

    id: Identifier
    log: Expression | None = None
    metadata: Expression | None = None
    transform: Expression | None = None
    transition: str | None = None
    catch: tuple[Catch, ...] = ()


def _synchronous(value: bool) -> bool:  # noqa: FBT001
    if value:
        fields.fail("asynchronous actions are not supported yet")
    return value


class ActionState(StateCommon):
    """Call a function; its answer becomes `.return`."""

    type: Literal["action"]
    action: Action
    timeout: Seconds | None = None
    async_: Annotated[StrictBool, AfterValidator(_synchronous)] = Field(
        default=False, alias="async"
    )


class GetterVariable(Model):
    """One variable to read."""

    absent: ClassVar = {"scope": NEEDS_SCOPE}

    key: Key
    scope: Scope
    as_: str | None = Field(default=None, alias="as", min_length=1)


class GetterState(StateCommon):
    """Read variables; they replace `.var`."""

    type: Literal["getter"]
    variables: tuple[GetterVariable, ...] = Field(min_length=1)


class SetterVariable(Model):
    """One variable to write; a null value deletes it."""

    absent: ClassVar = {
        "scope": NEEDS_SCOPE,
        "value": "is missing; an empty `value:` deletes the variable",
    }

    key: Key
    scope: Scope
    value: Expression
    mimeType: WrappedText = expressions.Literal("application/json")


class SetterState(StateCommon):
    """Write variables, all in one commit."""

    type: Literal["setter"]
    variables: tuple[SetterVariable, ...] = Field(min_length=1)


class NoopState(StateCommon):
    """Do nothing but log, transform and transition."""

    type: Literal["noop"]


class ErrorState(StateCommon):
    """Mark the instance failed; it goes on if there is a transition."""

    type: Literal["error"]
    error: Annotated[str, Field(min_length=1)]
    message: WrappedText
    """Printf-like, with `args`; a plain text in the older edition, too."""
    args: tuple[Expression, ...] = ()


class DelayState(StateCommon):
    """Wait."""

    type: Literal["delay"]
    duration: Seconds


class SwitchCondition(Model):
    """One arm of a switch: taken when its condition is truthy."""

    condition: Expression
    transform: Expression | None = None
    transition: str | None = None


class SwitchState(StateCommon):
    """Go on by conditions."""

    type: Literal["switch"]
    conditions: tuple[SwitchCondition, ...] = Field(min_length=1)
    defaultTransform: Expression | None = None
    defaultTransition: str | None = None


_States = (
    ActionState | GetterState | SetterState | NoopState | ErrorState | DelayState | SwitchState
)
STATES: Mapping[str, type[_States]] = {
    "action": ActionState,
    "getter": GetterState,
    "setter": SetterState,
    "noop": NoopState,
    "error": ErrorState,
    "delay": DelayState,
    "switch": SwitchState,
}
"""The states by their `type`."""


def _state(value: Any, info: ValidationInfo) -> _States:
    if isinstance(value, StateCommon):
        return value  # type: ignore[return-value]
    if not isinstance(value, dict):
        fields.fail(f"must be a mapping, not {wording.kind_of(value)}")
    kind = value.get("type")
    if kind is None:
        fields.fail(f"is missing; a state is one of {', '.join(STATES)}", "type")
    if not isinstance(kind, str):
        fields.fail(wording.not_a_string(kind), "type")
    if kind in _LATER_STATES:
        fields.fail(f"state type {kind!r} is not supported yet", "type")
    if kind not in STATES:
        hint = wording.nearest(kind, [*STATES, *_LATER_STATES])
        fields.fail(f"unknown state type {wording.shown(kind)}", "type", hint=hint)
    return STATES[kind].model_validate(value, context=info.context)


State = Annotated[_States, PlainValidator(_state)]


class Timeouts(Model):
    """Bounds on the whole instance."""

    interrupt: Seconds | None = None
    """Soft: catchable `direktiv.cancels.timeout.soft`."""
    kill: Seconds | None = None
    """Hard: `direktiv.cancels.timeout.hard`."""


class Start(Model):
    """How instances begin."""

    type: Literal["default"] = "default"
    state: str | None = None


def _start(value: Any, info: ValidationInfo) -> Start:
    if isinstance(value, Start):
        return value
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in _LATER_STARTS:
        fields.fail(f"start type {kind!r} is not supported yet", "type")
    return Start.model_validate(value, context=info.context)


class Workflow(Model):
    """One workflow definition."""

    absent: ClassVar = {"states": "is missing; a workflow has at least one state"}
    later: ClassVar = {
        "history": "history is not supported yet",
        "input": "a schema of the input is not supported yet",
        "retry": "default retries are not supported yet",
        "schedules": "schedules are not supported yet",
        "schemas": "schemas are not supported",
        "sharedDir": "shared folders are not supported yet",
        "singular": "singular workflows are not supported",
    }

    name: str
    namespace: str | None = None
    """The manifest's, if it names one."""
    dialect: Dialect = Dialect.WRAPPED
    description: str = ""
    functions: tuple[Function, ...] = ()
    states: tuple[State, ...] = Field(min_length=1)
    start: Annotated[Start, PlainValidator(_start)] = Start()
    timeouts: Timeouts = Timeouts()
