"""What to do on meeting a commit's claim on a record (design.md §6), for readers and writers.

A claim (`records.Pending`) is one of three things, and only its decision object says which:

* *committed*: the decision is `committed` with the claim's transaction. Its value is the
  variable's;
* *dead*: the decision has another ETag than the claim's tag, so its owner can decide no more;
* *live*: the decision still has that ETag, or there is none yet. The owner may decide any moment.

A reader takes `new` or `current`. A writer needs a claim that cannot come true behind its back: it
waits for a live one, and after `KILL_AFTER_SECONDS` kills it by changing the decision. It then
writes over a committed or dead claim at once, in the same compare-and-swap as its own value:
finishing first would be a second write of the same record, and both are atomic.

"Not committed" counts only while the record still holds the claim: a decision may be removed (the
instance has ended) once its records are finished, and would then look as if it had never been.
Writers learn that from their compare-and-swap, readers by reading the record again.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from varflow.variables import records
from varflow.variables.records import Pending, Record, Value
from varflow.variables.stores.base import ABSENT, Condition, Conflict, ObjectStore
from varflow.variables.writes import decisions
from varflow.variables.writes.decisions import Decision, Kind

KILL_AFTER_SECONDS: Final = 2.0
"""Longest a live claim can hold a writer up."""

_POLL_FIRST, _POLL_LONGEST, _POLL_GROWTH = 0.002, 0.25, 1.7
_PAUSE_UNIT, _PAUSE_DOUBLINGS = 0.001, 7

_jitter = random.random  # spreads retries; nothing secret hangs on it


class Verdict(Enum):
    """What has become of a claim."""

    COMMITTED = "committed"
    DEAD = "dead"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it was read; `NOTHING` when there was none."""

    record: Record | None
    etag: str | None

    @property
    def condition(self) -> Condition:
        """The precondition under which nobody has written since."""
        return ABSENT if self.etag is None else self.etag

    @property
    def current(self) -> Value | None:
        """The value, a claim left aside."""
        return self.record.current if self.record is not None else None

    @property
    def pending(self) -> Pending | None:
        """The claim on the record."""
        return self.record.pending if self.record is not None else None


NOTHING: Final = Seen(None, None)


@dataclass(frozen=True, slots=True)
class Found:
    """A decision as it was read; both are None when there was none."""

    decision: Decision | None
    etag: str | None

    @property
    def condition(self) -> Condition:
        """The precondition under which nobody has written since."""
        return ABSENT if self.etag is None else self.etag

    @property
    def kind(self) -> Kind | None:
        """What was decided."""
        return self.decision.kind if self.decision is not None else None


def make_nonce() -> str:
    """Return what makes a write's bytes differ from all others."""
    return secrets.token_hex(8)


async def pause(conflicts: int) -> None:
    """Wait before the next try after `conflicts` lost races, longer each time, never in step."""
    if conflicts > 1:
        await asyncio.sleep(_jitter() * _PAUSE_UNIT * 2 ** min(conflicts, _PAUSE_DOUBLINGS))


async def read(store: ObjectStore, path: str) -> Seen:
    """Read a record."""
    found = await store.get(path)
    if found is None:
        return NOTHING
    return Seen(records.decode(found.data, path=path), found.etag)


async def write(
    store: ObjectStore,
    path: str,
    current: Value | None,
    *,
    over: Seen,
    pending: Pending | None = None,
) -> Seen:
    """Write a record over the one that was seen, and return it as a reader would see it.

    Raises:
        Conflict: somebody has written since.
    """
    record = Record(current, pending, make_nonce())
    etag = await store.put(path, records.encode(record), condition=over.condition)
    return Seen(record, etag)


async def read_decision(store: ObjectStore, path: str) -> Found:
    """Read a decision."""
    found = await store.get(path)
    if found is None:
        return Found(None, None)
    return Found(decisions.decode(found.data, path=path), found.etag)


async def judge(store: ObjectStore, pending: Pending) -> Verdict:
    """Read the claim's decision and say what has become of the claim."""
    return verdict(pending, await read_decision(store, pending.decision))


