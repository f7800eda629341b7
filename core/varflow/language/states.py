"""The states of a workflow, each a model of its own. PURE.

They share `StateCommon`; `type` tells them apart. Another kind of state is another model and a line
in `STATES`: the schema of the custom resource follows. Those about events are in `events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    ValidationInfo,
)

from varflow.language import bounds, expressions, variants
from varflow.language.events import (
    OLDER_SPELLINGS,
    ConsumeEventState,
    EventsAndState,
    EventsXorState,
    GenerateEventState,
)
from varflow.language.fields import (
    Expression,
    JsonSchema,
    Key,
    Model,
    Name,
    Reference,
    Scope,
    Seconds,
    WrappedText,
)
from varflow.language.functions import Files
from varflow.language.retries import Retries
from varflow.language.state_fields import StateCommon

NEEDS_SCOPE = "is missing; write instance, workflow or namespace"
_OF_ACTION = {
    name: f"it belongs in `action`, as `action.{name}`"
    for name in ("function", "input", "secrets", "retries", "files")
}


class Action(Model):
    """One call of a function."""

    later: ClassVar = {"workflow": "subflows are not supported yet"}

    function: Reference
    """Id of the function that is called."""
    input: Expression | None = None
    """What it is sent, with expressions; the whole of the instance's data unless given."""
    secrets: Annotated[tuple[Name, ...], Field(max_length=bounds.SECRETS)] = ()
    """Names of secrets; their values are `.secrets` while input and files are evaluated."""
    retries: Retries | None = None
    """When and how often the action is tried again."""
    files: Files = ()
    """Variables that the function finds as files, beside the function's own."""


class ActionState(StateCommon):
    """Call a function; its answer becomes `.return`."""

    elsewhere: ClassVar = _OF_ACTION

    type: Literal["action"]
    """What the state does."""
    action: Action
    """Which function is called, and how."""
    timeout: Seconds | None = None
    """How long each attempt may take, as an ISO 8601 duration; 15 minutes unless given."""
    async_: StrictBool = Field(default=False, alias="async")
    """Whether to go on without waiting for its end, however it ends."""


class ParallelState(StateCommon):
    """Call several functions at one time; the answers become `.return`."""

    type: Literal["parallel"]
    """What the state does."""
    actions: tuple[Action, ...] = Field(min_length=1, max_length=bounds.ACTIONS)
    """Which functions are called, and how."""
    mode: Literal["and", "or"] = "and"
    """Whether all must succeed, or one."""
    timeout: Seconds | None = None
    """How long each attempt may take, as an ISO 8601 duration; 15 minutes unless given."""


class ForeachState(StateCommon):
    """Call a function for every element of an array; the answers become `.return`."""

    elsewhere: ClassVar = _OF_ACTION

    type: Literal["foreach"]
    """What the state does."""
    array: Expression
    """The array, with expressions."""
    action: Action
    """Which function is called, and how; its expressions see an element as `.`."""
    timeout: Seconds | None = None
    """How long each attempt may take, as an ISO 8601 duration; 15 minutes unless given."""
    parallelism: StrictInt = Field(default=bounds.BRANCHES, ge=1, le=bounds.BRANCHES)
    """For how many elements at one time; 100 unless given."""
    skipFailures: StrictBool = False
    """Whether to go on when an action fails; `{error: {code, msg}}` is then its answer."""


class ValidateState(StateCommon):
    """Check data against a JSON Schema."""

    type: Literal["validate"]
    """What the state does."""
    schema_: JsonSchema = Field(alias="schema")
    """The JSON Schema."""
    subject: Expression | None = None
    """What is checked, with expressions; the whole data unless given."""


class GetterVariable(Model):
    """One variable to read."""

    absent: ClassVar = {"scope": NEEDS_SCOPE}

    key: Key
    """The variable's key; may hold expressions."""
    scope: Scope
    """The variable's scope: instance, workflow or namespace; may hold expressions."""
    as_: str | None = Field(default=None, alias="as", min_length=1, max_length=bounds.NAME)
    """What its value is called under `.var`; the key unless given."""


