"""Sealing what a namespace's variables are with the key that is written with now.

    record ──► look: its key, its body's key ──► steps.decide ──► the same value, written again
                 ▲                                   └──► a copy of its body, then that
                 └──────── Conflict: somebody has written it ─────────┘

It goes on beside everybody who reads and writes, may be killed at any moment, and may run twice at
once. Why each thing is safe:

* **A record** (a variable, a state, a tombstone, an older revision) is written under the ETag under
  which it was read, with the same value, so revision, times and expiry stay. A fresh nonce and a
  fresh salt make its bytes others than all before: an ETag never comes back, and no stale
  compare-and-swap of anybody gets through. To other writers it is one more writer: they lose a race
  and look again. What is gone meanwhile stays gone, for the ETag is not there any more.
* **A body** is never written over, for somebody may be reading it, in several requests. A copy goes
  under a new id, its bytes compared with the value's size and SHA-256; then the record is made to
  name the copy, with all else as it was. Dying in between leaves a copy that no record names. The
  old body stays for those who read it and is then nobody's; a sweep removes both. On a conflict the
  copy is removed at once: a conflict is certain, so no record has it. When it is not known what
  became of the write, it is left to the sweep.
* **A record with a claim** is left, and so are the bodies that claim names. The claim's owner would
  not find its claim as it was, and could not take it back; and it ends within moments, or a sweep
  ends it. Then there is a record like others, for the next run.
* **An older revision** is written again also where the variable is written meanwhile: it is kept
  under its own name. It looks younger afterwards, which `revisions` knows. One that belongs to no
  life of its variable any more is left: it could displace another, and a sweep removes it.
* **Notes of a sweep** are written under their ETag too. A sweep that ends at that moment notes
  nothing, which costs it time.

Left are, and counted as needing the key that they need (`counting`):

* *decisions*. Their ETags are the tags of claims, so writing one again kills a commit that is under
  way, and their age tells how long they have to fence off late attempts (`endings`). They go within
  75 minutes after their instance has ended.
* *data and logs of instances*. Their names are known to others, such as an instance's status, and
  they are read in pieces while they are there. They go with their instance.
* what cannot be opened, and plain objects that are not believed.

Rejected: holding writers off with a claim of one's own (a run that dies would leave one on every
record), and writing bodies anew in their place (a reader in the middle would get the rest of
another object, which does not open).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from varflow.errors import CorruptObject, EncryptionKeyMissing
from varflow.variables import listings, paths, records
from varflow.variables.encryption.headers import Header
from varflow.variables.encryption.store import EncryptedStore
from varflow.variables.paths import Content
from varflow.variables.records import Record, Value
from varflow.variables.renewal import counting, steps
from varflow.variables.renewal.steps import Found, Seal, Step
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import Conflict, Listed
from varflow.variables.sweep import findings
from varflow.variables.writes import contents, pendings
from varflow.variables.writes.pendings import Seen

_BODIES_AT_ONCE: Final = 2
"""One is read while another is written; each has some parts of a few MiB in memory."""
_TRIES: Final = 10
"""Who writes a variable so often writes it with the present key, or will once it is restarted."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of an object."""

    path: str
    step: Step
    detail: str = ""
    """Why it was left."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A record, and what was found."""

    found: Found
    seen: Seen


