"""Puts declared values into the store, and takes them out again with their objects.

No finalizer holds a Variable back when it is deleted. Its value goes when the deletion is seen, if
it is still the one that was declared; what was deleted while no operator ran stays in the store,
until its workflow or namespace ends or somebody removes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from varflow.errors import ObjectNotFound, PreconditionFailed
from varflow.variables.scopes import Address
from varflow.variables.variables import Variables
from varflow_operator import queues
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import VARIABLE, Object
from varflow_operator.observing import DELETED
from varflow_operator.ownership import Ownership
from varflow_operator.queues import Queue
from varflow_operator.variables import deciding, situations, storing
from varflow_operator.variables.situations import Waiting, Wanted
from varflow_operator.variables.storing import Verdict

_SOURCE_SECONDS: Final = 60.0
"""How often Secrets and ConfigMaps are read again: they are not watched, since that would show the
operator all of them."""


class _Name(NamedTuple):
    """Which Variable, or Workflow; with a UID, a Variable that is gone."""

    namespace: str
    name: str
    gone: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Written:
    """A write of ours."""

    address: Address
    revision: str
    goes_with_object: bool


class DeclaredVariables:
    """All Variable objects that this operator looks after."""

    def __init__(
        self,
        cluster: Cluster,
        variables: Variables,
        ownership: Ownership,
        *,
        clock: Callable[[], float] = time.time,
        note: queues.Note = queues.ignore,
        keeps_secrets: bool = True,
    ) -> None:
        """Take where values are declared, where they go, whose they are, and who counts.

        Without `keeps_secrets` values out of Secrets are refused: the store is not encrypted.
        """
        self._cluster = cluster
        self._variables = variables
        self._ownership = ownership
        self._clock = clock
        self._keeps_secrets = keeps_secrets
        self._queue: Queue[_Name] = Queue(self._look, name=VARIABLE.name, note=note)
        self._done: dict[_Name, tuple[str, int]] = {}
        """UID and generation that need no further look when an event comes."""
        self._written: dict[str, _Written] = {}
        """By the object's UID."""
        self._followers: dict[_Name, set[_Name]] = {}
        """Variables by the Workflow that they name."""
        self._workflow_uids: dict[_Name, str] = {}

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of an event about a Variable."""
        key, uid = _name_of(obj), obj["metadata"]["uid"]
        if event_type == DELETED:
            self._done.pop(key, None)
            for followers in self._followers.values():
                followers.discard(key)
            self._queue.request(key._replace(gone=uid))
        elif self._done.get(key) != _version(obj):
            self._queue.request(key)

    def observe_workflow(self, event_type: str | None, obj: Object) -> None:
        """Take note of an event about a Workflow: its variables begin and end with it."""
        key = _name_of(obj)
        uid = "" if event_type == DELETED else obj["metadata"]["uid"]
        if key in self._followers and self._workflow_uids.get(key) != uid:
            self._workflow_uids[key] = uid
            for follower in self._followers[key]:
                self._queue.request(follower)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.run()

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Look at one Variable once; return in how many seconds it should be looked at again.

        Raises:
            VarflowError: it could not be done; try again later.
        """
        obj = await self._cluster.find(VARIABLE, namespace, name)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return None
        self._follow(obj)
        wanted = await situations.gather(
            obj,
            cluster=self._cluster,
            ownership=self._ownership,
            keeps_secrets=self._keeps_secrets,
        )
        if isinstance(wanted, Waiting):
            known = {} if wanted.is_value_gone else deciding.known_facts(obj)
            await self._say(obj, Verdict(conditions=wanted.conditions, facts=known))
            return wanted.again
        verdict = await self._store(obj, wanted)
        await self._say(obj, verdict)
        if verdict.error is not None:
            raise verdict.error
        return _SOURCE_SECONDS if wanted.declaration.reference else None

    async def remove(self, uid: str) -> None:
        """Remove the value of a Variable that is gone, unless others have written it since.

        Raises:
            StoreError: the store could not; try again.
        """
        written = self._written.get(uid)
        if written is not None and written.goes_with_object:
            with contextlib.suppress(PreconditionFailed):  # somebody else's by now, or gone
                await self._variables.delete(written.address, if_match=written.revision)
        self._written.pop(uid, None)

    async def _look(self, key: _Name) -> float | None:
        if not key.gone:
            return await self.reconcile(key.namespace, key.name)
        await self.remove(key.gone)
        return None

    async def _store(self, obj: Object, wanted: Wanted) -> Verdict:
        """Store a value and remember what was written, before anybody can miss it."""
        uid = obj["metadata"]["uid"]
        is_void = wanted.past.is_void
        known = {} if is_void else deciding.known_facts(obj)
        ours = self._written.get(uid)
        if ours is not None and ours.address == wanted.address:
            # a write whose status got lost is ours all the same
            wanted = replace(wanted, past=replace(wanted.past, revision=ours.revision))
        verdict = await storing.store(wanted, self._variables, known=known, now=self._clock())
        if revision := verdict.facts.get("revision"):
            goes = wanted.declaration.is_deleted_with_object
            self._written[uid] = _Written(wanted.address, revision, goes)
        return replace(verdict, begins_anew=is_void)

    async def _say(self, obj: Object, verdict: Verdict) -> None:
        status = deciding.status(
            obj,
            verdict.facts,
            verdict.conditions,
            begins_anew=verdict.begins_anew,
            now=self._clock(),
        )
        if status != obj.get("status"):
            try:
                await self._cluster.replace_status(VARIABLE, {**obj, "status": status})
            except ObjectNotFound:
                # its deletion was perhaps seen before there was anything to remove
                self.observe(DELETED, obj)
                raise
        if verdict.error is None:
            self._done[_name_of(obj)] = _version(obj)

    def _follow(self, obj: Object) -> None:
        """Note which Workflow a Variable belongs to."""
        reference = (obj.get("spec") or {}).get("workflowRef") or {}
        if workflow := reference.get("name"):
            key = _Name(obj["metadata"]["namespace"], workflow)
            self._followers.setdefault(key, set()).add(_name_of(obj))


def _name_of(obj: Object) -> _Name:
    return _Name(obj["metadata"]["namespace"], obj["metadata"]["name"])


def _version(obj: Object) -> tuple[str, int]:
    return obj["metadata"]["uid"], int(obj["metadata"].get("generation", 1))