class GetterState(StateCommon):
    """Read variables; they replace `.var`."""

    type: Literal["getter"]
    """What the state does."""
    variables: tuple[GetterVariable, ...] = Field(min_length=1, max_length=bounds.VARIABLES)
    """The variables that are read or written."""


class SetterVariable(Model):
    """One variable to write; a null value deletes it."""

    absent: ClassVar = {
        "scope": NEEDS_SCOPE,
        "value": "is missing; an empty `value:` deletes the variable",
    }

    key: Key
    """The variable's key; may hold expressions."""
    scope: Scope
    """The variable's scope: instance, workflow or namespace; may hold expressions."""
    value: Expression
    """The value to write, with expressions; null deletes the variable."""
    mimeType: WrappedText = expressions.Literal("application/json")
    """The value's content type; application/json unless given."""


class SetterState(StateCommon):
    """Write variables, all in one commit."""

    type: Literal["setter"]
    """What the state does."""
    variables: tuple[SetterVariable, ...] = Field(min_length=1, max_length=bounds.VARIABLES)
    """The variables that are read or written."""


class NoopState(StateCommon):
    """Do nothing but log, transform and transition."""

    type: Literal["noop"]
    """What the state does."""


class ErrorState(StateCommon):
    """Mark the instance failed; it goes on if there is a transition."""

    type: Literal["error"]
    """What the state does."""
    error: Annotated[str, Field(min_length=1, max_length=bounds.CODE)]
    """The error's code."""
    message: WrappedText
    """The error's message: printf-like, with `args`; a plain text in the older edition, too."""
    args: Annotated[tuple[Expression, ...], Field(max_length=bounds.WORDS)] = ()
    """What is put into the message, with expressions."""


class DelayState(StateCommon):
    """Wait."""

    type: Literal["delay"]
    """What the state does."""
    duration: Seconds
    """How long to wait, as an ISO 8601 duration."""


class SwitchCondition(Model):
    """One arm of a switch: taken when its condition is truthy."""

    condition: Expression
    """An expression; false, null, 0 and what is empty are false."""
    transform: Expression | None = None
    """The new data, with expressions; it must give an object."""
    transition: Reference | None = None
    """Id of the next state; without one the workflow ends."""


class SwitchState(StateCommon):
    """Go on by conditions."""

    type: Literal["switch"]
    """What the state does."""
    conditions: tuple[SwitchCondition, ...] = Field(min_length=1, max_length=bounds.CONDITIONS)
    """The first that is true decides."""
    defaultTransform: Expression | None = None
    """The new data when no condition is true, with expressions."""
    defaultTransition: Reference | None = None
    """Id of the next state when no condition is true."""


_States = (
    ActionState
    | ParallelState
    | ForeachState
    | GetterState
    | SetterState
    | NoopState
    | ErrorState
    | DelayState
    | SwitchState
    | ValidateState
    | GenerateEventState
    | ConsumeEventState
    | EventsAndState
    | EventsXorState
)
STATES: Mapping[str, type[_States]] = {
    "action": ActionState,
    "parallel": ParallelState,
    "foreach": ForeachState,
    "getter": GetterState,
    "setter": SetterState,
    "noop": NoopState,
    "error": ErrorState,
    "delay": DelayState,
    "switch": SwitchState,
    "validate": ValidateState,
    "generateEvent": GenerateEventState,
    "consumeEvent": ConsumeEventState,
    "eventsAnd": EventsAndState,
    "eventAnd": EventsAndState,
    "eventsXor": EventsXorState,
    "eventXor": EventsXorState,
}
"""The states by their `type`."""
_KINDS = ", ".join(it for it in STATES if it not in OLDER_SPELLINGS)
_MISSING = f"is missing; a state is one of {_KINDS}"


def _state(value: Any, info: ValidationInfo) -> _States:
    if isinstance(value, StateCommon):
        return value  # type: ignore[return-value]
    model = variants.choose(value, STATES, what="state", missing=_MISSING)
    return model.model_validate(value, context=info.context)


State = Annotated[_States, PlainValidator(_state, json_schema_input_type=_States)]


def calls_of(state: StateCommon) -> tuple[Action, ...]:
    """Return the calls of functions that a state makes."""
    if isinstance(state, ParallelState):
        return state.actions
    return (state.action,) if isinstance(state, ActionState | ForeachState) else ()
