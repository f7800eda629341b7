"""One instance in one control plane: a shell of the engine whose every step is a place to die.

    inbox ──event──► engine ──► checkpoint ──► commands, one by one ──► requests to the world

It follows the rules of the operator (`varflow_operator.instances`): what cannot be taken back is
done when the checkpoint that led to it is in the status; a new control plane writes its epoch
first; whose checkpoint meets a newer one stops. `step` does one thing and returns, so that the
simulation can let the control plane die, or another one take over, between any two.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.support import engine
from tests.support.simulation import checks, flaws
from tests.support.simulation.flaws import Flaw
from tests.support.simulation.pods import Key
from tests.support.simulation.violations import Violation
from tests.support.simulation.world import Instance, World
from varflow.engine import advancing, identities, snapshots
from varflow.engine.advancing import Advance
from varflow.engine.messages import (
    Cancelled,
    Command,
    DispatchAction,
    EnterState,
    Event,
    Finish,
    GiveUp,
    LoadData,
    Log,
    ReadVariables,
    SetTimer,
    Started,
    StartSubflow,
    StopSubflow,
    StopTimer,
    StoreData,
    TimerFired,
    WriteVariables,
)
from varflow.engine.snapshots import Snapshot
from varflow_operator.instances import agenda, conflicts, records
from varflow_operator.instances.conflicts import Verdict
from varflow_operator.instances.records import Mark, Record

if TYPE_CHECKING:
    from tests.support.simulation.planes import Plane

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


class Run:
    """One instance, as one control plane knows it."""

    def __init__(self, world: World, plane: Plane, instance: Instance) -> None:
        self.world = world
        self.plane = plane
        self.instance = instance
        self.timers: dict[str, float] = {}
        self.inbox: deque[Event] = deque()
        self.requests: list[tuple[Request, bool]] = []
        """What is asked of the world, and whether another control plane may have asked before."""
        self.keys: dict[str, Key] = {}
        """What each id is an attempt of."""
        self.sent: set[str] = set()
        self.rivals: set[str] = set()
        """Ids of actions that may run in a pod that is out of sight."""
        self.is_deposed = False
        self.is_overtaken = False
        """An older control plane wrote since this one had read: it has to begin again."""
        self._snapshot = snapshots.begin(instance.uid)
        self._entered = instance.entered
        self._to_do: deque[Command] = deque()
        self._version, self._mark, self._tried = instance.version, instance.mark, instance.mark.seq
        self._has_to_write = False
        self._is_resumed = bool(instance.snapshot)
        self._past: list[Event] = []
        self._is_cancelled = False
        self._begin()

    @property
    def is_ready(self) -> bool:
        """Say whether there is something to do."""
        return self._has_to_write or bool(self._to_do or self.inbox)

    @property
    def is_over(self) -> bool:
        """Say whether this control plane has nothing to do with the instance any more."""
        return self.is_deposed or self.instance.finish is not None

    def step(self) -> None:
        """Do one thing."""
        is_hasty = self.world.flaw is Flaw.HASTE
        if self._has_to_write and not (self._to_do and is_hasty):
            if not self._takes_more():
                self._write()
        elif self._to_do:
            self._carry_out(self._to_do.popleft())
        elif self.inbox:
            self._receive(self.inbox.popleft())

    def _takes_more(self) -> bool:
        """Take another event before the checkpoint: completions share one."""
        if not self.inbox or self.world.random.random() < 0.5:
            return False
        self._receive(self.inbox.popleft())
        return True

    def fire(self) -> None:
        """Take note of what is due: timers, and that somebody wants the instance to stop."""
        if self.instance.is_cancelled and not self._is_cancelled:
            self._is_cancelled = True
            event = Cancelled(at=self.world.now, code="direktiv.cancels.api", message="")
            self.inbox.append(event)
        for timer in [name for name, at in self.timers.items() if at <= self.world.now]:
            del self.timers[timer]
            self.inbox.append(TimerFired(at=self.world.now, timer=timer))

    # The engine

    def _begin(self) -> None:
        instance = self.instance
        if not instance.snapshot:
            now = instance.begun = self.world.now
            event = Started(at=now, input=instance.input, depth=instance.depth)
            self.inbox.append(event)
            return
        self._snapshot = Snapshot.decode(instance.snapshot)
        checks.check_kept(instance, self._snapshot)
        self._take(advancing.resume(instance.workflow, self._snapshot, self.world.now))
        self._has_to_write = True
        if self.world.flaw is Flaw.LOST_TIMERS:
            self._to_do = deque(it for it in self._to_do if not isinstance(it, SetTimer))

    def _receive(self, event: Event) -> None:
        """Take an event in; some come twice, and some once more much later."""
        self._note_unconfirmed(event)
        self._take(advancing.advance(self.instance.workflow, self._snapshot, event))
        chance = self.world.random.random()
        if chance < 0.1:
            self._check_is_known(event)
        elif chance < 0.15 and self._past:
            again = self.world.random.choice(self._past)
            self.inbox.append(replace(again, at=self.world.now))
        if not isinstance(event, Cancelled):
            self._past.append(event)

    def _note_unconfirmed(self, event: Event) -> None:
        """Take note of what the engine goes on from without knowing that it was given up."""
        if not isinstance(event, TimerFired) or event.timer not in self._snapshot.timers:
            return
        if event.timer.startswith("giving-up"):
            step, branch = event.timer.split(".")[1:3]
            decision = identities.decision(step=int(step), branch=int(branch))
            self.world.unconfirmed.add((self.instance.uid, decision))

    def _check_is_known(self, event: Event) -> None:
        again = advancing.advance(self.instance.workflow, self._snapshot, event)
        after, commands = engine.carry_out(again, {})
        if commands or after != self._snapshot:
            raise Violation(f"{event} changes something when it comes again")

    def _take(self, steps: Advance) -> None:
        before = self._snapshot
        result = engine.carry_out(steps, {})
        self._snapshot, commands = flaws.spoil(self.world.flaw, before, result)
        if self.instance.mark.epoch <= self.plane.epoch:  # what others think is written nowhere
            checks.check_leaving(self.world, self.instance, before, self._snapshot)
        self._note_keys()
        for command in commands:
            self.plane.trace.append((self.instance.uid, command))
            if isinstance(command, EnterState):
                self._entered = (*self._entered, command.state)
        others = [it for it in commands if not isinstance(it, EnterState | Log)]
        self._to_do = deque(agenda.joined(tuple(self._to_do), others))
        self._has_to_write |= agenda.needs_checkpoint(others)

    def _note_keys(self) -> None:
        for effect in self._snapshot.effects:
            if effect.id in self.keys:
                continue
            decision = identities.decision(step=self._snapshot.step, branch=effect.branch)
            self.keys[effect.id] = self.instance.uid, decision

    # The status

    def _write(self) -> None:
        """Write a checkpoint; the API server may be away, or its answer be lost."""
        if agenda.is_end(self._to_do) or self._put(finish=None):
            self._has_to_write = False

    def _put(self, *, finish: Finish | None) -> bool:
        """Write the status; say whether it is known to be there."""
        chance = self.world.random.random()
        if chance < 0.02:
            self.world.last_fault = self.world.now
            return False
        self._tried += 1
        wanted = Mark(self.plane.epoch, self._tried)
        is_current = self._version == self.instance.version
        if is_current or self.world.flaw is Flaw.OVERWRITING:
            self._land(wanted, finish)
            if chance > 0.05:
                self._mark, self._version = wanted, self.instance.version
                return True
        return self._look(wanted)

    def _land(self, wanted: Mark, finish: Finish | None) -> None:
        instance, snapshot = self.instance, self._snapshot
        checks.check_progress(instance, snapshot, self._entered)
        if finish is not None:
            checks.check_end(self.world, instance)
            self.world.living -= 1
        instance.version += 1
        instance.mark = wanted
        instance.finish = finish
        instance.snapshot = b"" if finish else snapshot.encode()
        instance.step = snapshot.step
        instance.effects = frozenset(it.id for it in snapshot.effects)
        instance.entered = self._entered

    def _look(self, wanted: Mark) -> bool:
        found = _record(self.instance)
        verdict = conflicts.judge(found, uid=self.instance.uid, base=self._mark, wanted=wanted)
        self._version = self.instance.version
        if verdict is Verdict.LANDED:
            self._mark = wanted
        elif verdict is not Verdict.AGAIN:
            self.is_deposed = True
            self.is_overtaken = verdict is Verdict.OVERTAKEN
        return verdict is Verdict.LANDED

    # Commands

    def _carry_out(self, command: Command) -> None:
        match command:
            case SetTimer():
                self.timers[command.timer] = command.at
            case StopTimer():
                self.timers.pop(command.timer, None)
            case Finish():
                if not self._put(finish=command):
                    self._to_do.append(command)
            case EnterState() | Log():
                raise AssertionError(f"{command} is nothing to carry out")
            case _:
                self.requests.append((command, self._is_resumed))
        if not self._to_do:
            self._is_resumed = False


def _record(instance: Instance) -> Record:
    """Return the object as the API server would send it."""
    conditions = [{"type": "Completed", "status": str(instance.finish is not None)}]
    checkpoint = {"epoch": instance.mark.epoch, "seq": instance.mark.seq}
    return records.read(
        {
            "metadata": {
                "namespace": "default",
                "name": instance.uid,
                "uid": instance.uid,
                "generation": 1,
                "resourceVersion": str(instance.version),
            },
            "spec": {"workflow": "test", "cancel": instance.is_cancelled},
            "status": {"conditions": conditions, "checkpoint": checkpoint},
        }
    )
