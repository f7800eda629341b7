"""The subflows of one instance: instances of their own, in the same namespace.

    StartSubflow ─► is it there? ─► create ──────► its end, as the watch sees it ─► SubflowFinished
    StopSubflow ──► is it there? ─► spec.cancel ─► its end ───────────────────────► SubflowFinished

A child's name follows from its parent's UID and the call's id, so that a control plane which does
not know whether it has made one finds it, and makes no second. A workflow that is not there (yet)
is the child's matter: it waits for it as every instance does, and says so.

A large input lies among the parent's data until the child has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeVar

import orjson

from varflow.engine.messages import (
    Json,
    LoadData,
    StartSubflow,
    StopSubflow,
    StoreData,
    SubflowFinished,
)
from varflow.errors import (
    ClusterUnavailable,
    InvalidInput,
    ObjectExists,
    ObjectNotFound,
    ObjectRefused,
)
from varflow.language import manifests, subflows
from varflow.shells.data import DataEffects
from varflow.variables import retrying
from varflow.variables.scopes import Owners
from varflow_operator import names
from varflow_operator.instances import offspring, records
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Identity
from varflow_operator.kinds import INSTANCE, WORKFLOW, Object

_FOR_EVER: Final = float("inf")
_T = TypeVar("_T")


class Children:
    """Starts and stops the children of one instance."""

    def __init__(self, ground: Ground, *, owners: Owners, parent: Identity) -> None:
        """Take the parent, and its place in the store."""
        self._ground = ground
        self._owners = owners
        self._parent = parent
        self._making: dict[str, asyncio.Task[Object]] = {}

    async def run(self, command: StartSubflow, *, is_resumed: bool) -> SubflowFinished:
        """Have a child run to its end; only have it begin if nobody waits for that.

        Raises:
            StoreError: a large input cannot be stored, or a large output not be read.
        """
        name = offspring.name_of(self._parent, command.action_id)
        holds = offspring.has_begun if command.is_detached else offspring.is_over
        with self._ground.sightings.of(self._parent.namespace, name, until=holds) as sighting:
            try:
                child = await self._made(command, name, is_resumed=is_resumed)
            except InvalidInput as error:
                return offspring.unnamed(command.action_id, error, at=self._ground.clock())
            except (ObjectExists, ObjectRefused, ObjectNotFound) as error:
                return offspring.refused(command.action_id, error, at=self._ground.clock())
            self._ground.passed(CrashPoint.CHILD_MADE)
            if command.is_detached and not offspring.has_large_input(child):
                return offspring.begun(command.action_id, at=self._ground.clock())
            found = child if holds(child) else await sighting.wait()
        if command.is_detached:
            return offspring.begun(command.action_id, at=self._ground.clock())
        return await self._ended(command.action_id, name, found)

    async def stop(self, command: StopSubflow) -> SubflowFinished:
        """Cancel a child and wait for its end.

        Raises:
            StoreError: a large output cannot be read.
        """
        if command.action_id in self._making:
            await asyncio.wait({self._making[command.action_id]})
        namespace = self._parent.namespace
        name = offspring.name_of(self._parent, command.action_id)
        with self._ground.sightings.of(namespace, name, until=offspring.is_over) as sighting:
            child = await self._cancelled(name)
            if child is None:
                return offspring.stopped(command.action_id, at=self._ground.clock())
            self._ground.passed(CrashPoint.CHILD_STOPPED)
            found = child if offspring.is_over(child) else await sighting.wait()
        return await self._ended(command.action_id, name, found)

    # Beginning

    async def _made(self, command: StartSubflow, name: str, *, is_resumed: bool) -> Object:
        """Return the child, made now or before; `stop` waits for that."""
        making = asyncio.ensure_future(self._make(command, name, is_resumed=is_resumed))
        self._making[command.action_id] = making
        try:
            return await making
        finally:
            making.cancel()
            del self._making[command.action_id]

    async def _make(self, command: StartSubflow, name: str, *, is_resumed: bool) -> Object:
        found = await self._find(name) if is_resumed else None
        if found is not None:
            return offspring.check(found, self._parent)
        workflow = await self._find_workflow(command.workflow)
        definition = self._ground.definitions.find(self._parent.namespace, workflow)
        body = offspring.make(
            self._parent,
            command,
            workflow=workflow,
            workflow_uid="" if definition is None else definition.uid,
            input_ref=await self._put_aside(command),
        )
        return await _patiently(lambda: self._create(name, body))

    async def _create(self, name: str, body: Object) -> Object:
        while True:
            try:
                return await self._ground.cluster.create(INSTANCE, body)
            except ObjectExists:
                # Perhaps by ourselves: an answer can be lost. It may be deleted meanwhile, too.
                found = await self._find(name)
                if found is not None:
                    return offspring.check(found, self._parent)

    async def _find_workflow(self, reference: str) -> str:
        """Return the name of the Workflow that a function means: the likeliest that is there.

        Raises:
            InvalidInput: no Workflow can have such a name.
        """
        candidates = subflows.candidates(reference)
        possible = [it for it in candidates if manifests.find_name_fault(it) is None]
        if not possible:
            raise InvalidInput(f"subflow: {manifests.find_name_fault(candidates[-1])}")
        for name in possible[:-1]:
            if await self._is_there(name):
                return name
        return possible[-1]

    async def _is_there(self, workflow: str) -> bool:
        namespace = self._parent.namespace
        if self._ground.definitions.find(namespace, workflow) is not None:
            return True
        find = self._ground.cluster.find
        return await _patiently(lambda: find(WORKFLOW, namespace, workflow)) is not None

    async def _put_aside(self, command: StartSubflow) -> str:
        """Put a large input into the store, and return its name there."""
        if len(orjson.dumps(command.input)) <= offspring.MAX_INPUT_BYTES:
            return ""
        name = f"input-{command.action_id}"
        put = StoreData(request=command.action_id, name=name, value=command.input)
        await self._data(self._owners).store(put)
        self._ground.passed(CrashPoint.INPUT_STORED)
        return name

    # Ending

    async def _ended(self, action_id: str, name: str, child: Object | None) -> SubflowFinished:
        if child is None:
            return offspring.deleted(action_id, name, at=self._ground.clock())
        output = await self._output(child)
        self._ground.passed(CrashPoint.CHILD_ENDED)
        return offspring.ended(action_id, child, output=output, at=self._ground.clock())

    async def _output(self, child: Object) -> Json:
        ref = records.read(child).output_ref
        if not ref:
            return child["status"].get("output")
        owners = replace(self._owners, instance=child["metadata"]["uid"])
        loaded = await self._data(owners).load(LoadData(request=ref, names=(ref,)))
        return loaded.values[0]

    async def _cancelled(self, name: str) -> Object | None:
        """Return a child that was told to end, or has ended; None when there is none."""
        found = await self._find(name)
        if found is None or not offspring.is_of(found, self._parent):
            return None
        if offspring.is_over(found):
            return found
        annotations = {names.ANNOTATION_CANCELLED_BY: self._parent.name}
        body = {
            "metadata": {"uid": found["metadata"]["uid"], "annotations": annotations},
            "spec": {"cancel": True},
        }
        patch = self._ground.cluster.patch
        try:
            return await _patiently(lambda: patch(INSTANCE, self._parent.namespace, name, body))
        except ObjectNotFound:
            return None

    async def _find(self, name: str) -> Object | None:
        find = self._ground.cluster.find
        return await _patiently(lambda: find(INSTANCE, self._parent.namespace, name))

    def _data(self, owners: Owners) -> DataEffects:
        store = self._ground.variables.store
        return DataEffects(owners=owners, store=store, clock=self._ground.clock)


async def _patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    return await retrying.until(_FOR_EVER, call, waits_out=ClusterUnavailable)
