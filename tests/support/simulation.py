"""A world for the engine: functions, a store with decisions, timers and a shell that keeps dying.

Everything is drawn from one seed. Functions answer, fail, crash, hang and commit with their answer
lost; the shell is restarted from its last snapshot at any moment, which makes it forget every
command and timer; events come twice. What may not go wrong is checked as it happens:

* an action commits at most once, whatever number of attempts ran;
* a state is left, and the instance ends, only when no attempt of it can commit any more;
* an event that was taken in changes nothing when it comes again;
* the instance ends, soon after its hard timeout at the latest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.engine import Driver, make_workflow
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine import identities
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
    StopSubflow,
    StopTimer,
    StoreData,
    SubflowFinished,
    TimerFired,
    VariablesRead,
    VariablesWritten,
    WriteVariables,
)
from varflow.language.workflow import Workflow

Json = Any
Request = (
    DispatchAction
    | StartSubflow
    | StopSubflow
    | GiveUp
    | ReadVariables
    | WriteVariables
    | StoreData
    | LoadData
)

KILL_SECONDS = 120.0
CODES = ["oops", "other", "direktiv.cancels.timeout.soft", ""]


def make_random_workflow(random: Random) -> Workflow:
    """Return a workflow of a few states, most of which wait and can fail."""
    names = [f"s{place}" for place in range(random.randint(1, 5))]
    states = [_make_state(random, name, names[place:]) for place, name in enumerate(names)]
    limits = {"kill": f"PT{KILL_SECONDS:g}S", "interrupt": f"PT{random.randint(1, 150)}S"}
    return make_workflow(*states, timeouts=limits)


def _make_state(random: Random, name: str, later: list[str]) -> dict[str, Json]:
    # Only states that let time pass may go back to themselves: the others would never wait.
    kind = random.choice(["action", *_SHAPES])
    waits = kind in _WAITING
    targets = later if waits else later[1:]
    state = {"id": name, "type": kind, **_SHAPES[kind](random)}
    if kind != "switch":
        state["transition"] = random.choice([*targets, *targets, "<end>"])
    if random.random() < 0.7:
        state["catch"] = [
            {"error": random.choice(["*", "oo*", "direktiv.*"]), "transition": target}
            for target in later[1:]
        ]
    return {key: value for key, value in state.items() if value != "<end>"}


def _mostly(random: Random, usual: list[Json], odd: Json) -> Json:
    return odd if random.random() < 0.1 else random.choice(usual)


def _shape_action(random: Random) -> dict[str, Json]:
    timeout = f"PT{random.randint(1, 60)}S"
    is_async = random.random() < 0.1
    return {"timeout": timeout, "action": _make_action(random), "async": is_async}


def _shape_parallel(random: Random) -> dict[str, Json]:
    actions = [_make_action(random) for _ in range(random.randint(1, 4))]
    return {"actions": actions, "mode": random.choice(["and", "or"]), "timeout": "PT30S"}


def _shape_foreach(random: Random) -> dict[str, Json]:
    array = _mostly(random, [f"jq([range({random.randint(0, 6)})])"], "jq({})")
    return {"array": array, "action": _make_action(random), "timeout": "PT30S"}


def _make_action(random: Random) -> dict[str, Json]:
    given: dict[str, Json] = {}
    if random.random() < 0.5:
        codes = [random.choice(["*", "*", "oops", "direktiv.*"])]
        given["retries"] = {"max_attempts": random.randint(1, 3), "codes": codes, "delay": "PT3S"}
    input = _mostly(random, ["jq(.)", {"s": "jq($steps)"}], "jq({}.none)")
    return {"function": random.choice(["fn", "fn", "sub"]), "input": input, **given}


def _shape_variables(random: Random, **given: Json) -> dict[str, Json]:
    keys = _mostly(random, [["x"], ["x", "y"]], ["jq(.none)"])
    return {"variables": [{"key": key, "scope": "workflow", **given} for key in keys]}


_SHAPES: dict[str, Callable[[Random], dict[str, Json]]] = {
    "action": _shape_action,
    "parallel": _shape_parallel,
    "foreach": _shape_foreach,
    "getter": _shape_variables,
    "setter": lambda random: _shape_variables(random, value=random.choice([1, None, "jq(.)"])),
    "delay": lambda random: {"duration": f"PT{random.randint(0, 200)}S"},
    "noop": lambda random: {"transform": _mostly(random, ["jq(.n = 1)", "jq({})"], "jq(.none)")},
    "error": lambda random: {"error": "marked", "message": "m %s", "args": ["jq(.input // 0)"]},
    "switch": lambda random: {
        "conditions": [{"condition": _mostly(random, ["jq(true)"], "jq(.none)")}]
    },
}


_WAITING = {"action", "parallel", "getter", "setter", "delay"}
"""States that let time pass; a `foreach` may have an empty array."""


@dataclass
class Simulation:
    """One instance in its world."""

    seed: int
    random: Random = field(init=False)
    driver: Driver = field(init=False)
    timers: dict[str, float] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    """What the shell has been asked and has not answered, by id; a restart forgets it."""
    attempts: dict[str, DispatchAction | WriteVariables] = field(default_factory=dict)
    """What runs outside and may still commit, by id; it survives restarts."""
    decisions: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    unconfirmed: set[str] = field(default_factory=set)
    """Decisions whose giving up took too long; the one case in which the engine goes on."""
    children: dict[str, bool] = field(default_factory=dict)
    """Child instances by action id, and whether they run."""
    data: dict[str, Json] = field(default_factory=dict)
    """What was put aside."""
    restarts: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.driver = Driver(make_random_workflow(self.random))

    def run(self) -> list[Command]:
        """Run to the end and return all commands."""
        begun = self.driver.at
        self._feed(Started(at=begun, input=self.random.choice([{}, 5, {"input": "x"}])))
        while not self.driver.is_over:
            self.driver.at += self.random.choice([0.0, 0.5, 3.0])
            self._step()
            assert self.driver.at < begun + KILL_SECONDS + (self.restarts + 2) * 40
        assert len(self.commits) == len(set(self.commits))
        return self.driver.commands

    def _step(self) -> None:
        chance = self.random.random()
        if chance < 0.1 and self.restarts < 5:
            self._restart()
        elif chance < 0.12:
            self._feed(Cancelled(at=self.driver.at, code="direktiv.cancels.api", message=""))
        elif chance < 0.7 and self.requests:
            self._answer(self.random.choice(sorted(self.requests)))
        else:
            self._wait()

    def _restart(self) -> None:
        self.restarts += 1
        self.timers.clear()
        self.requests.clear()
        self.driver.resume()
        self._carry_out(self.driver.news)

    def _wait(self) -> None:
        """Let time pass to the next timer."""
        timer = min(self.timers, key=lambda name: self.timers[name])
        self.driver.at = max(self.driver.at, self.timers.pop(timer))
        if timer.startswith("giving-up"):
            step, branch = timer.split(".")[1:3]
            self.unconfirmed.add(identities.decision(step=int(step), branch=int(branch)))
        self._feed(TimerFired(at=self.driver.at, timer=timer))

    def _feed(self, event: Event) -> None:
        self.driver.send(event)
        after, news = self.driver.snapshot, self.driver.news
        if self.random.random() < 0.3:
            assert self.driver.send(event).snapshot == after
            assert not self.driver.news
        self._carry_out(news)

    # Commands

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case SetTimer():
                    self.timers[command.timer] = command.at
                case StopTimer():
                    self.timers.pop(command.timer, None)
                case EnterState() | Finish():
                    self._check_nothing_is_left_behind()
                case Log():
                    pass
                case _:
                    self._take_request(command)

    def _take_request(self, command: Request) -> None:
        match command:
            case DispatchAction(action_id=id) | WriteVariables(request=id):
                self.requests[id] = command
                if not getattr(command, "is_detached", False):
                    self.attempts.setdefault(id, command)
            case StartSubflow(action_id=id):
                self.requests[id] = command
                if not command.is_detached:
                    self.children.setdefault(id, True)
            case StopSubflow(action_id=id):
                self.requests[f"stop {id}"] = command
            case ReadVariables(request=id) | StoreData(request=id) | LoadData(request=id):
                self.requests[id] = command
            case GiveUp(action_id=id):
                self.requests[f"give-up {id}"] = command

    def _check_nothing_is_left_behind(self) -> None:
        """Every attempt of a state that is left has ended, or can commit no more."""
        entered = self.driver.snapshot.step
        for attempt in self.attempts.values():
            is_past = int(attempt.decision.split(".")[0]) < entered or self.driver.is_over
            is_free = attempt.decision not in self.decisions
            assert not (is_past and is_free and attempt.decision not in self.unconfirmed)
        assert self.unconfirmed or not any(self.children.values())

    # Answers

    def _answer(self, id: str) -> None:
        request = self.requests.pop(id)
        match request:
            case DispatchAction():
                self._answer_dispatch(request)
            case StartSubflow():
                self._answer_start(request)
            case StopSubflow():
                self._end_child(request.action_id, InstanceStatus.CANCELLED)
            case WriteVariables():
                self._answer_write(request)
            case ReadVariables():
                self._answer_read(request)
            case GiveUp():
                self._answer_give_up(request)
            case StoreData() | LoadData():
                self._answer_data(request)

    def _answer_data(self, request: StoreData | LoadData) -> None:
        at, id = self.driver.at, request.request
        if self.random.random() < 0.1:
            self._feed(self._failure(id))
        elif isinstance(request, StoreData):
            assert self.data.setdefault(request.name, request.value) == request.value
            self._feed(DataStored(at=at, request=id))
        else:
            values = tuple(self.data[name] for name in request.names)
            self._feed(DataLoaded(at=at, request=id, values=values))

    def _answer_dispatch(self, request: DispatchAction) -> None:
        id = request.action_id
        status = self.random.choice([OutcomeStatus.COMPLETE, *OutcomeStatus])
        is_lost = self.random.random() < 0.2
        if status is OutcomeStatus.COMPLETE and self.random.random() < 0.7:
            status = self._commit(id, request)
        output = self.random.choice([1, "long" * 3000])
        outcome = Outcome(status=status, output=output, code=self.random.choice(CODES), message="m")
        if not is_lost:
            self.attempts.pop(id, None)  # ended, and everybody knows how
            self._feed(ActionFinished(at=self.driver.at, action_id=id, outcome=outcome))
        elif self.random.random() < 0.5:
            self._feed(self._failure(id))

    def _answer_start(self, request: StartSubflow) -> None:
        if self.random.random() < 0.2:
            self._feed(self._failure(request.action_id))
        else:
            self._end_child(request.action_id, self.random.choice(list(InstanceStatus)))

    def _end_child(self, id: str, status: InstanceStatus) -> None:
        self.children[id] = False
        event = SubflowFinished(
            at=self.driver.at, action_id=id, status=status, output=1, code="oops"
        )
        self._feed(event)

    def _answer_read(self, request: ReadVariables) -> None:
        choices: list[Json] = [None, 1, {"a": []}]
        values = tuple(self.random.choice(choices) for _ in request.items)
        if self.random.random() < 0.3:
            self._feed(self._failure(request.request))
        else:
            event = VariablesRead(at=self.driver.at, request=request.request, values=values)
            self._feed(event)

    def _answer_write(self, request: WriteVariables) -> None:
        id = request.request
        if self._commit(id, request) is OutcomeStatus.COMPLETE and self.random.random() < 0.7:
            self._feed(VariablesWritten(at=self.driver.at, request=id))
        elif self.random.random() < 0.5:
            self._feed(self._failure(id))

    def _answer_give_up(self, request: GiveUp) -> None:
        is_abandoned = self.decisions.setdefault(request.decision, "abandoned") == "abandoned"
        found = None if is_abandoned else Outcome(status=OutcomeStatus.COMPLETE, output=1)
        self._feed(ActionGivenUp(at=self.driver.at, action_id=request.action_id, outcome=found))

    def _commit(self, id: str, request: DispatchAction | WriteVariables) -> OutcomeStatus:
        """Decide: the first attempt that commits wins, later ones adopt; nothing after the end."""
        if id not in self.attempts:
            return OutcomeStatus.CANCELLED
        if request.decision not in self.decisions:
            self.decisions[request.decision] = "committed"
            self.commits.append(request.decision)
        is_committed = self.decisions[request.decision] == "committed"
        return OutcomeStatus.COMPLETE if is_committed else OutcomeStatus.CANCELLED

    def _failure(self, id: str) -> EffectFailed:
        return EffectFailed(
            at=self.driver.at,
            request=id,
            code=self.random.choice(CODES) or "store_error",
            message="away",
            is_catchable=self.random.random() < 0.7,
        )
