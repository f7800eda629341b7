"""Looking through one namespace of a store: everything that is there, and who names which body.

    records of n, s, w, i ─► older revisions ─► bodies ─► who is unnamed, who is missing?

The order is what makes it safe beside writers. A value moves from a record to an older revision,
which is written first; so whoever reads the record after that has the revision still before them.
Bodies come last: one that a record named is there unless it is lost. What is unnamed now may be
being named, so it is only noted (`marks`), and due once it has been unnamed long enough.

As soon as something cannot be read, or is of a kind that this version does not know, no body of the
namespace is due: it may be named there. Records are read some at a time, and of each only the names
of its bodies are kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from varflow.errors import CorruptObject
from varflow.variables import listings, paths
from varflow.variables.paths import Content
from varflow.variables.records import Record
from varflow.variables.stores.base import Listed, ObjectStore
from varflow.variables.sweep import findings, marks
from varflow.variables.sweep.findings import Ages, Finding, Kind
from varflow.variables.sweep.marks import Marks
from varflow.variables.writes import pendings
from varflow.variables.writes.decisions import Decision

_NOTHING: Final = Marks(0.0, {}, None)


@dataclass(frozen=True, slots=True)
class _Looked:
    """An object and what it holds; neither when it went away meanwhile."""

    listed: Listed
    content: Content
    record: Record | None = None
    decision: Decision | None = None
    broken: str = ""
    """Why it cannot be read."""
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class _Need:
    """A body that a value needs."""

    path: str
    """Of the record."""
    size: int


class Inspection:
    """One look at the namespace with this prefix."""

    def __init__(
        self, store: ObjectStore, prefix: str, *, clock: Callable[[], float], ages: Ages
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock
        self._ages = ages
        self._needed: dict[str, _Need] = {}
        self._named: set[str] = set()
        self._is_readable = True
        self.count = 0
        """How many objects were looked at."""
        self.marks = _NOTHING
        """What the last sweep noted."""
        self.unnamed: dict[str, float] = {}
        """What this one did, once it has ended."""

    async def run(self) -> AsyncGenerator[Finding, None]:
        """Yield what there is to say.

        Raises:
            StoreError: the store could not be looked through.
        """
        async for finding in self._look_at_marks():
            yield finding
        for listing in listings.naming(self._store, self._prefix):
            async with aclosing(listings.read_ahead(listing, self._look)) as looked:
                async for each in looked:
                    self.count += 1
                    if (found := self._judge(each)) is not None:
                        yield found
        async for finding in self._look_at_bodies():
            yield finding

    async def _look_at_marks(self) -> AsyncIterator[Finding]:
        try:
            self.marks = await marks.load(self._store, self._prefix)
        except CorruptObject as error:
            # Noted anew: nothing is lost but time.
            found = await self._store.get(paths.marks(self._prefix))
            self.marks = Marks(0.0, {}, found.etag if found else None)
            path = paths.marks(self._prefix)
            yield Finding(kind=Kind.UNKNOWN_OBJECT, path=path, is_due=False, detail=error.message)

    # Reading

    async def _look(self, listed: Listed) -> _Looked:
        content = paths.content_of(listed.path)
        try:
            match content:
                case Content.RECORD:
                    seen = await pendings.read(self._store, listed.path)
                    return _Looked(listed, content, record=seen.record)
                case Content.REVISION:
                    return await self._look_at_revision(listed)
                case Content.DECISION:
                    found = await pendings.read_decision(self._store, listed.path)
                    return _Looked(listed, content, decision=found.decision)
                case _:
                    return _Looked(listed, content)
        except CorruptObject as error:
            return _Looked(listed, content, broken=error.message)

    async def _look_at_revision(self, listed: Listed) -> _Looked:
        revision = (await pendings.read(self._store, listed.path)).record
        if revision is None:
            return _Looked(listed, Content.REVISION)
        live = await pendings.read(self._store, paths.record_of_revision(listed.path))
        is_stale = findings.is_stale(revision, live.record, now=self._clock())
        return _Looked(listed, Content.REVISION, record=revision, is_stale=is_stale)

    # Judging

    def _judge(self, looked: _Looked) -> Finding | None:
        path = looked.listed.path
        if looked.content is Content.UNKNOWN or looked.broken:
            self._is_readable = False
            return Finding(
                kind=_KINDS_OF_DAMAGE[looked.content], path=path, is_due=False, detail=looked.broken
            )
        if looked.decision is not None:
            self._named.update(looked.decision.bodies)
        if looked.record is None:
            return None
        self._note(path, looked.record, is_needed=not looked.is_stale)
        now, modified = self._clock(), looked.listed.modified
        if looked.content is Content.REVISION:
            if not looked.is_stale:
                return None
            is_due = now >= modified + self._ages.unused
            return Finding(kind=Kind.STALE_REVISION, path=path, is_due=is_due)
        judged = findings.judge(looked.record, modified=modified, now=now, ages=self._ages)
        return None if judged is None else Finding(kind=judged[0], path=path, is_due=judged[1])

    def _note(self, path: str, record: Record, *, is_needed: bool) -> None:
        new = record.pending.new if record.pending is not None else None
        for value in (record.current, new):
            if value is not None and value.body is not None:
                self._named.add(value.body)
                if is_needed:
                    self._needed[value.body] = _Need(path, value.size)

    # Bodies

    async def _look_at_bodies(self) -> AsyncIterator[Finding]:
        missing = self._needed
        async for listed in self._store.list(f"{self._prefix}bodies/"):
            self.count += 1
            body = paths.key_of(listed.path)
            need = missing.pop(body, None)
            if need is None and body not in self._named:
                yield self._orphaned(body, listed)
            elif need is not None and not await self._has_size(listed, need.size):
                yield self._damaged(need, listed)
        for body, need in missing.items():
            if await self._is_missing(body, need):
                yield Finding(kind=Kind.MISSING_BODY, path=need.path, is_due=False, detail=body)

    def _damaged(self, need: _Need, listed: Listed) -> Finding:
        detail = f"{listed.path} has {listed.size} bytes, not {need.size}"
        return Finding(kind=Kind.DAMAGED_BODY, path=need.path, is_due=False, detail=detail)

    async def _has_size(self, listed: Listed, size: int) -> bool:
        """Where some bodies are encrypted and others not, the listing of one kind is no answer."""
        if listed.size == size:
            return True
        ends_early = size > 0 and not await self._has_byte(listed.path, size - 1)
        return not ends_early and not await self._has_byte(listed.path, size)

    async def _has_byte(self, path: str, position: int) -> bool:
        try:
            async for _ in self._store.read_body(path, start=position, length=1):
                pass
        except CorruptObject:
            return False
        return True

    def _orphaned(self, body: str, listed: Listed) -> Finding:
        now, unused = self._clock(), self._ages.unused
        since = self.marks.unnamed.get(body)
        is_due = self._is_readable and since is not None and now >= since + unused
        if since is not None or now >= listed.modified + unused:  # else it may yet get its name
            self.unnamed[body] = now if since is None else since
        return Finding(
            kind=Kind.ORPHANED_BODY, path=listed.path, is_due=is_due, size=listed.size, id=body
        )

    async def _is_missing(self, body: str, need: _Need) -> bool:
        """Look again: the variable may be gone since, or the body that of a commit given up."""
        if not await self._is_named_by(need.path, body):
            return False
        path = f"{self._prefix}bodies/{body}"
        async for listed in self._store.list(path):
            if listed.path == path:
                return False
        return await self._is_named_by(need.path, body)

    async def _is_named_by(self, path: str, body: str) -> bool:
        seen = await pendings.read(self._store, path)
        try:
            value = await pendings.resolve(self._store, path, seen)
        except CorruptObject:
            return True  # its decision cannot be read, so this may well be its value
        return value is not None and value.body == body


_KINDS_OF_DAMAGE: Final = {
    Content.RECORD: Kind.BROKEN_RECORD,
    Content.REVISION: Kind.BROKEN_RECORD,
    Content.DECISION: Kind.BROKEN_DECISION,
    Content.UNKNOWN: Kind.UNKNOWN_OBJECT,
}