class Renewing:
    """One run through the namespace of these owners."""

    def __init__(
        self, store: EncryptedStore, owners: Owners, *, clock: Callable[[], float]
    ) -> None:
        self._store: Final = store
        self._owners: Final = owners
        self._prefix: Final = paths.namespace_prefix(owners)
        self._clock: Final = clock
        self._bodies: Final = asyncio.Semaphore(_BODIES_AT_ONCE)
        self.looked = 0
        """How many objects were looked at so far."""
        self.copied = 0
        """How many bytes of large values were."""

    async def run(self) -> AsyncGenerator[Renewed, None]:
        """Yield what became of each object that may need another key than the present one.

        Raises:
            StoreError: the store failed; what was yielded is done, and what was not may be.
        """
        for listing in listings.naming(self._store.inner, self._prefix):
            async with aclosing(listings.read_ahead(listing, self._renew)) as renewed:
                async for each in renewed:
                    self.looked += 1
                    if each.step is not Step.KEEP:
                        yield each

    async def _renew(self, listed: Listed) -> Renewed:
        path = listed.path
        try:
            return Renewed(path, await self._try_often(path))
        except CorruptObject as error:
            return Renewed(path, Step.BROKEN, error.message)
        except EncryptionKeyMissing as error:
            return Renewed(path, Step.CLOSED, error.message)

    async def _try_often(self, path: str) -> Step:
        for conflicts in range(_TRIES):
            await pendings.pause(conflicts)
            try:
                return await self._try(path)
            except Conflict:
                continue
        return Step.BUSY

    async def _try(self, path: str) -> Step:
        if path == paths.marks(self._prefix):
            return await self._renew_marks(path)
        if paths.content_of(path) not in {Content.RECORD, Content.REVISION}:
            return Step.KEEP
        looked = await self._look(path)
        step = steps.decide(looked.found)
        if step is Step.SEAL:
            await self._write(path, looked.seen)
        elif step is Step.MOVE:
            async with self._bodies:
                await self._move(path, looked.seen)
        return step

    # Looking

    async def _look(self, path: str) -> _Looked:
        found = await self._store.inner.get(path)
        if found is None:
            return _Looked(Found(record=Seal.CURRENT), pendings.NOTHING)
        seal = await self._judge(path, Header.decode(found.data))
        if seal is Seal.CLOSED:
            return _Looked(Found(record=seal), pendings.NOTHING)
        opened = await self._store.unseal(path, found)
        record = records.decode_once(opened.data, path=path)
        body = await self._judge_body(record.current)
        looked = Found(record=seal, body=body, is_claimed=record.pending is not None)
        if looked.is_outdated and await self._is_stale(path, record):
            looked = replace(looked, is_stale=True)
        return _Looked(looked, Seen(record, found.etag))

    async def _judge(self, path: str, header: Header | None) -> Seal:
        ring = await self._store.find_ring(path, header)
        return steps.judge(header, ring, self._store.policy)

    async def _judge_body(self, value: Value | None) -> Seal | None:
        if value is None or value.body is None:
            return None
        path = paths.body(self._owners, value.body)
        try:
            return await self._judge(path, await counting.read_header(self._store.inner, path))
        except CorruptObject:
            return Seal.CLOSED  # lost, or the record has another one by now

    async def _is_stale(self, path: str, revision: Record) -> bool:
        if paths.content_of(path) is not Content.REVISION:
            return False
        live = await pendings.read(self._store, paths.record_of_revision(path))
        return findings.is_stale(revision, live.record, now=self._clock())

    # Writing

    async def _write(self, path: str, seen: Seen, value: Value | None = None) -> None:
        """Write the record again, with another place of its value if one is given."""
        await pendings.write(self._store, path, value or seen.current, over=seen)

    async def _move(self, path: str, seen: Seen) -> None:
        """Have the record name a copy of its body."""
        value = seen.current
        if value is None or value.body is None:
            raise TypeError(f"{path} has no body")
        body = secrets.token_hex(16)
        copy = paths.body(self._owners, body)
        await self._store.write_body(copy, self._read(value))
        try:
            await self._write(path, seen, replace(value, body=body))
        except Conflict:
            await self._store.delete(copy)
            raise

    async def _read(self, value: Value) -> AsyncIterator[bytes]:
        """Yield a value's bytes.

        Raises:
            CorruptObject: they are not what was written.
        """
        path = paths.body(self._owners, value.body or "")
        body = self._store.read_body(path)
        async for chunk in contents.verified(body, size=value.size, sha256=value.sha256, name=path):
            yield chunk
            self.copied += len(chunk)

    async def _renew_marks(self, path: str) -> Step:
        found = await self._store.inner.get(path)
        if found is None:
            return Step.KEEP
        step = steps.decide(Found(record=await self._judge(path, Header.decode(found.data))))
        if step is Step.SEAL:
            opened = await self._store.unseal(path, found)
            await self._store.put(path, opened.data, condition=found.etag)
        return step
