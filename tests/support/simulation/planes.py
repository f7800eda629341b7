"""One history: control planes that come and go, and what happens next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.support.engine import INSTANCE
from tests.support.simulation.answers import Answers
from tests.support.simulation.flaws import Flaw
from tests.support.simulation.runs import Run
from tests.support.simulation.violations import Violation
from tests.support.simulation.world import World

FAULTS: Final = 5
"""How often a control plane dies or is replaced in one history."""
LOSSES: Final = 3
"""How often a pod is lost in one history."""
MOST_STEPS: Final = 100_000
"""After so many a history goes round in circles."""


@dataclass(eq=False, slots=True)
class Plane:
    """A control plane."""

    epoch: int
    trace: list[Any]
    runs: dict[str, Run] = field(default_factory=dict)
    known: int = 0
    """How many instances there were when it last looked for new ones."""


class Simulation:
    """One history, drawn from a seed."""

    def __init__(self, seed: int, *, flaw: Flaw | None = None) -> None:
        self.random = Random(seed)
        self.world = World(self.random, flaw)
        self.answers = Answers(self.world)
        self.trace: list[Any] = []
        """All that came from the engine, and when."""
        self._leader: Plane | None = None
        self._deposed: list[Plane] = []
        self.world.trouble = self.random.choice([0.1, 0.4, 0.8])
        self.world.length = self.random.choice([0, 0, 0, 0, 0, 6000])
        self._faults_left = self.random.choice([0, 1, FAULTS])
        self._losses_left = self.random.choice([0, 1, LOSSES])
        self._cancels = self.random.choice([0, 0, 0, 0.002])

    def run(self) -> list[Any]:
        """Run to the end; return what the engine said."""
        self.world.make_instance(INSTANCE, depth=0)
        for _ in range(MOST_STEPS):
            if not self.world.living:
                break
            self._step()
        else:
            raise Violation(f"{MOST_STEPS} steps have not been enough")
        self._let_the_rest_happen()
        return self.trace

    # What happens next

    def _step(self) -> None:
        chance = self.random.random()
        if self._leader is None:
            self._elect()
            return
        self._adopt(self._leader)
        if chance < 0.02 and self._faults_left:
            self._replace_leader()
        elif chance > 1 - self._cancels:
            self.world.cancel(self.random.choice(list(self.world.instances.values())))
        elif chance > 0.97 and self._losses_left and self.world.pods.at_work:
            self._lose_pod()
        elif chance < 0.1 and self._deposed:
            self._step_of_deposed()
        elif chance < 0.7 and self._step_of_leader(self._leader):
            pass
        else:
            self._step_of_world(self._leader)

    def _step_of_leader(self, leader: Plane) -> bool:
        """Let the control plane do something; False when it has nothing to do."""
        ready = [run for run in leader.runs.values() if run.is_ready]
        if ready:
            self._step_of_run(self.random.choice(ready))
        return bool(ready)

    def _step_of_run(self, run: Run) -> None:
        run.step()
        if run.is_over:
            self._leave(run)

    def _leave(self, run: Run) -> None:
        run.plane.runs.pop(run.instance.uid, None)
        if run.is_overtaken:
            run.plane.known = 0
        self.answers.forget(run)

    def _step_of_world(self, leader: Plane) -> None:
        """Do something of what may happen, if there is something; or let time pass."""
        first = self.random.randrange(len(_HAPPENINGS) + 2)
        if first < len(_HAPPENINGS):
            for happens in (*_HAPPENINGS[first:], *_HAPPENINGS[:first]):
                if happens(self, leader):
                    return
        self._pass_time(leader)

    def _answer_something(self, leader: Plane) -> bool:
        asking = [run for run in leader.runs.values() if run.requests]
        if asking:
            self._answer(self.random.choice(asking))
        return bool(asking)

    def _deliver_something(self, leader: Plane) -> bool:
        mail = self.answers.mail
        if mail:
            self.answers.deliver()
        return bool(mail)

    def _end_an_action(self, leader: Plane) -> bool:
        """End one that runs; those out of sight mostly outlive their successors."""
        sees_all = self.random.random() < 0.1
        running = [it for it in self.world.pods.running if sees_all or not it.is_out_of_sight]
        if running:
            self.answers.end_action(self.random.choice(running))
        return bool(running)

    def _end_a_child(self, leader: Plane) -> bool:
        going = [(id, it) for id, it in self.world.children.items() if it.can_end]
        if going:
            self.answers.end_child(*self.random.choice(going))
        return bool(going)

    def _answer(self, run: Run) -> None:
        self.answers.carry_out(run)
        if run.is_over:
            self._leave(run)

    def _pass_time(self, leader: Plane) -> None:
        """Let time pass until the next timer at most; a little while there is something to do."""
        timers = [at for run in leader.runs.values() for at in run.timers.values()]
        is_busy = any(run.is_ready for run in leader.runs.values())
        wanted = 0.01 if is_busy else self.random.choice(self._paces(leader))
        self.world.now = max(self.world.now, min([self.world.now + wanted, *timers]))
        for plane in (leader, *self._deposed):
            for run in plane.runs.values():
                run.fire()

    def _paces(self, leader: Plane) -> tuple[float, ...]:
        """Return how much time may pass: answers take moments, and actions longer."""
        if self.answers.mail or any(run.requests for run in leader.runs.values()):
            return 0.01, 0.1, 1
        return (0.1, 1, 5) if self.world.pods.running else (1, 60)

    # Control planes

    def _elect(self) -> None:
        self.world.epoch += 1
        self.world.last_fault = self.world.now
        self._leader = Plane(self.world.epoch, self.trace)

    def _adopt(self, leader: Plane) -> None:
        """Take over the instances that are there."""
        if leader.known == len(self.world.instances):
            return
        leader.known = len(self.world.instances)
        for instance in self.world.instances.values():
            if instance.uid not in leader.runs and not instance.finish:
                leader.runs[instance.uid] = Run(self.world, leader, instance)

    def _lose_pod(self) -> None:
        self._losses_left -= 1
        self.world.last_fault = self.world.now
        self.answers.lose_pod()

    def _replace_leader(self) -> None:
        """Lose the control plane; it may live on without knowing that there is another one."""
        self._faults_left -= 1
        lost, self._leader = self._leader, None
        self.world.now += self.random.choice([0, 0.5, 30])
        if lost is not None and self.random.random() < 0.5:
            self._deposed.append(lost)
        elif lost is not None:
            self._kill(lost)

    def _kill(self, plane: Plane) -> None:
        for run in list(plane.runs.values()):
            run.is_deposed = True
            self._leave(run)

    def _step_of_deposed(self) -> None:
        """Let a control plane that was deposed go on, as far as it gets."""
        plane = self.random.choice(self._deposed)
        runs = [run for run in plane.runs.values() if run.is_ready or run.requests]
        if not runs or self.random.random() < 0.01:
            self._deposed.remove(plane)
            self._kill(plane)
            return
        run = self.random.choice(runs)
        if run.requests and self.random.random() < 0.5:
            self._answer(run)
        elif run.is_ready:
            self._step_of_run(run)

    def _let_the_rest_happen(self) -> None:
        """After the end nothing may take effect any more, whoever still lives."""
        while self._deposed:
            self._step_of_deposed()
        while self.world.pods.running:
            self.answers.end_action(self.random.choice(self.world.pods.running))
        for id, child in self.world.children.items():
            if child.can_end:
                self.answers.end_child(id, child)


_HAPPENINGS: Final[tuple[Callable[[Simulation, Plane], bool], ...]] = (
    Simulation._answer_something,
    Simulation._deliver_something,
    Simulation._end_an_action,
    Simulation._end_a_child,
)
"""What may happen outside of the control plane; each says whether there was something to do."""
