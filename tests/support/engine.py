"""A shell for the engine that is all in memory: no clock, no processes, a jq in this process.

`Driver` feeds events and keeps what came of them; with `restarts=True` it writes the snapshot out
and reads it back in around every event, as a shell that dies after each one would.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import jq
import orjson

from varflow.contract import Outcome, OutcomeStatus
from varflow.engine import advancing, snapshots
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    Cancelled,
    Command,
    DataLoaded,
    DataStored,
    DispatchAction,
    EffectFailed,
    EnterState,
    Evaluate,
    Event,
    Finish,
    GiveUp,
    InstanceStatus,
    LoadData,
    Log,
    ReadVariables,
    SetTimer,
    Started,
    StartSubflow,
    StoreData,
    SubflowFinished,
    TimerFired,
    VariablesRead,
    VariablesWritten,
    WriteVariables,
)
from varflow.engine.snapshots import Snapshot
from varflow.errors import ExpressionError
from varflow.language import expressions
from varflow.language.expressions import Program
from varflow.language.workflow import Workflow

Json = Any
C = TypeVar("C", bound=Command)

INSTANCE = "11111111-2222-3333-4444-555555555555"
FUNCTION: dict[str, Json] = {"id": "fn", "type": "container", "image": "example.org/fn:1"}
SUBFLOW: dict[str, Json] = {"id": "sub", "type": "subflow", "workflow": "child"}


def make_workflow(*states: dict[str, Json], **given: Json) -> Workflow:
    """Return a workflow of these states; without transitions they follow one another."""
    linked = [
        {"transition": after["id"], **state}
        if "transition" not in state and state["type"] != "switch"
        else {name: value for name, value in state.items() if value != END}
        for state, after in itertools.pairwise(states)
    ]
    fields = {
        "name": "test",
        "functions": [FUNCTION, SUBFLOW],
        "states": [*linked, states[-1]],
        **given,
    }
    return Workflow.model_validate(fields)


END = "<end>"
"""As a transition: none, although a state follows."""


def make_action(id: str = "a", *, timeout: str | None = None, **given: Json) -> dict[str, Json]:
    """Return an action state; what is given is about the action, but for `state`'s fields."""
    state = given.pop("state", {})
    bound = {} if timeout is None else {"timeout": timeout}
    return {"id": id, "type": "action", "action": {"function": "fn", **given}, **bound, **state}


def evaluate(question: Evaluate, secrets: dict[str, str]) -> Json:
    """Answer a question of the engine."""
    data = question.data
    if question.secrets:
        data = {**data, "secrets": {name: secrets[name] for name in question.secrets}}
    results = []
    for _, program in expressions.walk(question.template):
        allow_null = question.allow_null and program is question.template
        results.append(_run(program, data, question.variables, allow_null=allow_null))
    return expressions.fill(question.template, iter(results))


@lru_cache(maxsize=1000)
def _compile(source: str, variables: bytes) -> Any:
    return jq.compile(source, args=orjson.loads(variables))


def _run(program: Program, data: Json, variables: dict[str, Json], *, allow_null: bool) -> Json:
    try:
        # Compiling takes most of the time: those that look at no variable are compiled once.
        seen = orjson.dumps(variables) if "$" in program.source else b"{}"
        compiled = _compile(program.source, seen)
        values = compiled.input_value(data).all()
    except ValueError as error:
        raise ExpressionError(str(error)) from error
    if len(values) != 1 or (values[0] is None and not allow_null):
        raise ExpressionError(f"{program.source}: no result, null or several results")
    return values[0]


def carry_out(
    advance: advancing.Advance, secrets: dict[str, str]
) -> tuple[Snapshot, list[Command]]:
    """Answer what the engine asks until it returns."""
    try:
        question = next(advance)
        while True:
            try:
                answer = evaluate(question, secrets)
            except ExpressionError as error:
                question = advance.throw(error)
            else:
                question = advance.send(answer)
    except StopIteration as result:
        snapshot, commands = result.value
        return snapshot, list(commands)


