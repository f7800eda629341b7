"""A sweep: look through a store or a part of it, and if asked do what is due. For operator and CLI.

    sweep(namespace)  ─► inspections ─► repairs ─► marks
    sweep_unfinished  ─► uploads and files that nobody finished

Which namespaces are swept is the caller's: the operator's are those of its own cluster that are
there. Several may sweep at one time, and everybody may go on writing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from varflow.variables import paths
from varflow.variables.stores.base import Listed, ObjectStore
from varflow.variables.stores.upkeep import Upkeep
from varflow.variables.sweep import marks
from varflow.variables.sweep.findings import Ages, Finding, Kind
from varflow.variables.sweep.inspections import Inspection
from varflow.variables.sweep.repairs import Repairs


@dataclass(frozen=True, slots=True)
class Swept:
    """A finding, and what became of it."""

    finding: Finding
    is_repaired: bool


class Sweep:
    """One sweep of a store."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float],
        ages: Ages,
        is_repairing: bool,
    ) -> None:
        """Sweep `store`; without `is_repairing` nothing in it changes, notes neither."""
        self._store = store
        self._clock = clock
        self._ages = ages
        self._is_repairing = is_repairing
        self._repairs = Repairs(store, clock=clock, ages=ages)
        self.count = 0
        """How many objects were looked at."""

    async def namespace(self, prefix: str) -> AsyncGenerator[Swept, None]:
        """Yield what was found below a namespace's prefix, and what became of it.

        Raises:
            StoreError: the store failed; what was yielded is done.
        """
        inspection = Inspection(self._store, prefix, clock=self._clock, ages=self._ages)
        async with aclosing(inspection.run()) as found:
            async for finding in found:
                swept = await self._act(finding)
                if swept.is_repaired:
                    inspection.unnamed.pop(finding.id, None)
                yield swept
        self.count += inspection.count
        if self._is_repairing and (inspection.count or inspection.marks.etag):
            await marks.save(
                self._store, prefix, inspection.unnamed, before=inspection.marks, now=self._clock()
            )

    async def unfinished(self, prefix: str) -> AsyncGenerator[Swept, None]:
        """Yield what is left of writes below `prefix` that were never finished.

        Raises:
            StoreError: the store failed, or does not let this user ask.
        """
        if not isinstance(self._store, Upkeep):
            return
        async for each in self._store.list_unfinished(prefix):
            is_due = self._clock() >= each.began + self._ages.unused
            yield await self._act(
                Finding(kind=Kind.UNFINISHED_UPLOAD, path=each.path, is_due=is_due, id=each.id)
            )

    async def _act(self, finding: Finding) -> Swept:
        is_repaired = self._is_repairing and await self._repairs.repair(finding)
        return Swept(finding, is_repaired)


@dataclass(frozen=True, slots=True)
class Territory:
    """What there is at the top of a store: a namespace's prefix, or an object outside of all."""

    prefix: str
    stray: str


async def territories(store: ObjectStore, prefix: str = "") -> AsyncIterator[Territory]:
    """Yield the namespaces that have something below `prefix`, and what lies outside of them."""
    after = ""
    while (listed := await _first(store, prefix, after)) is not None:
        namespace = paths.find_namespace_prefix(listed.path)
        if namespace is not None:
            yield Territory(namespace, "")
            after = paths.behind(namespace)
        elif listed.path.startswith(paths.PROBES):
            after = paths.behind(paths.PROBES)  # under way, or of no harm
        else:
            if listed.path != paths.MARKER:
                yield Territory("", listed.path)
            after = listed.path


async def _first(store: ObjectStore, prefix: str, after: str) -> Listed | None:
    async with aclosing(_generate(store.list(prefix, after=after))) as listing:
        return await anext(listing, None)


async def _generate(listing: AsyncIterator[Listed]) -> AsyncGenerator[Listed, None]:
    async for listed in listing:
        yield listed
