"""Writing one variable: replace its record, or make it a tombstone, by compare-and-swap.

A write and the condition it was asked under are one step, two writers never lose each other's
condition, and value, type and expiry change together, because all of that is one object. A write
that loses the race looks again and tries again: without conditions it fails for nothing but the
store. A small write is two requests, or one when this process wrote the variable last (`heads`).

Where the store keeps older revisions, the one that is replaced is put aside first (`revisions`).

A large value's body is written before. When the record is then not written the body is removed,
unless the store has left open whether it was; then a sweeper finds it.

Rejected: a lock around each write (a dead holder; the compare-and-swap is needed anyway), and
deleting a replaced body at once (a reader may be in the middle of it; design.md §6 gives that to
the sweeper).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from varflow.errors import PreconditionFailed, StoreUnavailable, VariableExists
from varflow.variables import expiries, paths
from varflow.variables.background import Background, uninterrupted
from varflow.variables.expiries import Ttl
from varflow.variables.records import Value
from varflow.variables.scopes import AnyAddress
from varflow.variables.stores.base import Conflict, ObjectStore
from varflow.variables.writes import pendings
from varflow.variables.writes.claims import make_value
from varflow.variables.writes.contents import Stored
from varflow.variables.writes.heads import Heads
from varflow.variables.writes.pendings import Seen
from varflow.variables.writes.preconditions import Conditions
from varflow.variables.writes.revisions import Revisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """How a value is to be written."""

    content_type: str | None
    ttl: Ttl
    conditions: Conditions


class Writing:
    """The writes of one process."""

    def __init__(
        self,
        store: ObjectStore,
        background: Background,
        *,
        revisions: Revisions,
        clock: Callable[[], float],
        writer: str,
    ) -> None:
        self._store = store
        self._background = background
        self._revisions = revisions
        self._clock = clock
        self._writer = writer
        self._heads = Heads()

    async def replace(self, address: AnyAddress, content: Stored, write: Write) -> Value:
        """Make `content` the variable's value; a body that ends up nowhere is removed.

        Raises:
            VariableExists, PreconditionFailed: a condition does not hold; nothing changed.
            StoreError: the value is the old one or this one.
        """

        def make(current: Value | None) -> Value:
            now = self._clock()
            live = expiries.alive(current, now=now)
            write.conditions.check(live, name=str(address))
            return make_value(
                content,
                content_type=write.content_type,
                present=live,
                counted=current,
                expires_at=expiries.expires_at(write.ttl, present=live, now=now),
                now=now,
                writer=self._writer,
            )

        try:
            return await self._replace(paths.variable(address), make)
        except BaseException as error:
            if content.body is not None and not isinstance(error, StoreUnavailable):
                self._background.start(
                    self._remove_unnamed(address, content.body),
                    name=f"removing the body of {address}",
                )
            raise

    async def remove(self, address: AnyAddress, conditions: Conditions) -> None:
        """Make the variable absent; nothing is written when it is already.

        Raises:
            PreconditionFailed: a condition does not hold; nothing changed.
            StoreError: the variable is there or not.
        """
        path = paths.variable(address)
        self._heads.forget(path)
        conflicts = 0
        while True:
            seen = await pendings.read(self._store, path)
            try:
                current = await pendings.settle(self._store, path, seen, now=self._clock())
                live = expiries.alive(current, now=self._clock())
                conditions.check(live, name=str(address))
                if live is not None:
                    await self._write(path, None, seen=seen)
                    self._tidy(path, is_deleted=True)
            except Conflict:
                conflicts += 1
                await pendings.pause(conflicts)
            else:
                return

    async def _replace(self, path: str, make: Callable[[Value | None], Value]) -> Value:
        # What is kept as an older revision has to be the present one: what is known may be old.
        known = None if self._revisions.concern(path) else self._heads.take(path)
        if known is not None:
            try:
                return await self._swap(path, known, make)
            except (Conflict, PreconditionFailed, VariableExists):
                known = None  # what was known may be old: the store decides
        conflicts = 0
        while True:
            try:
                return await self._swap(path, await pendings.read(self._store, path), make)
            except Conflict:
                conflicts += 1
                await pendings.pause(conflicts)

    async def _swap(self, path: str, seen: Seen, make: Callable[[Value | None], Value]) -> Value:
        current = await pendings.settle(self._store, path, seen, now=self._clock())
        value = make(current)
        if self._revisions.concern(path):
            await self._revisions.keep(path, current)
        await self._write(path, value, seen=seen)
        self._tidy(path)
        return value

    def _tidy(self, path: str, *, is_deleted: bool = False) -> None:
        if self._revisions.concern(path):
            work = self._revisions.tidy(path, is_deleted=is_deleted)
            self._background.start(work, name=f"tidying the older revisions of {path}")

    async def _write(self, path: str, value: Value | None, *, seen: Seen) -> None:
        write = pendings.write(self._store, path, value, over=seen)
        # Whether a body may be removed again is known only once the write has ended.
        has_body = value is not None and value.body is not None
        self._heads.remember(path, await (uninterrupted(write) if has_body else write))

    async def _remove_unnamed(self, address: AnyAddress, body: str) -> None:
        path = paths.variable(address)
        seen = await pendings.read(self._store, path)
        new = seen.pending.new if seen.pending is not None else None
        # After the record: whoever replaces the value that it has keeps that as a revision before.
        concerns = self._revisions.concern(path)
        kept = await self._revisions.find_all(path, seen.current) if concerns else []
        if all(value is None or value.body != body for value in (seen.current, new, *kept)):
            await self._store.delete(paths.body(address.owners, body))