def verdict(pending: Pending, found: Found) -> Verdict:
    """Say what has become of a claim whose decision was `found`."""
    decision = found.decision
    if decision is not None and decision.kind is Kind.COMMITTED and decision.txn == pending.txn:
        return Verdict.COMMITTED
    return Verdict.LIVE if found.etag == pending.tag else Verdict.DEAD


async def resolve(store: ObjectStore, path: str, seen: Seen) -> Value | None:
    """Return the variable's value for a reader that has `seen` its record."""
    while (pending := seen.pending) is not None:
        if await judge(store, pending) is Verdict.COMMITTED:
            return pending.new
        again = await read(store, path)
        if again.etag == seen.etag:
            break
        seen = again
    return seen.current


async def settle(store: ObjectStore, path: str, seen: Seen, *, now: float) -> Value | None:
    """Return the value that a writer of the record replaces, once no claim can come true any more.

    To hold, the writer must compare-and-swap the record as it was `seen`. `now` is for people.

    Raises:
        Conflict: the record has changed meanwhile; look again.
    """
    pending = seen.pending
    if pending is None:
        return seen.current
    if await _settled(store, path, seen, pending=pending, now=now) is Verdict.COMMITTED:
        return pending.new
    return seen.current


async def _settled(
    store: ObjectStore, path: str, seen: Seen, *, pending: Pending, now: float
) -> Verdict:
    """Wait for a live claim, in the end kill it; return what it has become.

    The record is watched as well as the decision, since an owner may take its claim back. Two
    commits that wait for each other would kill each other again and again if they waited equally
    long, hence the spread.
    """
    loop = asyncio.get_running_loop()
    last = loop.time() + KILL_AFTER_SECONDS * (1 + _jitter() / 4)
    delay = _POLL_FIRST
    while True:
        found = await read_decision(store, pending.decision)
        outcome = verdict(pending, found)
        if outcome is not Verdict.LIVE:
            return outcome
        if loop.time() >= last:
            await _kill(store, pending.decision, found, now=now)
            continue
        await asyncio.sleep(delay * (0.5 + _jitter()))
        delay = min(delay * _POLL_GROWTH, _POLL_LONGEST)
        if (await read(store, path)).etag != seen.etag:
            raise Conflict


async def _kill(store: ObjectStore, path: str, found: Found, *, now: float) -> None:
    aborted = Decision(kind=Kind.ABORTED, nonce=make_nonce(), at=now)
    try:
        await store.put(path, decisions.encode(aborted), condition=found.condition)
    except Conflict:
        return  # it has changed without us; the caller looks again


async def clear(store: ObjectStore, path: str, *, clock: Callable[[], float]) -> Seen:
    """Return the record once it has no claim; a live one is waited for, in the end killed."""
    conflicts = 0
    while True:
        seen = await read(store, path)
        if seen.pending is None:
            return seen
        try:
            current = await settle(store, path, seen, now=clock())
            return await write(store, path, current, over=seen)
        except Conflict:
            conflicts += 1
            await pause(conflicts)


async def finish(store: ObjectStore, path: str, txn: str, *, seen: Seen | None = None) -> None:
    """Make the value of a committed transaction current in one record, if it still holds the claim.

    `seen` saves the reading when the caller knows the record.
    """
    conflicts = 0
    while True:
        if seen is None:
            seen = await read(store, path)
        pending = seen.pending
        if pending is None or pending.txn != txn:
            return
        try:
            await write(store, path, pending.new, over=seen)
        except Conflict:
            seen, conflicts = None, conflicts + 1
            await pause(conflicts)
        else:
            return


async def finish_decision(store: ObjectStore, path: str) -> Found:
    """Finish everything that a decision changes, if it is committed, and return it."""
    found = await read_decision(store, path)
    decision = found.decision
    if decision is not None and decision.kind is Kind.COMMITTED and decision.txn is not None:
        for record in decision.changes:
            await finish(store, record, decision.txn)
    return found
