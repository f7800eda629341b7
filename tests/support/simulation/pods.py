"""The pods of a simulation: sidecars that run actions by id, and refuse commands of a lower epoch.

A sidecar may be restarted, and then has forgotten everything. A pod may be lost: nobody reaches it
any more, and another one takes its place, but what it runs goes on and may commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.support.simulation.flaws import Flaw
from tests.support.simulation.violations import Violation
from varflow.contract import Outcome
from varflow.engine.messages import DispatchAction

if TYPE_CHECKING:
    from tests.support.simulation.runs import Run

Json = Any
Key = tuple[str, str]
"""An action or write: its instance, and its decision's name."""

PODS: Final = 3


class Refused(Exception):
    """A command comes from a control plane that was deposed."""


@dataclass(eq=False, slots=True)
class Execution:
    """One attempt of an action, in a sidecar."""

    key: Key
    command: DispatchAction
    answer: Json
    is_first: bool
    """Nobody has sent the action before."""
    outcome: Outcome | None = None
    waiting: list[Run] = field(default_factory=list)
    is_out_of_sight: bool = False


class Pods:
    """All of them, by number."""

    def __init__(self, random: Random, flaw: Flaw | None) -> None:
        self.running: list[Execution] = []
        """What runs, also out of sight."""
        self.started = 0
        self._random = random
        self._flaw = flaw
        self._fences = [0] * PODS
        """The highest epoch that each pod has heard of."""
        self._known: list[dict[str, Execution]] = [{} for _ in range(PODS)]
        """By pod and action id."""

    @property
    def at_work(self) -> list[int]:
        """The pods in which something runs."""
        return [
            pod
            for pod, known in enumerate(self._known)
            if any(it.outcome is None for it in known.values())
        ]

    def find(self, id: str, *, epoch: int) -> Execution | None:
        """Ask all pods for an action.

        Raises:
            Refused: there is a newer control plane.
        """
        if self._flaw is Flaw.RERUN:
            return None
        found = [self._find_in(pod, id, epoch=epoch) for pod in range(PODS)]
        return next((it for it in found if it is not None), None)

    def start(self, execution: Execution, *, epoch: int) -> Execution:
        """Start an execution in some pod, or return the one that has the id there.

        Raises:
            Refused: there is a newer control plane.
        """
        pod, id = self._random.randrange(PODS), execution.command.action_id
        found = self._find_in(pod, id, epoch=epoch)
        if found is not None and self._flaw is not Flaw.RERUN:
            return found
        if any(id in known for known in self._known):
            raise Violation(f"{execution.key} is called again, and a pod has it")
        self.started += 1
        self.running.append(execution)
        self._known[pod][id] = execution
        return execution

    def lose(self, *, runs_on: bool, epoch: int) -> list[Execution]:
        """Lose a pod that is at work, or only what its sidecar knows.

        Its successor has heard of the newest control plane: pods that have not are not simulated.

        Returns:
            What somebody waits for there.
        """
        pod = self._random.choice(self.at_work)
        lost, self._known[pod] = self._known[pod], {}
        self._fences[pod] = epoch
        for execution in lost.values():
            execution.is_out_of_sight = True
        if not runs_on:
            self.running = [it for it in self.running if it not in lost.values()]
        return [it for it in lost.values() if it.waiting and it.outcome is None]

    def stop(self, key: Key) -> None:
        """Tell every attempt of an action to stop; not all of them hear it."""
        for execution in [it for it in self.running if it.key == key]:
            if not execution.is_out_of_sight and self._random.random() < 0.5:
                self.running.remove(execution)

    def _find_in(self, pod: int, id: str, *, epoch: int) -> Execution | None:
        if epoch < self._fences[pod] and self._flaw is not Flaw.NO_FENCE:
            raise Refused
        self._fences[pod] = max(self._fences[pod], epoch)
        return self._known[pod].get(id)
