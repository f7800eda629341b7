"""Makes every Workflow what it says: looks at it, decides, acts, and looks again.

An event only says that something may have happened. The object is read anew each time, so an event
that is late, doubled or lost in a gap of the watch does no harm: what is missed is found by the
next look, within the hour at the latest.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeAlias

from varflow.errors import EncryptionKeyMissing, ObjectRefused
from varflow.variables.encryption.keyrings import KeyRing
from varflow_operator import queues
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import WORKFLOW, Object
from varflow_operator.lending.modes import NotLent
from varflow_operator.observing import DELETED
from varflow_operator.queues import Queue
from varflow_operator.resources.objects import Platform
from varflow_operator.resources.plans import FunctionPods
from varflow_operator.workflows import acting, deciding, situations
from varflow_operator.workflows.deciding import Plan
from varflow_operator.workflows.revisions import Revisions
from varflow_operator.workflows.situations import LiveRevisions, Situation


class _Name(NamedTuple):
    """Which Workflow."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def _ignore(_functions: Iterable[FunctionPods]) -> None:
    """Tell nobody."""


async def _no_keys(_obj: Object) -> KeyRing | None:
    """Encrypt nothing."""
    return None


async def _lend_nothing(_obj: Object) -> bool:
    """Leave sidecars the operator's own credentials."""
    return False


Lend: TypeAlias = Callable[[Object], Awaitable[bool]]
FindKeys: TypeAlias = Callable[[Object], Awaitable[KeyRing | None]]


class Workflows:
    """All Workflow objects that this operator looks after."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        platform: Platform,
        token: Callable[[str], str],
        live_revisions: LiveRevisions,
        revisions: Revisions | None = None,
        note_functions: Callable[[Iterable[FunctionPods]], None] = _ignore,
        clock: Callable[[], float] = time.time,
        note: queues.Note = queues.ignore,
        keys: FindKeys = _no_keys,
        lend: Lend = _lend_nothing,
    ) -> None:
        """Take what workflows need.

        Args:
            cluster: Where they are.
            platform: What they have in common.
            token: Workflow UID -> what its sidecars ask the operator for.
            live_revisions: Which revisions unfinished instances run on.
            revisions: Shared with those who run instances.
            note_functions: Told which Deployments there are, for who scales them.
            clock: Seconds since the epoch.
            note: Told of each look, for metrics.
            keys: Object -> what its namespace's variables are encrypted with.
            lend: Object -> whether its namespace has limited credentials of the store.
        """
        self._cluster = cluster
        self._platform = platform
        self._token = token
        self._live = live_revisions
        self._revisions = revisions or Revisions(cluster)
        self._note_functions = note_functions
        self._clock = clock
        self._keys = keys
        self._lend = lend
        self._queue: Queue[_Name] = Queue(self._look, name=WORKFLOW.name, note=note)
        self._done: dict[_Name, tuple[str, int]] = {}
        """UID and generation that need no further look when an event comes."""

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of an event."""
        metadata = obj["metadata"]
        key = _Name(metadata["namespace"], metadata["name"])
        if event_type == DELETED:
            self._done.pop(key, None)
            self._queue.request(key)  # a successor of the same name may be there already
        elif self._done.get(key) != (metadata["uid"], metadata.get("generation", 1)):
            self._queue.request(key)

    def wake(self, namespace: str, name: str) -> None:
        """Have a workflow looked at: an old revision is not needed any more, or pods are gone."""
        self._queue.request(_Name(namespace, name))

    def wake_all(self, namespace: str) -> None:
        """Have all workflows of a namespace looked at: its keys or credentials are others."""
        for key in self._done:
            if key.namespace == namespace:
                self._queue.request(key)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.run()

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Look at one Workflow once; return in how many seconds it should be looked at again.

        Raises:
            VarflowError: it could not be done; try again later.
        """
        obj = await self._cluster.find(WORKFLOW, namespace, name)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return None  # the garbage collector removes what it owns
        situation = await situations.gather(
            obj, cluster=self._cluster, revisions=self._revisions, live=self._live
        )
        plan = await self._act(situation)
        self._note_functions(plan.functions)
        self._done[_Name(namespace, name)] = (situation.owner.uid, situation.generation)
        return plan.again

    async def _act(self, situation: Situation) -> Plan:
        """Do what is to be done, and return what that was."""
        try:
            plan = deciding.decide(
                situation,
                platform=self._platform,
                token=self._token(situation.owner.uid),
                now=self._clock(),
                keys=await self._keys(situation.obj),
                is_lent=await self._lend(situation.obj),
            )
            await acting.act(plan, situation.obj, self._cluster)
        except ObjectRefused as error:
            plan = deciding.refuse(situation, error, now=self._clock())
            await acting.write_status(plan, situation.obj, self._cluster)
        except EncryptionKeyMissing as error:
            plan = deciding.lack_keys(situation, error, now=self._clock())
            await acting.write_status(plan, situation.obj, self._cluster)
        except NotLent as error:
            plan = deciding.lack_credentials(situation, error, now=self._clock())
            await acting.write_status(plan, situation.obj, self._cluster)
        return plan

    async def _look(self, key: _Name) -> float | None:
        return await self.reconcile(*key)