@dataclass
class Driver:
    """One instance."""

    workflow: Workflow
    secrets: dict[str, str] = field(default_factory=dict)
    restarts: bool = False
    at: float = 1000.0
    snapshot: Snapshot = field(default_factory=lambda: snapshots.begin(INSTANCE))
    commands: list[Command] = field(default_factory=list)
    """All since the beginning."""
    news: list[Command] = field(default_factory=list)
    """Those of the last event."""

    def send(self, event: Event) -> Driver:
        """Feed an event."""
        if self.restarts:
            self.resume()
        advance = advancing.advance(self.workflow, self.snapshot, event)
        return self._take(*carry_out(advance, self.secrets))

    def resume(self) -> Driver:
        """Do what a shell does after a restart."""
        stored = Snapshot.decode(self.snapshot.encode())
        assert stored == self.snapshot
        advance = advancing.resume(self.workflow, stored, self.at)
        return self._take(*carry_out(advance, self.secrets))

    def _take(self, snapshot: Snapshot, news: list[Command]) -> Driver:
        self.snapshot, self.news = snapshot, news
        self.commands += news
        return self

    # Events

    def start(self, input: Json = None, *, depth: int = 0) -> Driver:
        return self.send(Started(at=self.at, input={} if input is None else input, depth=depth))

    def finish_action(
        self,
        output: Json = None,
        *,
        status: OutcomeStatus = OutcomeStatus.COMPLETE,
        code: str = "",
        message: str = "",
        warnings: tuple[str, ...] = (),
        branch: int | None = None,
        has_rivals: bool = False,
    ) -> Driver:
        """Answer the last dispatch, or the last one of a branch."""
        outcome = Outcome(
            status=status, output=output, code=code, message=message, warnings=warnings
        )
        sent = [it for it in self.find(DispatchAction) if branch in {None, it.iterator}]
        action = sent[-1].action_id
        event = ActionFinished(at=self.at, action_id=action, outcome=outcome, has_rivals=has_rivals)
        return self.send(event)

    def fail_action(self, code: str = "oops", message: str = "broken", **more: Any) -> Driver:
        return self.finish_action(status=OutcomeStatus.FAILED, code=code, message=message, **more)

    def finish_child(
        self,
        output: Json = None,
        *,
        status: InstanceStatus = InstanceStatus.COMPLETE,
        code: str = "",
        message: str = "",
    ) -> Driver:
        """Let the child that was started last end."""
        event = SubflowFinished(
            at=self.at,
            action_id=self.last(StartSubflow).action_id,
            status=status,
            output=output,
            code=code,
            message=message,
        )
        return self.send(event)

    def confirm(self, outcome: Outcome | None = None) -> Driver:
        """Answer `GiveUp`: it had not committed, or it had with this outcome."""
        action = self.last(GiveUp).action_id
        return self.send(ActionGivenUp(at=self.at, action_id=action, outcome=outcome))

    def read(self, *values: Json) -> Driver:
        request = self.last(ReadVariables).request
        return self.send(VariablesRead(at=self.at, request=request, values=values))

    def written(self) -> Driver:
        return self.send(VariablesWritten(at=self.at, request=self.last(WriteVariables).request))

    def store(self, data: dict[str, Json]) -> Driver:
        """Answer the last `StoreData`, by putting its value into `data`."""
        command = self.last(StoreData)
        data[command.name] = command.value
        return self.send(DataStored(at=self.at, request=command.request))

    def load(self, data: dict[str, Json]) -> Driver:
        """Answer the last `LoadData`."""
        command = self.last(LoadData)
        values = tuple(data[name] for name in command.names)
        return self.send(DataLoaded(at=self.at, request=command.request, values=values))

    def lose(self, id: str, *, code: str = "lost", is_catchable: bool = True) -> Driver:
        event = EffectFailed(
            at=self.at,
            request=id,
            code=code,
            message="the store is away",
            is_catchable=is_catchable,
        )
        return self.send(event)

    def fire(self, timer: str | None = None) -> Driver:
        """Let the time of a timer come; of the next one if none is named."""
        timer = timer or min(self.timers, key=lambda name: self.timers[name])
        self.at = max(self.at, self.timers.get(timer, self.at))
        return self.send(TimerFired(at=self.at, timer=timer))

    def cancel(self) -> Driver:
        return self.send(
            Cancelled(at=self.at, code="direktiv.cancels.api", message="cancelled by api request")
        )

    # What came of them

    @property
    def timers(self) -> dict[str, float]:
        return dict(self.snapshot.timers)

    @property
    def is_over(self) -> bool:
        return bool(self.find(Finish))

    @property
    def end(self) -> Finish:
        return self.last(Finish)

    @property
    def states(self) -> list[str]:
        return [command.state for command in self.find(EnterState)]

    @property
    def logs(self) -> list[str]:
        return [command.text for command in self.find(Log)]

    def last(self, kind: type[C]) -> C:
        return self.find(kind)[-1]

    def find(self, kind: type[C]) -> list[C]:
        return self.of_kind(self.commands, kind)

    def new(self, kind: type[C]) -> list[C]:
        return self.of_kind(self.news, kind)

    def timer(self, prefix: str) -> SetTimer:
        """Return the last timer that was set whose name begins so."""
        return [it for it in self.find(SetTimer) if it.timer.startswith(prefix)][-1]

    @staticmethod
    def of_kind(commands: Sequence[Command], kind: type[C]) -> list[C]:
        return [command for command in commands if isinstance(command, kind)]


def run(workflow: Workflow, input: Json = None, **given: Json) -> Driver:
    """Start an instance."""
    return Driver(workflow, **given).start(input)
