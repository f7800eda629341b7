"""The world of a simulation: what is there whichever control plane lives, and what may happen.

    objects   an instance's status, with the checkpoint, written under its version
    pods      sidecars that run actions by id (`pods`)
    store     decision objects, and what instances put aside
    children  of which some are instances themselves, and others only end

Everything is checked as it happens; `Violation` says what went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.support.simulation.flaws import Flaw
from tests.support.simulation.pods import Execution, Key, Pods
from tests.support.simulation.violations import Violation
from tests.support.simulation.workflows import make_random_workflow
from varflow.contract import Outcome, OutcomeStatus
from varflow.engine import codes
from varflow.engine.messages import DispatchAction, Finish, InstanceStatus, StartSubflow
from varflow.language.workflow import Workflow
from varflow_operator.instances.records import Mark

if TYPE_CHECKING:
    from tests.support.simulation.runs import Run

Json = Any
FUNCTION_CODES = ("oops", "other", "")
"""Codes that functions fail with."""

_CANCELLED = Outcome(status=OutcomeStatus.CANCELLED, code=codes.CANCELLED)


@dataclass(eq=False, slots=True)
class Instance:
    """The object of an instance: what outlives every control plane."""

    uid: str
    workflow: Workflow
    depth: int
    begun: float
    input: Json
    version: int = 0
    """Changes with every write, whoever writes what."""
    mark: Mark = field(default_factory=Mark)
    snapshot: bytes = b""
    step: int = 0
    effects: frozenset[str] = frozenset()
    """Ids that are in the checkpoint."""
    entered: tuple[str, ...] = ()
    """The states that have been entered, as far as the checkpoint knows."""
    finish: Finish | None = None
    is_cancelled: bool = False

    def is_past(self, decision: str) -> bool:
        """Say whether the state that an action belongs to has been left."""
        return self.finish is not None or int(decision.split(".", maxsplit=1)[0]) < self.step


@dataclass(eq=False, slots=True)
class Child:
    """A child instance, by its action's id."""

    key: Key
    is_detached: bool
    instance: Instance | None = None
    """None for one of which only the end is simulated."""
    is_told_to_stop: bool = False
    status: InstanceStatus | None = None
    waiting: list[Run] = field(default_factory=list)

    @property
    def can_end(self) -> bool:
        """Say whether it runs and may end now."""
        is_alive = self.instance is not None and self.instance.finish is None
        return self.status is None and not is_alive


