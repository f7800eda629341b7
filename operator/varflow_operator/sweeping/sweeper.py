"""Removes what gone namespaces, workflows and instances have left in the store.

    list the store ─► who is unknown to the watches? ─► list the API server ─► remove
                  └─► who has ended and still has variables? ─► end them
    list the namespaces that are there ─► tidy up after their writers (`upkeep`)

It finds everything there is, whatever was missed, also what was deleted while no operator ran.
Nothing is removed unless the API server, asked after the store was listed, does not have that UID;
and only below this cluster's prefix. So a store that several clusters share is safe, and so is an
owner that is created while this goes on.

What a gone instance has left is removed by `removing`, once no pod runs anything of it any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import orjson

from varflow.errors import ClusterError, StoreError, VarflowError
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow_operator.instances import records
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.instances import Instances, Over, Remains
from varflow_operator.instances.running import KEPT_SECONDS
from varflow_operator.kinds import INSTANCE, WORKFLOW, Kind
from varflow_operator.sweeping import deadlines
from varflow_operator.sweeping.attempts import attempt
from varflow_operator.sweeping.censuses import Census, Holdings
from varflow_operator.sweeping.removing import Removing
from varflow_operator.sweeping.upkeep import Upkeep

SWEEP_SECONDS: Final = 30.0
UPKEEP_SECONDS: Final = 600.0
"""How often it is looked whether a namespace is to be tidied."""

_SHARE: Final = 20
"""A sweep that takes long is done more seldom: one part of the time in so many."""

_logger = logging.getLogger(__name__)


class Sweeper:
    """Sweeps the store."""

    def __init__(
        self, ground: Ground, instances: Instances, *, namespaces: Sequence[str] = ()
    ) -> None:
        """Take what is known of the cluster; `namespaces` that are served, none for all."""
        self._ground = ground
        self._instances = instances
        self._namespaces = namespaces
        self._deleted: asyncio.Queue[Remains] = asyncio.Queue()
        self._removing = Removing(ground)
        self._upkeep = Upkeep(ground, instances)

    def note_deleted(self, remains: Remains) -> None:
        """Have the data of a deleted instance removed soon."""
        self._deleted.put_nowait(remains)

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._remove_deleted())
            group.create_task(self._removing.run())
            group.create_task(self._forever("swept", self.sweep, pause=SWEEP_SECONDS))
            group.create_task(self._forever("tidied", self.keep_up, pause=UPKEEP_SECONDS))

    async def sweep(self) -> None:
        """Look at everything once.

        Raises:
            StoreError: the store could not be listed.
            ClusterError: the cluster could not say what there is.
        """
        cluster = await self._ground.ownership.cluster_uid()
        census = await self._count(cluster)
        namespaces = await self._ground.ownership.list_names(self._namespaces)
        for uid, holdings in census.namespaces.items():
            owners = Owners(cluster, uid, "", "")
            if uid in namespaces:
                await self._sweep_namespace(owners, namespaces[uid], holdings)
            elif not self._namespaces:
                _logger.info("namespace %s is gone; its data is removed", uid)
                await attempt(self._ground.variables.remove_namespace(owners))

    async def keep_up(self) -> None:
        """Tidy up after the owners that are there, each of them now and then (`upkeep`).

        Raises:
            ClusterError: the cluster could not say what there is.
        """
        cluster = await self._ground.ownership.cluster_uid()
        namespaces = await self._ground.ownership.list_names(self._namespaces)
        for uid, name in namespaces.items():
            await attempt(self._upkeep.keep_up(Owners(cluster, uid, "", ""), name))

    async def _forever(
        self, done: str, work: Callable[[], Awaitable[None]], *, pause: float
    ) -> None:
        await self._instances.complete.wait()
        while True:
            began = time.monotonic()
            try:
                await work()
            except VarflowError as error:
                _logger.warning("the store was not %s: %s", done, error.message)
            except Exception:
                _logger.exception("the store was not %s", done)
            await asyncio.sleep(max(pause, _SHARE * (time.monotonic() - began)))

    async def _remove_deleted(self) -> None:
        while True:
            remains = await self._deleted.get()
            try:
                await self._remove(remains)
            except (StoreError, ClusterError) as error:
                _logger.info("left to the next sweep: %s", error.message)

    async def _remove(self, remains: Remains) -> None:
        owner = {"metadata": {"uid": remains.workflow_uid, "namespace": remains.namespace}}
        owners = await self._ground.ownership.of(owner, instance=remains.uid)
        census = Census()
        await self._note_all(census, paths.instance_prefix(owners))
        for holdings in census.namespaces.values():
            for uid, leftovers in holdings.instances.items():
                if leftovers.is_anything_ending:
                    self._removing.note(owners, remains.namespace, {uid: leftovers})
                else:  # it had ended well: nobody has to be asked
                    await self._ground.variables.remove_instance(owners, keep_until=None)

    # What there is

    async def _count(self, cluster: str) -> Census:
        census = Census()
        await self._note_all(census, paths.cluster_prefix(cluster))
        return census

    async def _note_all(self, census: Census, prefix: str) -> None:
        async for listed in self._ground.variables.store.list(prefix):
            place = paths.parse(listed.path)
            if place is not None:
                census.note(place, modified=listed.modified)

    async def _list(self, kind: Kind, namespace: str) -> set[str]:
        return {obj["metadata"]["uid"] async for obj in self._ground.cluster.list(kind, namespace)}

    # What is done about it

    async def _sweep_namespace(self, owners: Owners, name: str, holdings: Holdings) -> None:
        if not holdings.has_note:
            await self._write_note(owners, name)
        workflows = holdings.workflows - self._ground.definitions.uids()
        if workflows:
            for uid in workflows - await self._list(WORKFLOW, name):
                _logger.info("workflow %s in %s is gone; its data is removed", uid, name)
                gone = replace(owners, workflow=uid)
                await attempt(self._ground.variables.remove_workflow(gone))
        unknown = {
            uid: leftovers
            for uid, leftovers in holdings.instances.items()
            if not self._instances.is_known(uid)
        }
        if unknown:
            there = await self._list(INSTANCE, name)
            left = {uid: leftovers for uid, leftovers in unknown.items() if uid not in there}
            self._removing.note(owners, name, left)
        for uid, leftovers in holdings.instances.items():
            over = self._instances.find_over(uid)
            if over is not None and leftovers.is_anything_ending:
                await attempt(self._end(replace(owners, instance=uid), over))

    async def _end(self, owners: Owners, over: Over) -> None:
        """End what an instance that is over still has, as its actor would have."""
        found = await self._ground.cluster.find(INSTANCE, over.namespace, over.name)
        if found is None or found["metadata"]["uid"] != owners.instance:
            return
        record = records.read(found)
        deadline = await deadlines.of(self._ground, record)
        if deadline.outlives and self._ground.clock() < deadline.last:
            return
        await self._ground.variables.end_instance(
            owners,
            keep_until=deadline.last + KEPT_SECONDS,
            kept_data=record.output_ref,
        )

    async def _write_note(self, owners: Owners, name: str) -> None:
        note = {"namespace": name, "uid": owners.namespace, "cluster": owners.cluster}
        await self._ground.variables.store.put(paths.owner(owners), orjson.dumps(note))
