"""Keeps an instance's status: writes it under its version, and sorts out what stood in the way.

    write ─► large parts into the store ─► PUT …/status ─► 409, or no answer ─► `conflicts.judge`

A write returns when the status has what was given, and not before, also while the API server or the
store is away: nothing that depends on it may be done until then. It ends in another way only when
the instance is gone or somebody else's. Snapshots go in as text: the API server would prune and
reorder an object's fields.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from varflow.errors import (
    ClusterUnavailable,
    ObjectConflict,
    ObjectNotFound,
    StoreError,
    StoreUnavailable,
)
from varflow.variables import paths, retrying
from varflow.variables.scopes import Owners
from varflow_operator.instances import conflicts, records, statuses
from varflow_operator.instances.conflicts import Deposed, InstanceGone, Overtaken, Verdict
from varflow_operator.instances.crashpoints import CrashPoint
from varflow_operator.instances.ground import Ground
from varflow_operator.instances.records import Mark, Record
from varflow_operator.instances.statuses import Checkpoint, View
from varflow_operator.kinds import INSTANCE, Object

MAX_INLINE_BYTES: Final = 24 * 1024
"""Longest snapshot in the status: with an output and the steps an object stays below 64 KiB."""

_NOT_OURS: Final[Mapping[Verdict, type[Deposed]]] = {
    Verdict.DEPOSED: Deposed,
    Verdict.OVERTAKEN: Overtaken,
}
_FOR_EVER: Final = float("inf")

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


class Keeper:
    """The status of one instance."""

    def __init__(self, record: Record, ground: Ground) -> None:
        """Take over an instance.

        Raises:
            Deposed: a newer control plane has it.
        """
        self._record = replace(record, input=None)
        self._ground = ground
        self._mark = record.mark
        self._tried = record.mark.seq
        """The last number that was used, whether it is known to be there or not."""
        self._ref = record.snapshot_ref
        """The data object that the status names now."""
        self._snapshot = record.snapshot
        self.has_begun = bool(self._ref or self._snapshot)
        """There was a checkpoint to go on from."""
        if record.mark.epoch > ground.epoch:
            raise Deposed(
                f"instance {record.namespace}/{record.name} is in epoch {record.mark.epoch}, "
                f"this control plane in {ground.epoch}"
            )

    @property
    def record(self) -> Record:
        """The object as it was last seen."""
        return self._record

    async def adopt(self, workflow_uid: str) -> None:
        """Have Kubernetes remove the instance together with its workflow, or with its parent.

        Raises:
            Deposed: another control plane has written.
            InstanceGone: it is gone already.
        """
        while not self._record.has_owner(workflow_uid):
            try:
                await self._patiently(lambda: self._patch_owners(workflow_uid))
            except ObjectConflict:
                await self._look(wanted=self._mark)
            except ObjectNotFound as error:
                raise InstanceGone(error.message) from error
        self._ground.passed(CrashPoint.ADOPTED)

    async def write(self, view: View, *, owners: Owners | None, snapshot: bytes = b"") -> None:
        """Write the status, with a new checkpoint.

        Args:
            view: what is shown.
            owners: whose data objects large snapshots are; None while there can be none.
            snapshot: the engine's; nothing before the start and after the end.

        Raises:
            Deposed: a newer control plane has written; nothing was.
            Overtaken: an older one has, since the instance was read; likewise.
            InstanceGone: the instance was deleted.
            StoreError: the store does not take a large snapshot, and will not.
            ObjectRefused: the API server does not accept the status.
        """
        ref = ""
        if owners is not None and len(snapshot) > MAX_INLINE_BYTES:
            ref = f"checkpoint-{secrets.token_hex(8)}"
            await self.store(owners, ref, snapshot)
            self._ground.passed(CrashPoint.SPILLED)
            snapshot = b""
        self._tried += 1
        wanted = Mark(self._ground.epoch, self._tried)
        checkpoint = Checkpoint(mark=wanted, snapshot=snapshot.decode(), ref=ref)
        await self._put_until_there(view, checkpoint)
        self._mark, old, self._ref = wanted, self._ref, ref
        if old and owners is not None:
            await self._remove(owners, old)

    async def load(self, owners: Owners) -> bytes:
        """Return the snapshot to go on from; once.

        Raises:
            StoreError: it cannot be read.
        """
        if not self._ref:
            snapshot, self._snapshot = self._snapshot, ""
            return snapshot.encode()
        return await self.load_data(owners, self._ref)

    async def load_data(self, owners: Owners, name: str) -> bytes:
        """Return a data object of this instance, or of another.

        Raises:
            StoreError: it cannot be read.
        """
        path = paths.data(owners, name)
        return await self._patiently(lambda: self._read_body(path))

    async def store(self, owners: Owners, name: str, data: bytes) -> None:
        """Put a data object of the instance into the store.

        Raises:
            StoreError: the store does not take it, and will not.
        """
        path = paths.data(owners, name)
        store = self._ground.variables.store
        await self._patiently(lambda: store.write_body(path, _once(data)))

    async def _read_body(self, path: str) -> bytes:
        return b"".join([chunk async for chunk in self._ground.variables.store.read_body(path)])

    async def _remove(self, owners: Owners, ref: str) -> None:
        try:
            await self._ground.variables.store.delete(paths.data(owners, ref))
        except StoreError as error:
            # It goes with the rest of the instance's data.
            _logger.warning("an old checkpoint of %s stays: %s", self._record.name, error)

    async def _put_until_there(self, view: View, checkpoint: Checkpoint) -> None:
        while not await self._put(view, checkpoint):
            if await self._look(wanted=checkpoint.mark) is Verdict.LANDED:
                return

    async def _put(self, view: View, checkpoint: Checkpoint) -> bool:
        """Say whether it was written; if not, the object has to be looked at."""
        try:
            await self._put_once(view, checkpoint)
        except (ObjectConflict, ClusterUnavailable) as error:
            _logger.info("status of %s: %s", self._record.name, error)
            return False
        except ObjectNotFound as error:
            raise InstanceGone(error.message) from error
        return True

    async def _put_once(self, view: View, checkpoint: Checkpoint) -> None:
        record = self._record
        status = statuses.render(
            view,
            checkpoint,
            previous=record.status,
            generation=record.generation,
            now=self._ground.clock(),
        )
        body: Object = {
            "metadata": {
                "namespace": record.namespace,
                "name": record.name,
                "uid": record.uid,
                "resourceVersion": record.resource_version,
            },
            "status": status,
        }
        written = await self._ground.cluster.replace_status(INSTANCE, body)
        self._note(written)

    async def _look(self, *, wanted: Mark) -> Verdict:
        found = await self._find()
        base = self._mark
        verdict = conflicts.judge(found, uid=self._record.uid, base=base, wanted=wanted)
        if verdict is Verdict.GONE or found is None:
            raise InstanceGone(f"instance {self._record.namespace}/{self._record.name} was deleted")
        if verdict in _NOT_OURS:
            raise _NOT_OURS[verdict](
                f"instance {found.namespace}/{found.name} was taken over: its checkpoint is "
                f"{found.mark}, not {base} of epoch {self._ground.epoch}"
            )
        self._record = replace(found, input=None)
        return verdict

    async def _find(self) -> Record | None:
        record = self._record
        found = await self._patiently(
            lambda: self._ground.cluster.find(INSTANCE, record.namespace, record.name)
        )
        return None if found is None else records.read(found)

    async def _patch_owners(self, workflow_uid: str) -> None:
        record = self._record
        metadata: dict[str, Any] = {
            "uid": record.uid,
            "resourceVersion": record.resource_version,
            "ownerReferences": record.owners_with(workflow_uid),
        }
        body = {"metadata": metadata}
        self._note(await self._ground.cluster.patch(INSTANCE, record.namespace, record.name, body))

    def _note(self, written: Object) -> None:
        """Remember the object's version; its input is not needed any more."""
        found = records.read(written)
        conditions = {"conditions": found.status.get("conditions") or ()}
        self._record = replace(found, input=None, status=conditions)

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying.until(
            _FOR_EVER, call, waits_out=(ClusterUnavailable, StoreUnavailable)
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
