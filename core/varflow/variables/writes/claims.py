"""One record of a commit, on its way: read, found unchanged or prepared, released, finished.

A `Claim` is one entry's state within `commits`. It decides nothing about the commit as a whole.
Each method is one step of design.md §6 on one record and leaves the record in a state that any
other process can deal with, so that dying at any await is safe.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from varflow.variables import conversions, expiries, paths, records
from varflow.variables.expiries import Expiry
from varflow.variables.records import Pending, Value
from varflow.variables.scopes import Address
from varflow.variables.stores.base import Conflict, ObjectStore
from varflow.variables.writes import pendings
from varflow.variables.writes.contents import Stored
from varflow.variables.writes.pendings import NOTHING, Seen, Verdict
from varflow.variables.writes.revisions import Revisions


@dataclass(frozen=True, slots=True)
class Change:
    """What an action does to one variable."""

    address: Address
    content: Stored | None
    """The new bytes (`Variables.store`), or None to delete."""
    content_type: str | None = None
    """None keeps the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One try of a commit: what its pendings say."""

    decision: str
    tag: str | None
    txn: str


class Blocked:
    """Type of `BLOCKED`."""


BLOCKED: Final = Blocked()
"""Another commit's live claim is on the record."""


def make_value(
    content: Stored,
    *,
    content_type: str | None,
    present: Value | None,
    counted: Value | None,
    expires_at: float | None,
    now: float,
    writer: str,
) -> Value:
    """Return the value that replaces `present`; `counted` is the same, expired or not."""
    kept = present.content_type if present is not None else conversions.OCTET_STREAM
    return Value(
        rev=records.next_rev(counted, secrets.token_hex(4)),
        content_type=kept if content_type is None else content_type,
        size=content.size,
        sha256=content.sha256,
        created_at=now if present is None else present.created_at,
        updated_at=now,
        expires_at=expires_at,
        writer=writer,
        inline=content.inline,
        body=content.body,
    )


class Claim:
    """One entry of a commit."""

    def __init__(
        self,
        store: ObjectStore,
        change: Change,
        *,
        revisions: Revisions,
        clock: Callable[[], float],
        writer: str,
    ) -> None:
        self.change = change
        self.path = paths.variable(change.address)
        self.new: Value | None = None
        self.is_prepared = False
        self._store = store
        self._revisions = revisions
        self._clock = clock
        self._writer = writer
        self._seen: Seen = NOTHING
        self._own_txns: set[str] = set()

    async def read(self) -> None:
        """Begin a round: look at the record as it is now."""
        self.is_prepared = False
        self._seen = await pendings.read(self._store, self.path)

    async def advance(self, round_: Round, *, is_patient: bool) -> bool:
        """Prepare the record unless it is as wanted already; False when another is in the way.

        A patient claim waits for other commits' live ones, in the end kills them.
        """
        conflicts = 0
        while not self.is_prepared:
            try:
                current = await self._find_current(is_patient=is_patient)
                if isinstance(current, Blocked):
                    return False
                if self.is_unchanged(current):
                    break
                await self._prepare(round_, current)
            except Conflict:
                conflicts += 1
                await pendings.pause(conflicts)
                self._seen = await pendings.read(self._store, self.path)
        return True

    async def is_steady(self) -> bool:
        """Return whether nobody has written since the last look: a claim sees to that itself."""
        if self.is_prepared:
            return True
        before, self._seen = self._seen, await pendings.read(self._store, self.path)
        return before.etag == self._seen.etag

    def is_unchanged(self, current: Value | None) -> bool:
        """Return whether the entry would write what is there."""
        live = expiries.alive(current, now=self._clock())
        content = self.change.content
        if content is None or live is None:
            return content is None and live is None
        wanted = self.change.content_type
        return live.sha256 == content.sha256 and wanted in {None, live.content_type}

    @property
    def is_body_kept(self) -> bool:
        """Whether the variable names the change's body without a write of this commit."""
        content, current = self.change.content, self._seen.current
        return content is not None and current is not None and current.body == content.body

    async def withdraw(self) -> None:
        """Take the claim back, also one that nobody knows to be there: its answer was lost."""
        await self.read()
        await self.release()

    async def release(self) -> None:
        """Take the claim back, be it of a round before: nobody can have acted on it."""
        self.is_prepared = False
        pending = self._seen.pending
        if pending is None or pending.txn not in self._own_txns:
            return
        try:
            self._seen = await pendings.write(
                self._store, self.path, self._seen.current, over=self._seen
            )
        except Conflict:
            self._seen = await pendings.read(self._store, self.path)

    async def finish(self, txn: str) -> None:
        """Make the decided value current."""
        await pendings.finish(self._store, self.path, txn, seen=self._seen)
        if self._revisions.concern(self.path):
            await self._revisions.tidy(self.path, is_deleted=self.new is None)

    async def _find_current(self, *, is_patient: bool) -> Value | Blocked | None:
        """Return what a write would replace, or that another's claim is in the way."""
        pending = self._seen.pending
        if pending is None or pending.txn in self._own_txns:
            return self._seen.current
        if is_patient:
            return await pendings.settle(self._store, self.path, self._seen, now=self._clock())
        match await pendings.judge(self._store, pending):
            case Verdict.COMMITTED:
                return pending.new
            case Verdict.DEAD:
                return self._seen.current
            case Verdict.LIVE:
                return BLOCKED

    async def _prepare(self, round_: Round, current: Value | None) -> None:
        """Put the claim on the record, or raise `Conflict` when somebody else has written it."""
        new = self._make_new(current)
        if new is not None and self._revisions.concern(self.path):
            await self._revisions.keep(self.path, current)
        pending = Pending(txn=round_.txn, decision=round_.decision, tag=round_.tag, new=new)
        self._own_txns.add(round_.txn)
        self._seen = await pendings.write(
            self._store, self.path, current, over=self._seen, pending=pending
        )
        self.new, self.is_prepared = new, True

    def _make_new(self, current: Value | None) -> Value | None:
        content = self.change.content
        if content is None:
            return None
        now = self._clock()
        live = expiries.alive(current, now=now)
        return make_value(
            content,
            content_type=self.change.content_type,
            present=live,
            counted=current,
            expires_at=expiries.expires_at(Expiry.KEEP, present=live, now=now),
            now=now,
            writer=self._writer,
        )
