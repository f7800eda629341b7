"""What is done about a finding that is due; each step looks again, and gives way to whoever writes.

Nothing here can undo a write: records change under their ETag only, and what is removed for good is
what nobody names and nobody will, or a tombstone that the driver compares before it removes it.
Dying in between leaves what the next sweep finds.
"""

from __future__ import annotations

from collections.abc import Callable

from varflow.variables.stores.base import Conflict, ObjectStore
from varflow.variables.stores.upkeep import Unfinished, Upkeep
from varflow.variables.sweep import findings
from varflow.variables.sweep.findings import Ages, Finding, Kind
from varflow.variables.writes import pendings
from varflow.variables.writes.pendings import Seen


class Repairs:
    """Repairs a store."""

    def __init__(self, store: ObjectStore, *, clock: Callable[[], float], ages: Ages) -> None:
        self._store = store
        self._clock = clock
        self._ages = ages

    async def repair(self, finding: Finding) -> bool:
        """Do what is safe and return whether the finding is gone.

        Raises:
            StoreError: the store failed; it is there or not.
        """
        if not finding.is_repairable:
            return False
        match finding.kind:
            case Kind.HALF_DONE_COMMIT:
                await pendings.clear(self._store, finding.path, clock=self._clock)
                return True
            case Kind.EXPIRED:
                return await self._make_tombstone(finding.path)
            case Kind.DELETED:
                return await self._remove_tombstone(finding.path)
            case Kind.ORPHANED_BODY | Kind.STALE_REVISION:
                await self._store.delete(finding.path)
                return True
            case Kind.UNFINISHED_UPLOAD:
                return await self._remove_unfinished(finding)
            case _:
                return False

    async def _make_tombstone(self, path: str) -> bool:
        seen = await self._find_still(path, Kind.EXPIRED)
        if seen is None:
            return False
        try:
            await pendings.write(self._store, path, None, over=seen)
        except Conflict:
            return False
        return True

    async def _remove_tombstone(self, path: str) -> bool:
        seen = await self._find_still(path, Kind.DELETED)
        if seen is None or seen.etag is None or not isinstance(self._store, Upkeep):
            return False
        return await self._store.remove_unchanged(path, seen.etag)

    async def _find_still(self, path: str, kind: Kind) -> Seen | None:
        """Return the record if it is still what was found."""
        seen = await pendings.read(self._store, path)
        if seen.record is None:
            return None
        judged = findings.judge(seen.record, modified=0.0, now=self._clock(), ages=self._ages)
        return seen if judged is not None and judged[0] is kind else None

    async def _remove_unfinished(self, finding: Finding) -> bool:
        if not isinstance(self._store, Upkeep):
            return False
        await self._store.remove_unfinished(Unfinished(finding.path, finding.id, 0.0))
        return True
