"""What goes into the engine and what comes out of it: events and commands. PURE.

    event ──► engine.advance(workflow, snapshot, event) ──► (snapshot, commands)

A *shell* (the operator's, the local one, the simulator) turns what happens outside into events
and carries out commands; it holds no logic of the language. Times are seconds since the epoch and
enter with the event. `advance` is a generator: evaluating a jq program needs a sandboxed worker
process, so the engine yields an `Evaluate` and is sent the value, or has an `ExpressionError`
thrown into it. That keeps it free of I/O and of asyncio while the shell waits in whatever way
suits it. Rejected: passing the engine a blocking `evaluate()` function, which would cost a thread
for every instance.

Every effect has an id made from step, branch and attempt (`engine.identities`), so that carrying a
command out twice is recognised, and an answer to a step that is over is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varflow.contract import FileMount, Outcome
    from varflow.language.expressions import Template

Json = Any
"""A value that JSON can hold."""


class InstanceStatus(StrEnum):
    """How an instance ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    """With an error that nothing caught, by an `error` state, or out of time."""
    CRASHED = "crashed"
    """The contract was broken or Varflow itself failed."""
    CANCELLED = "cancelled"


class LogLevel(StrEnum):
    """How much a line of the instance's log matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """A question to the shell: the template's value with `data` as its input.

    `secrets` names what the shell adds as `.secrets`; the values themselves never enter the
    engine's snapshot.
    """

    template: Template
    data: Json
    variables: dict[str, Json]
    """What expressions see as `$input` and `$steps`."""
    secrets: tuple[str, ...] = ()
    allow_null: bool = False
    """Null is a value here (a setter deletes by it); elsewhere a program must not yield it."""


# Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The instance begins, with its input as the caller sent it (see `engine.inputs`)."""

    at: float
    input: Json
    depth: int = 0
    """How many instances above this one have called it as a subflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFinished:
    """An attempt of an action ended."""

    at: float
    action_id: str
    outcome: Outcome
    has_rivals: bool = False
    """The same attempt was sent elsewhere, too, and may still run and commit there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionGivenUp:
    """The answer to `GiveUp`: from now on nothing of the action or write can commit."""

    at: float
    action_id: str
    outcome: Outcome | None = None
    """What it had committed before; that stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubflowFinished:
    """A child instance has ended, by itself or because of `StopSubflow`."""

    at: float
    action_id: str
    status: InstanceStatus
    output: Json = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesRead:
    """The answer to `ReadVariables`, in its order, after the getter's rule (design.md §5)."""

    at: float
    request: str
    values: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesWritten:
    """The answer to `WriteVariables`: all of them are committed."""

    at: float
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStored:
    """The answer to `StoreData`: the value will be found again."""

    at: float
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoaded:
    """The answer to `LoadData`, in its order."""

    at: float
    request: str
    values: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed:
    """A read, write or dispatch that the shell has given up after its own retries.

    Nothing is known of what became of it: the engine answers a failed write or dispatch with
    `GiveUp`. That in turn has no failure; the shell goes on trying, and the engine waits for it
    for a bounded time.
    """

    at: float
    request: str
    """The request, or the action's id."""
    code: str
    message: str
    is_catchable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that `SetTimer` asked for is due."""

    at: float
    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Somebody wants the instance to stop."""

    at: float
    code: str
    message: str


Event = (
    Started
    | ActionFinished
    | ActionGivenUp
    | SubflowFinished
    | VariablesRead
    | VariablesWritten
    | DataStored
    | DataLoaded
    | EffectFailed
    | TimerFired
    | Cancelled
)


# Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchAction:
    """Have a function run; answered by `ActionFinished` (or `EffectFailed`)."""

    action_id: str
    function: str
    decision: str
    idempotency_key: str
    deadline: float
    input: Json
    files: tuple[FileMount, ...]
    iterator: int
    attempt: int
    is_detached: bool = False
    """Nobody waits for its end: it is answered as complete once a sidecar has taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSubflow:
    """Have another workflow run as a child instance; answered by `SubflowFinished`.

    The child is named after the action id, so that doing this twice starts one.
    """

    action_id: str
    workflow: str
    input: Json
    depth: int
    is_detached: bool = False
    """Nobody waits for its end: it is answered as complete once it has been created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSubflow:
    """Cancel a child instance; answered by `SubflowFinished` when it has ended, however."""

    action_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Stop the attempt and see to it that its action never commits.

    Answered by `ActionGivenUp`, with what was found when it had committed. (`ActionFinished` and
    `VariablesWritten` are understood as well, but not as the last word where several attempts ran.)
    A write is given up in the same way.
    """

    action_id: str
    """The action's id, or the request of a `WriteVariables`."""
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRead:
    """One variable of a getter."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVariables:
    """Read them all; answered by `VariablesRead` with null for each that is missing."""

    request: str
    items: tuple[VariableRead, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableWrite:
    """One variable of a setter; no data deletes it."""

    scope: str
    key: str
    data: bytes | None
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteVariables:
    """Write them in one commit; answered by `VariablesWritten`."""

    request: str
    decision: str
    items: tuple[VariableWrite, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreData:
    """Put a value of the instance aside until its end; answered by `DataStored`.

    Doing it twice does no harm: the name always has the same value.
    """

    request: str
    name: str
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadData:
    """Bring values back; answered by `DataLoaded`."""

    request: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Wake the engine at a time, at once if it is past. Setting a timer again moves it."""

    timer: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTimer:
    """The timer is no longer wanted; firing it all the same does no harm."""

    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A line for the instance's log."""

    level: LogLevel
    text: str
    state: str
    """Id of the state it belongs to; empty for the instance itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterState:
    """The instance is in a state now: for progress displays and `status.steps`."""

    state: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The instance is over; the last command there is."""

    status: InstanceStatus
    output: Json
    """The data at a normal end, which one by an `error` state is too; otherwise None."""
    code: str = ""
    message: str = ""


Command = (
    DispatchAction
    | StartSubflow
    | StopSubflow
    | GiveUp
    | ReadVariables
    | WriteVariables
    | StoreData
    | LoadData
    | SetTimer
    | StopTimer
    | Log
    | EnterState
    | Finish
)
