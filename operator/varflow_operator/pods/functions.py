"""One function's pods: who uses which place, and who waits for one.

A *place* is the right to have one action in one pod; a pod has `concurrency` of them. Who asks
waits in a queue, first come first served, until a pod is ready and has a place. All of this happens
in one event loop and between two awaits, so handing out a place and lowering the number of pods
never meet: while they are being lowered nothing is handed out, and pods that may be about to go
are left alone until it is clear which went.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from varflow_operator import names
from varflow_operator.pods import choosing, reasons
from varflow_operator.pods.choosing import Candidate
from varflow_operator.pods.states import FunctionKey, PodState
from varflow_operator.resources.plans import FunctionPods, Scale

SETTLING_SECONDS: Final = 2.0
"""How long after lowering a pod may yet be picked to go, although it looks as if it stayed."""
REFUSED_SECONDS: Final = 5.0
"""How long a pod that refused an action, or could not be reached, gets no new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """What has to be known of a function to use its pods."""

    key: FunctionKey
    namespace: str
    deployment: str
    workflow_uid: str
    concurrency: int
    scale: Scale

    @classmethod
    def of(cls, pods: FunctionPods) -> FunctionSettings:
        """Return the settings of a function of a workflow."""
        selector = pods.selector
        return cls(
            key=FunctionKey(
                workflow_uid=selector[names.LABEL_WORKFLOW_UID],
                function=selector[names.LABEL_FUNCTION],
                spec=selector[names.LABEL_SPEC],
            ),
            namespace=pods.owner.namespace,
            deployment=pods.deployment,
            workflow_uid=pods.owner.uid,
            concurrency=pods.function.concurrency,
            scale=pods.scale,
        )


class Pod:
    """A pod, as it is now."""

    def __init__(self, state: PodState) -> None:
        self.state = state
        self.running = 0
        """Places that are taken."""
        self.gone = asyncio.Event()
        """Nobody will hear of it again. That nothing of it runs any more is what its state says:
        an object that was deleted by force says nothing of a node that nobody reaches."""
        self._refused_until = 0.0
        self._unready_since: float | None = None if state.is_ready else _now()

    @property
    def unready_seconds(self) -> float:
        """For how long it has not been ready."""
        return 0.0 if self._unready_since is None else _now() - self._unready_since

    @property
    def is_usable(self) -> bool:
        """It can take another action."""
        return self.state.is_ready and _now() >= self._refused_until

    def update(self, state: PodState) -> None:
        """Take note of what the cluster says."""
        self.state = state
        if not state.is_ready:
            self._unready_since = self._unready_since or _now()
        else:
            self._unready_since = None
        if state.is_over:
            self.gone.set()

    def note_refusal(self) -> None:
        """Send nothing new there for a moment."""
        self._refused_until = _now() + REFUSED_SECONDS


class Place:
    """The right to have one action in one pod, until `release`."""

    def __init__(self, pod: Pod, function: Function) -> None:
        self.pod = pod
        self._function: Function | None = function
        pod.running += 1

    def release(self, *, is_refused: bool = False) -> None:
        """Give the place back; once is enough.

        Args:
            is_refused: the pod did not take the action, so it is left alone for a moment.
        """
        function, self._function = self._function, None
        if function is not None:
            self.pod.running -= 1
            if is_refused:
                self.pod.note_refusal()
            function.note_release(self.pod)


class Function:
    """The pods of one function, and the queue before them."""

    def __init__(self, key: FunctionKey, *, on_change: Callable[[Function], None]) -> None:
        """Call `on_change` whenever another number of pods may be wanted."""
        self.key = key
        self.settings: FunctionSettings | None = None
        self.pods: dict[str, Pod] = {}
        self.present: int | None = None
        """How many pods were asked for; None while that is not known."""
        self._on_change = on_change
        self._waiting: deque[asyncio.Future[Place]] = deque()
        self._idle_since = _now()
        self._is_lowering = False
        self._doomed: set[str] = set()
        self._settles_at = 0.0

    @property
    def in_flight(self) -> int:
        """Actions that have a place or wait for one."""
        return len(self._waiting) + sum(pod.running for pod in self.pods.values())

    @property
    def idle_seconds(self) -> float:
        """For how long nothing has been in flight."""
        return 0.0 if self.in_flight else _now() - self._idle_since

    @property
    def trouble(self) -> str:
        """Why no pod takes an action; "" when nothing is known to be wrong."""
        return reasons.summary(pod.state.trouble for pod in self.pods.values())

    async def take(self) -> Place:
        """Wait for a place; cancelling gives up waiting."""
        waiter: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.serve()
        self._on_change(self)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def observe(self, state: PodState) -> None:
        """Take note of a pod."""
        pod = self.pods.get(state.uid)
        if pod is None:
            pod = self.pods[state.uid] = Pod(state)
        pod.update(state)
        self._settle()
        self.serve()

    def forget(self, last: PodState) -> None:
        """Take note that a pod's object is gone, and what it said last."""
        pod = self.pods.pop(last.uid, None)
        if pod is not None:
            pod.update(last)
            pod.gone.set()
        self._settle()
        self._on_change(self)

    def note_release(self, pod: Pod) -> None:
        """Hand a place out again that was given back."""
        self._idle_since = _now()
        self.serve()
        if not pod.is_usable:
            asyncio.get_running_loop().call_later(REFUSED_SECONDS, self.serve)
        self._on_change(self)

    def begin_lowering(self) -> None:
        """Hand nothing out until `end_lowering`."""
        self._is_lowering = True

    def end_lowering(self) -> None:
        """Go on, but for now without the pods that may go."""
        self._is_lowering = False
        self._doomed = set(self.pods)
        self._settles_at = _now() + SETTLING_SECONDS
        asyncio.get_running_loop().call_later(SETTLING_SECONDS, self._settle_late)

    def serve(self) -> None:
        """Hand out free places to those who wait."""
        while self._waiting and not self._is_lowering:
            pod = self._choose()
            if pod is None:
                return
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(Place(pod, self))

    def _choose(self) -> Pod | None:
        if self.settings is None:
            return None
        chosen = choosing.choose(
            (
                Candidate(
                    uid=uid,
                    name=pod.state.name,
                    running=pod.running,
                    is_usable=pod.is_usable and uid not in self._doomed,
                )
                for uid, pod in self.pods.items()
            ),
            concurrency=self.settings.concurrency,
        )
        return None if chosen is None else self.pods[chosen.uid]

    def _leave(self, waiter: asyncio.Future[Place]) -> None:
        if waiter.done() and not waiter.cancelled():
            waiter.result().release()  # it was handed out while its owner was being cancelled
        elif waiter in self._waiting:
            self._waiting.remove(waiter)
            self._idle_since = _now()
            self._on_change(self)

    def _settle(self) -> None:
        """Clear the pods that stay, once it is plain that all others go."""
        alive = sum(not pod.state.is_leaving for pod in self.pods.values())
        if self._doomed and _now() >= self._settles_at and alive <= (self.present or 0):
            self._doomed.clear()

    def _settle_late(self) -> None:
        self._settle()
        self.serve()


def _now() -> float:
    return asyncio.get_running_loop().time()