@dataclass(eq=False, slots=True)
class World:
    """Everything outside of the control planes."""

    random: Random
    flaw: Flaw | None = None
    trouble: float = 1.0
    """How much goes wrong with functions and children."""
    length: int = 0
    """Of answers: long ones fill the pages of a loop."""
    now: float = 1000.0
    last_fault: float = 1000.0
    epoch: int = 0
    """Of the newest control plane."""
    workflows: dict[int, Workflow] = field(default_factory=dict)
    """By depth, made when they are needed."""
    instances: dict[str, Instance] = field(default_factory=dict)
    living: int = 0
    """How many instances have not ended."""
    pods: Pods = field(init=False)
    children: dict[str, Child] = field(default_factory=dict)
    decisions: dict[Key, Outcome | None] = field(default_factory=dict)
    """The outcome of what has committed; None for what was abandoned."""
    effects: dict[Key, int] = field(default_factory=dict)
    """How often an action has taken effect."""
    unconfirmed: set[Key] = field(default_factory=set)
    """Whose giving up took too long: the one case in which the engine goes on all the same."""
    detached: set[Key] = field(default_factory=set)
    work: dict[str, Any] = field(default_factory=dict)
    """What was asked for under each id."""
    data: dict[tuple[str, str], Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pods = Pods(self.random, self.flaw)

    def make_instance(self, uid: str, *, depth: int) -> Instance:
        """Create the object of an instance."""
        if depth not in self.workflows:
            self.workflows[depth] = make_random_workflow(self.random, depth)
        input_ = self.random.choice([5, {"n": 1}, {"n": 1}])
        instance = Instance(uid, self.workflows[depth], depth, self.now, input_)
        self.instances[uid] = instance
        self.living += 1
        return instance

    # Functions

    def start_action(
        self, instance: Instance, command: DispatchAction, *, epoch: int, is_first: bool
    ) -> Execution:
        """Run an action in some pod, or return the one that has the id there.

        Raises:
            Refused: there is a newer control plane.
        """
        key = instance.uid, command.decision
        if command.is_detached:
            self.detached.add(key)
        answer = self._make_answer(command)
        return self.pods.start(Execution(key, command, answer, is_first), epoch=epoch)

    def _make_answer(self, command: DispatchAction) -> Json:
        """Return an answer that no other attempt gives."""
        padding = "x" * self.length
        return {"of": command.decision, "number": self.pods.started, "padding": padding}

    def end_action(self, execution: Execution) -> None:
        """Let an action end, somehow."""
        self.pods.running.remove(execution)
        status = self.random.choice(list(OutcomeStatus))
        if self.random.random() > self.trouble:
            status = OutcomeStatus.COMPLETE
        code = self.random.choice([*FUNCTION_CODES, codes.TIMEOUT_SOFT])
        is_failure = status is OutcomeStatus.FAILED and code != codes.TIMEOUT_SOFT
        outcome = Outcome(status=status, output=execution.answer, code=code, message="m")
        if not is_failure and self.random.random() < 0.6:
            outcome = self._commit_action(execution, outcome)
        elif not execution.is_first and outcome.status is OutcomeStatus.COMPLETE:
            outcome = self._adopt(execution.key, outcome)
        execution.outcome = outcome

    def _commit_action(self, execution: Execution, outcome: Outcome) -> Outcome:
        """Commit what it has changed; it may still end in another way than complete."""
        if self.now > execution.command.deadline:
            return Outcome(status=OutcomeStatus.FAILED, code=codes.TIMEOUT_SOFT)
        complete = Outcome(status=OutcomeStatus.COMPLETE, output=execution.answer)
        found = self.commit(execution.key, complete) or _CANCELLED
        if found is _CANCELLED:
            return found
        return found if outcome.status is OutcomeStatus.COMPLETE else outcome

    def _adopt(self, key: Key, outcome: Outcome) -> Outcome:
        """Return what has been decided instead of an outcome that changes nothing."""
        return (self.decisions[key] or _CANCELLED) if key in self.decisions else outcome

    # The store

    def find_decided(self, key: Key) -> Outcome | None:
        """Return what an action has committed."""
        return self.decisions.get(key)

    def commit(self, key: Key, outcome: Outcome) -> Outcome | None:
        """Decide an action: the first attempt wins, later ones adopt; None when it was given up."""
        if key not in self.decisions or self.flaw is Flaw.TWO_DECISIONS:
            self.decisions[key] = outcome
            self.take_effect(key)
        return self.decisions[key]

    def abandon(self, key: Key) -> Outcome | None:
        """Give an action up for good; return what it had committed before."""
        if self.flaw is Flaw.EMPTY_PROMISE:
            return self.decisions.get(key)
        return self.decisions.setdefault(key, None)

    def take_effect(self, key: Key) -> None:
        """Count an effect, of which each action has one at most, and none once it was left."""
        self.effects[key] = self.effects.get(key, 0) + 1
        if self.effects[key] > 1 and key not in self.unconfirmed:
            raise Violation(f"{key} takes effect twice")
        is_left = self.instances[key[0]].is_past(key[1])
        if is_left and key not in self.unconfirmed and key not in self.detached:
            raise Violation(f"{key} takes effect after its state was left")

    # Children

    def start_child(self, key: Key, command: StartSubflow) -> Child:
        """Create a child, or return the one that is there."""
        found = self.children.get(command.action_id)
        if found is not None:
            return found
        self._check_no_sibling(key)
        if command.is_detached:
            self.detached.add(key)
        child = Child(key, command.is_detached)
        if command.workflow == "child":
            child.instance = self.make_instance(command.action_id, depth=command.depth)
        self.children[command.action_id] = child
        return child

    def _check_no_sibling(self, key: Key) -> None:
        running = [it for it in self.children.values() if it.key == key and it.status is None]
        if running and key not in self.unconfirmed:
            raise Violation(f"{key} has two children at one time")

    def stop_child(self, key: Key, id: str) -> Child:
        """Tell a child to stop; one that was never started never will be."""
        if id not in self.children:
            self.children[id] = Child(key, is_detached=False, status=InstanceStatus.CANCELLED)
        child = self.children[id]
        child.is_told_to_stop = True
        if child.instance is not None:
            self.cancel(child.instance)
        return child

    def end_child(self, child: Child) -> None:
        """Let a child end if it can: one that is an instance ends when that does."""
        if child.instance is None:
            status = self.random.choice(list(InstanceStatus))
            is_good = self.random.random() > self.trouble
            child.status = InstanceStatus.COMPLETE if is_good else status
        elif child.instance.finish is not None:
            child.status = child.instance.finish.status
        if child.status is InstanceStatus.COMPLETE:
            self.take_effect(child.key)

    def cancel(self, instance: Instance) -> None:
        """Ask an instance to stop."""
        if not instance.is_cancelled and instance.finish is None:
            instance.is_cancelled = True
            instance.version += 1
