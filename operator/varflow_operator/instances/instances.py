"""All instances: which have an actor, which are over, which are gone.

    watch events, and a list at the start ──► observe ──► Actor, one for each that has not ended

An instance gets one actor in the life of this process, and another one only when what the first had
begun with was old: a late event that shows it unfinished does not bring it back. One actor's fault
is its own matter. Nothing is polled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from varflow.errors import ClusterUnavailable
from varflow.variables import retrying
from varflow_operator.instances import records, statuses, stopping
from varflow_operator.instances.actors import Actor
from varflow_operator.instances.conflicts import Deposed
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Record
from varflow_operator.instances.statuses import Phase
from varflow_operator.kinds import INSTANCE, Object
from varflow_operator.observing import DELETED

_LIVE_PHASES: Final = (Phase.PENDING, Phase.RUNNING)
_FOR_EVER: Final = float("inf")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Remains:
    """An instance that was deleted after it had ended."""

    namespace: str
    workflow_uid: str
    uid: str


@dataclass(frozen=True, slots=True)
class Over:
    """An instance whose object is there and that has ended, or is somebody else's."""

    namespace: str
    name: str
    workflow_uid: str
    is_ended: bool


def keep(_namespace: str, _workflow: str) -> None:
    """Leave old revisions to the next look at their workflow."""


def ignore(_remains: Remains) -> None:
    """Leave what is left to the next sweep."""


class Instances:
    """The instances of the cluster. Use it from one event loop."""

    def __init__(self, ground: Ground, *, namespaces: Sequence[str | None] = (None,)) -> None:
        """Take what all of them have; `namespaces` whose they are, None means all."""
        self._ground = ground
        self._namespaces = namespaces
        self._deleted: Callable[[Remains], None] = ignore
        self._released: Callable[[str, str], None] = keep
        self._actors: dict[str, Actor] = {}
        self._over: dict[str, Over] = {}
        """Those that need no actor any more, by UID."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_running = False
        self.complete = asyncio.Event()
        """Every instance that there is has been seen."""
        for phase in _LIVE_PHASES:
            gauge = ground.metrics.instances.labels(phase)
            gauge.set_function(partial(self._count, phase))

    def tell(
        self, *, deleted: Callable[[Remains], None], released: Callable[[str, str], None]
    ) -> None:
        """Have others told what is theirs to do.

        Args:
            deleted: told of instances whose object is gone and that have no actor.
            released: told the namespace and name of a workflow when an instance of an older
                revision is over, which nobody may need any more.
        """
        self._deleted, self._released = deleted, released

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of an instance; of one that was deleted only its metadata may be there."""
        uid = obj["metadata"]["uid"]
        if event_type == DELETED:
            self._forget(uid, obj["metadata"]["namespace"])
        elif uid in self._actors:
            stop = stopping.wish(obj)
            if stop is not None:
                self._actors[uid].stop(stop)
        elif uid not in self._over and self._is_running:
            self._take(records.read(obj))

    def lose_workflow(self, workflow_uid: str) -> None:
        """Have subflows of a deleted workflow end; Kubernetes keeps them for their parents."""
        for actor in self._actors.values():
            if actor.view.workflow_uid == workflow_uid and actor.record.parent is not None:
                actor.stop(stopping.WITHOUT_WORKFLOW)

    def close(self, namespace: str) -> None:
        """Have the instances of a namespace end, for it is being deleted."""
        for actor in self._actors.values():
            if actor.record.namespace == namespace:
                actor.stop(stopping.WITHOUT_NAMESPACE)

    async def run(self) -> None:
        """Run all instances until cancelled; first those that are there already.

        Raises:
            ClusterError: they cannot be listed.
        """
        await self._patiently_load()
        try:
            await asyncio.Event().wait()
        finally:
            await self._end()

    def live_revisions(self, workflow_uid: str) -> frozenset[str] | None:
        """Return the revisions of a workflow that unfinished instances run on.

        None while that is not known: not all instances have been seen, or one of this workflow's
        may be about to choose.
        """
        if not self.complete.is_set():
            return None
        views = [actor.view for actor in self._actors.values()]
        found = {view.revision for view in views if view.workflow_uid == workflow_uid}
        return frozenset(found)

    @property
    def live(self) -> int:
        """How many have an actor."""
        return len(self._actors)

    def is_known(self, uid: str) -> bool:
        """Tell whether there is an instance with this UID, as far as the watch says."""
        return uid in self._actors or uid in self._over

    def find_over(self, uid: str) -> Over | None:
        """Return an instance that has ended and of which nothing goes on here."""
        found = self._over.get(uid)
        return found if found is not None and found.is_ended else None

    async def _patiently_load(self) -> None:
        ground = self._ground
        await retrying.until(_FOR_EVER, ground.pods.load, waits_out=ClusterUnavailable)
        self._is_running = True
        await retrying.until(_FOR_EVER, self._load, waits_out=ClusterUnavailable)
        self.complete.set()
        _logger.info("%d instances go on", len(self._actors))

    async def _load(self) -> None:
        for namespace in self._namespaces:
            async for obj in self._ground.cluster.list(INSTANCE, namespace):
                self.observe(None, obj)

    def _take(self, record: Record) -> None:
        workflow_uid = record.status.get("workflowUID") or ""
        if record.is_over:
            self._over[record.uid] = Over(
                record.namespace, record.name, workflow_uid, is_ended=True
            )
            return
        try:
            actor = self._actors[record.uid] = Actor(record, self._ground)
        except Deposed as error:
            _logger.warning("%s", error.message)
            self._over[record.uid] = Over(
                record.namespace, record.name, workflow_uid, is_ended=False
            )
            return
        task = asyncio.create_task(self._run(actor), name=f"instance {record.uid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, actor: Actor) -> None:
        await actor.run()
        record, view = actor.record, actor.view
        if actor.is_overtaken:
            await self._take_again(record)
            return
        del self._actors[record.uid]
        if not actor.is_gone:
            self._over[record.uid] = Over(
                record.namespace, record.name, view.workflow_uid, is_ended=actor.is_ended
            )
        current = self._ground.definitions.find(record.namespace, record.workflow)
        if current is not None and view.revision not in {"", current.revision}:
            self._released(record.namespace, record.workflow)

    async def _take_again(self, record: Record) -> None:
        """Begin again with what an older control plane has written last."""
        found = await retrying.until(
            _FOR_EVER,
            lambda: self._ground.cluster.find(INSTANCE, record.namespace, record.name),
            waits_out=ClusterUnavailable,
        )
        del self._actors[record.uid]
        if found is not None:
            self.observe(None, found)

    def _forget(self, uid: str, namespace: str) -> None:
        if uid in self._actors:
            self._actors[uid].forget()
            return
        over = self._over.pop(uid, None)
        if over is not None and over.workflow_uid:
            self._deleted(Remains(namespace, over.workflow_uid, uid))

    def _count(self, phase: Phase) -> float:
        return sum(statuses.phase(actor.view) is phase for actor in self._actors.values())

    async def _end(self) -> None:
        self._is_running = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
