"""How the world of a simulation answers what a control plane asks.

Answers come late, in any order, twice, or never; what is asked may fail, with nobody knowing
whether it was done.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.simulation import checks
from tests.support.simulation.flaws import Flaw
from tests.support.simulation.pods import Execution, Refused
from tests.support.simulation.runs import Request, Run
from tests.support.simulation.violations import Violation
from tests.support.simulation.workflows import CODES
from tests.support.simulation.world import Child, Json, World
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine.messages import (
    ActionFinished,
    ActionGivenUp,
    DataLoaded,
    DataStored,
    DispatchAction,
    EffectFailed,
    Event,
    GiveUp,
    InstanceStatus,
    LoadData,
    ReadVariables,
    StartSubflow,
    StopSubflow,
    StoreData,
    SubflowFinished,
    VariablesRead,
    VariablesWritten,
    WriteVariables,
)

_COMPLETE = Outcome(status=OutcomeStatus.COMPLETE)


@dataclass(slots=True)
class Answers:
    """What is on its way between control planes and the world."""

    world: World
    mail: list[tuple[Run, Event]] = field(default_factory=list)

    def deliver(self) -> None:
        """Let one answer arrive."""
        place = self.world.random.randrange(len(self.mail))
        run, event = self.mail.pop(place)
        run.inbox.append(event)

    def forget(self, run: Run) -> None:
        """Throw away what is on its way to a control plane that is no more."""
        self.mail = [(to, event) for to, event in self.mail if to is not run]

    def carry_out(self, run: Run) -> None:
        """Do one of the things that were asked."""
        place = self.world.random.randrange(len(run.requests))
        request, is_resumed = run.requests.pop(place)
        try:
            self._carry_out(run, request, is_resumed=is_resumed)
        except Refused:
            run.is_deposed = True

    def _carry_out(self, run: Run, request: Request, *, is_resumed: bool) -> None:
        checks.check_same(self.world, request)
        match request:
            case DispatchAction():
                self._dispatch(run, request, is_resumed=is_resumed)
            case GiveUp():
                self._give_up(run, request)
            case StartSubflow() | StopSubflow():
                self._ask_child(run, request)
            case WriteVariables():
                self._write(run, request)
            case ReadVariables():
                self._read(run, request)
            case StoreData() | LoadData():
                self._move_data(run, request)

    def _post(self, run: Run, event: Event) -> None:
        """Send an answer: once or twice."""
        self.mail.append((run, event))
        if self.world.random.random() < 0.1:
            self.mail.append((run, event))

    def _post_or_lose(self, run: Run, id: str, event: Event) -> None:
        """Send an answer, or let it be lost, noticed or not."""
        chance = self.world.random.random() / self.world.trouble
        if chance > 0.25:
            self._post(run, event)
        elif chance > 0.05:
            self._post(run, self._failure(id))

    def _failure(self, id: str) -> EffectFailed:
        return EffectFailed(
            at=self.world.now,
            request=id,
            code=self.world.random.choice(CODES) or "store_error",
            message="away",
            is_catchable=self.world.random.random() < 0.7,
        )

    # Actions

    def _dispatch(self, run: Run, command: DispatchAction, *, is_resumed: bool) -> None:
        world, epoch = self.world, run.plane.epoch
        was_sent = is_resumed or command.action_id in run.sent
        found = world.find_decided(run.keys[command.action_id]) if was_sent else None
        if found is not None:
            self._finish(run, command.action_id, found)
            return
        execution = None
        if is_resumed:
            run.rivals.add(command.action_id)
            execution = world.pods.find(command.action_id, epoch=epoch)
        if execution is None:
            is_first = not (was_sent or command.attempt)
            execution = world.start_action(run.instance, command, epoch=epoch, is_first=is_first)
        run.sent.add(command.action_id)
        if command.is_detached:
            self._finish(run, command.action_id, _COMPLETE)
        elif execution.outcome is None:
            execution.waiting.append(run)
        else:
            self._finish(run, command.action_id, execution.outcome)

    def lose_pod(self) -> None:
        """Lose a pod, which may run on; who waits for something there asks another one."""
        runs_on = self.world.random.random() < 0.7
        for execution in self.world.pods.lose(runs_on=runs_on, epoch=self.world.epoch):
            for run in execution.waiting:
                if runs_on:
                    run.rivals.add(execution.command.action_id)
                run.requests.append((execution.command, False))
            execution.waiting.clear()

    def end_action(self, execution: Execution) -> None:
        """Let an attempt end, and say so to who waits for it."""
        self.world.end_action(execution)
        for run in execution.waiting:
            if execution.outcome is not None:
                self._finish(run, execution.command.action_id, execution.outcome)

    def _finish(self, run: Run, id: str, outcome: Outcome) -> None:
        has_rivals = id in run.rivals and self.world.flaw is not Flaw.NO_RIVALS
        event = ActionFinished(
            at=self.world.now, action_id=id, outcome=outcome, has_rivals=has_rivals
        )
        self._post_or_lose(run, id, event)

    def _give_up(self, run: Run, command: GiveUp) -> None:
        """Abandon an action. Its attempts may hear of it, and stop; not all of them do."""
        world, at = self.world, self.world.now
        key = run.instance.uid, command.decision
        found = world.abandon(key)
        world.pods.stop(key)
        event = ActionGivenUp(at=at, action_id=command.action_id, outcome=found)
        if world.random.random() < 0.9:
            self._post(run, event)

    # Children

    def _ask_child(self, run: Run, command: StartSubflow | StopSubflow) -> None:
        key = run.keys[command.action_id]
        is_left_alone = self.world.flaw is Flaw.LIVE_CHILD and isinstance(command, StopSubflow)
        if is_left_alone:
            child = Child(key, is_detached=False, status=InstanceStatus.CANCELLED)
        elif isinstance(command, StopSubflow):
            child = self.world.stop_child(key, command.action_id)
        else:
            child = self.world.start_child(key, command)
            if self.world.random.random() < 0.05:
                self._post(run, self._failure(command.action_id))
        if isinstance(command, StartSubflow) and command.is_detached:
            self._say(run, child, command.action_id, InstanceStatus.COMPLETE)
        elif child.status is not None:
            self._say(run, child, command.action_id, child.status)
        else:
            child.waiting.append(run)

    def end_child(self, id: str, child: Child) -> None:
        """Let a child end if it can, and say so to who waits for it."""
        self.world.end_child(child)
        if child.status is not None:
            for run in child.waiting:
                self._say(run, child, id, child.status)

    def _say(self, run: Run, child: Child, id: str, status: InstanceStatus) -> None:
        event = SubflowFinished(
            at=self.world.now,
            action_id=id,
            status=status,
            output={"of": child.key[1]},
            code="oops",
        )
        self._post(run, event)

    # Variables and data

    def _read(self, run: Run, request: ReadVariables) -> None:
        choices: list[Json] = [None, self.world.random.random(), {"a": []}]
        values = tuple(self.world.random.choice(choices) for _ in request.items)
        event = VariablesRead(at=self.world.now, request=request.request, values=values)
        is_away = self.world.random.random() < 0.2 * self.world.trouble
        self._post(run, self._failure(request.request) if is_away else event)

    def _write(self, run: Run, request: WriteVariables) -> None:
        key = run.instance.uid, request.decision
        is_away = self.world.random.random() < 0.1 * self.world.trouble
        if is_away:
            self._post(run, self._failure(request.request))
        elif self.world.commit(key, _COMPLETE) is not None:
            event = VariablesWritten(at=self.world.now, request=request.request)
            self._post_or_lose(run, request.request, event)

    def _move_data(self, run: Run, request: StoreData | LoadData) -> None:
        world, uid = self.world, run.instance.uid
        if world.random.random() < 0.1:
            self._post(run, self._failure(request.request))
        elif isinstance(request, StoreData):
            if world.data.setdefault((uid, request.name), request.value) != request.value:
                raise Violation(f"{request.name} is stored with another value")
            self._post(run, DataStored(at=world.now, request=request.request))
        else:
            values = tuple(world.data[uid, name] for name in request.names)
            self._post(run, DataLoaded(at=world.now, request=request.request, values=values))
