"""Variables: all of their semantics, once, over any store.

    sidecar, local shell, CLI ──► Variables ──► records, pendings, commits ──► ObjectStore

Reading is one request, whatever the variable's size: the record holds a small value and names a
large one's body. How one variable is written stands in `writing`, how several are together in
`commits`, what a reader or writer does on meeting a commit under way in `pendings`. This module
puts them together and checks what callers send.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final

from varflow.variables import conversions, endings, expiries, layouts, listings, paths, records
from varflow.variables.background import Background
from varflow.variables.expiries import Expiry, Ttl
from varflow.variables.handles import Variable, VariableInfo
from varflow.variables.records import Value
from varflow.variables.scopes import Address, AnyAddress, Owners, Scope, StateAddress
from varflow.variables.stores.base import ObjectStore, Versioned
from varflow.variables.writes import contents, pendings
from varflow.variables.writes.commits import Abandoned, Change, Commits, Outcome
from varflow.variables.writes.contents import Data, Spool, Stored
from varflow.variables.writes.pendings import Seen
from varflow.variables.writes.preconditions import Conditions
from varflow.variables.writes.revisions import Revisions
from varflow.variables.writes.writing import Write, Writing

__all__ = ["CLEAR", "KEEP", "Change", "Outcome", "Stored", "Variable", "VariableInfo", "Variables"]

KEEP: Final = Expiry.KEEP
CLEAR: Final = Expiry.CLEAR


class Variables:
    """The variables and states of all owners in one store."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float] = time.time,
        writer: str = "",
        max_bytes: int | None = None,
        history: int = 0,
    ) -> None:
        """Use `store` from `open` to `close`.

        Args:
            store: Not opened yet.
            clock: Seconds since the epoch.
            writer: Who writes, for people: recorded with each value.
            max_bytes: Longest value.
            history: How many older revisions of a variable are kept (see `revisions`).
        """
        self.store = store
        self._clock = clock
        self._writer = writer
        self._max_bytes = max_bytes
        self._background = background = Background()
        self._revisions = older = Revisions(store, kept=history, clock=clock)
        self._commits = Commits(store, background, revisions=older, clock=clock, writer=writer)
        self._writing = Writing(store, background, revisions=older, clock=clock, writer=writer)

    async def open(self, *, creates: bool = True) -> None:
        """Open the store and check its layout; `creates` makes a store of an empty place.

        Raises:
            StoreMissing: there is no store, and none is to be made.
            StoreLayoutUnknown: another version of Varflow wrote it.
            StoreError: it cannot be used.
        """
        await self.store.open()
        await layouts.check(self.store, creates=creates)

    async def close(self) -> None:
        """Finish what goes on in the background, then close the store."""
        await self.settle()
        await self.store.close()

    async def settle(self) -> None:
        """Return when nothing of this object's goes on in the background."""
        await self._background.settle()

    # One variable

    async def get(self, address: AnyAddress) -> Variable | None:
        """Return the variable, or None when it is not there or has expired.

        Raises:
            CorruptObject: its record cannot be read; names the path.
            StoreError: the store could not say.
        """
        value = await self._find(address)
        return Variable(address, value, self.store) if value is not None else None

    async def get_revision(self, address: Address, rev: str) -> Variable | None:
        """Return one revision of the variable, or None when it is not kept (see `revisions`).

        Raises:
            InvalidInput: `rev` is no revision's name.
            CorruptObject, StoreError: as `get`.
        """
        live = await self._find(address)
        value = await self._revisions.find(paths.variable(address), live, rev)
        return Variable(address, value, self.store) if value is not None else None

    async def revisions(self, address: Address) -> Sequence[VariableInfo]:
        """Return what is known about the older revisions that are kept, the newest first."""
        live = await self._find(address)
        older = await self._revisions.find_all(paths.variable(address), live)
        return [VariableInfo(address, value) for value in older]

    async def set(
        self,
        address: AnyAddress,
        data: Data,
        *,
        content_type: str | None = None,
        ttl: Ttl = KEEP,
        if_match: str | None = None,
        if_none_match: bool = False,
        create: bool = False,
    ) -> VariableInfo:
        """Write the variable and return what is known about the new revision, once it is durable.

        Args:
            address: Which variable.
            data: The bytes, or a stream of them.
            content_type: None keeps the present one; a new variable is an octet stream.
            ttl: Seconds, `KEEP` or `CLEAR`.
            if_match: Entity tag that the variable must have.
            if_none_match: The variable must not be there; `PreconditionFailed` if it is.
            create: The same, with `VariableExists`.

        Raises:
            VariableExists, PreconditionFailed: the condition does not hold; nothing changed.
            TooLarge: the data is longer than allowed; nothing changed.
            InvalidInput: a `ttl` or `content_type` that cannot be stored.
            StoreError: the store failed; the value is the old one or this one.
        """
        write = Write(
            content_type=conversions.check_content_type(content_type),
            ttl=expiries.check(ttl),
            conditions=Conditions(if_match=if_match, if_none_match=if_none_match, create=create),
        )
        spooled = await contents.spool(data)
        if spooled.rest is not None and write.conditions:
            # Spare the caller the transfer of a large value whose condition does not hold.
            write.conditions.check(await self._find(address), name=str(address))
        content = await self._store_spool(address.owners, spooled)
        value = await self._writing.replace(address, content, write)
        return VariableInfo(address, value)

    async def delete(self, address: AnyAddress, *, if_match: str | None = None) -> None:
        """Remove the variable; that it is not there is no error, unless a revision is asked for.

        Raises:
            PreconditionFailed: it does not have that revision.
            StoreError: the store failed; the variable is there or not.
        """
        await self._writing.remove(address, Conditions(if_match=if_match))

    # Many

    def list(
        self, owners: Owners, scope: Scope, *, prefix: str = "", after: str = ""
    ) -> AsyncGenerator[VariableInfo, None]:
        """Yield what is known about each variable of a scope, in the order of the keys' bytes.

        Args:
            owners: Whose variables.
            scope: Which of their scopes.
            prefix: Only keys that begin with it.
            after: Only keys greater than it: the last one of the page before.
        """
        whole = paths.scope_prefix(owners, scope)
        make = partial(Address, owners, scope)
        return self._list(whole, make, prefix=prefix, after=after)

    def list_states(self, owners: Owners) -> AsyncGenerator[VariableInfo, None]:
        """Yield what is known about each state of a workflow, in the order of their names."""
        return self._list(paths.states_prefix(owners), partial(StateAddress, owners))

    async def clear_scope(self, owners: Owners, scope: Scope) -> int:
        """Remove all variables of a scope and return how many there were."""
        return await endings.clear_scope(self.store, owners, scope, clock=self._clock)

    async def end_instance(
        self, owners: Owners, *, keep_until: float | None = None, kept_data: str = ""
    ) -> None:
        """Finish the instance's decisions, then remove its variables, data and decisions.

        Args:
            owners: The instance.
            keep_until: Keep decisions and results until then, seconds since the epoch: an attempt
                that was stopped may go on, and only its decision stops it (see `endings`). None
                says that none can be left, as after a run whose processes have all ended.
            kept_data: Name of a data object that stays, such as the instance's output.
        """
        await endings.end_instance(
            self.store,
            self._commits,
            owners,
            keep_until=keep_until,
            kept_data=kept_data,
            clock=self._clock,
        )

    async def remove_instance(self, owners: Owners, *, keep_until: float | None = None) -> None:
        """Remove everything of an instance; decisions and results as `end_instance` does."""
        await endings.remove_instance(
            self.store, self._commits, owners, keep_until=keep_until, clock=self._clock
        )

    async def remove_workflow(self, owners: Owners) -> int:
        """Remove all variables and states of a workflow and return how many there were."""
        count = await self.clear_scope(owners, Scope.WORKFLOW)
        return count + await endings.clear_states(self.store, owners, clock=self._clock)

    async def remove_namespace(self, owners: Owners) -> int:
        """Remove everything of a namespace and return how many objects there were."""
        return await endings.remove_all(self.store, paths.namespace_prefix(owners))

    # Commits

    async def store_content(self, owners: Owners, data: Data) -> Stored:
        """Put the bytes of a `Change` where they can stay; hand it to `commit` or `discard`.

        Raises:
            TooLarge: they are longer than allowed; nothing is left behind.
            StoreError: they could not be stored; nothing is left behind.
        """
        return await self._store_spool(owners, await contents.spool(data))

    async def discard(self, owners: Owners, content: Stored) -> None:
        """Remove content that was never handed to a commit."""
        if content.body is not None:
            await self.store.delete(paths.body(owners, content.body))

    async def commit(
        self,
        decision: str,
        changes: Sequence[Change],
        *,
        result: bytes = b"",
        deadline: float | None = None,
    ) -> Outcome:
        """Make all changes at one moment; see `commits.Commits.commit`."""
        for change in changes:
            conversions.check_content_type(change.content_type)
        return await self._commits.commit(decision, changes, result=result, deadline=deadline)

    async def abandon(self, decision: str) -> Outcome | None:
        """Give an action up for good; return its outcome if it had committed, which stands."""
        return await self._commits.abandon(decision)

    async def find_decision(self, decision: str) -> Outcome | Abandoned | None:
        """Return what was decided for good about an action, or None when nothing was yet."""
        return await self._commits.find(decision)

    async def _find(self, address: AnyAddress) -> Value | None:
        path = paths.variable(address)
        found = await self.store.get(path)
        if found is None:
            return None
        record = records.decode(found.data, path=path)
        return await self._judge(path, Seen(record, found.etag))

    async def _judge(self, path: str, seen: Seen) -> Value | None:
        value = seen.current
        if seen.pending is not None:
            value = await pendings.resolve(self.store, path, seen)
        return expiries.alive(value, now=self._clock())

    def _list(
        self,
        start: str,
        make_address: Callable[[str], AnyAddress],
        *,
        prefix: str = "",
        after: str = "",
    ) -> AsyncGenerator[VariableInfo, None]:
        async def make(path: str, found: Versioned) -> VariableInfo | None:
            record = records.decode_once(found.data, path=path)
            value = await self._judge(path, Seen(record, found.etag))
            address = make_address(path.removeprefix(start))
            return VariableInfo(address, value) if value else None

        return listings.read_each(self.store, start, make, prefix=prefix, after=after)

    async def _store_spool(self, owners: Owners, spooled: Spool) -> Stored:
        return await contents.store_spool(self.store, owners, spooled, max_bytes=self._max_bytes)
