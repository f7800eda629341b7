"""The `file` driver: a folder on this machine, shared by its processes. The embedded default.

What is where:

    filenames      path <-> file name                       PURE
    threads        calls that block, and cancelling them
    file_locks     `.locks/`: one writer per path at a time
    file_temps     `.tmp/`: files under way, and leftovers of killed writers
    file_tree      renames, removals and folders that survive a power loss
    file_bodies    streams
    file_listing   ordered walk
    file_scans     records by the thousand
    file_errors    errno -> StoreError

A record is written under a temporary name, fsynced, compared and renamed under the lock of its
path, and acknowledged when its folder has been fsynced. The fsyncs are outside the lock, so
writers of one record wait for each other's rename only, and a stopped process rarely holds one.
Readers take no lock: rename is atomic. Hence a reader may see a value a moment before it is
durable, as in any store whose readers do not wait for writers; whoever builds on it with a write
to the same folder makes both durable.

The ETag is a hash of the bytes: times and inode numbers repeat on some file systems.

Small records are read on the event loop: open, fstat, read and close take less than handing them
to a thread does (design.md §9).
"""

from __future__ import annotations

import functools
import itertools
import os
import urllib.parse
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from varflow.variables.stores import (
    etags,
    file_bodies,
    file_listing,
    file_locks,
    file_scans,
    file_temps,
    filenames,
    streams,
)
from varflow.variables.stores.base import ABSENT, Condition, Conflict, Listed, Versioned
from varflow.variables.stores.file_temps import Temps
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.scanning import Scan
from varflow.variables.stores.threads import Stop, Threads
from varflow.variables.stores.upkeep import Unfinished

_ON_LOOP_BYTES: Final = 64 * 1024
"""Longest record that is read on the event loop: from the page cache some 20 µs."""

_REMEMBERED: Final = 256
_REMEMBERED_BYTES: Final = 4 * 1024
"""Records up to this length have their last ETags remembered: most are read several times."""

_RECORD_THREADS: Final = 8
"""Writers that wait for the disk at once; file systems flush such a group together."""

_BODY_THREADS: Final = 8
"""Streams and listings moving at once; of their own, so that a long fsync delays no record."""

_LISTED_AT_ONCE: Final = 256
"""Objects of a listing per hop: about a millisecond's work for a thread."""


class FileStore:
    """Objects as files below `folder`. See the module for what is promised, and how."""

    is_durable = True
    needs_probe = False  # compares by itself, under a lock

    def __init__(self, folder: Path, *, creates: bool = True) -> None:
        """Use `folder` from `open` to `close`.

        Args:
            folder: Where the objects are.
            creates: Opening makes it and what the driver needs in it, and tidies up; so it has to
                be writable. Without, opening changes nothing.
        """
        root = os.path.abspath(folder)
        self.url = "file://" + urllib.parse.quote_from_bytes(os.fsencode(root))
        self._creates: Final = creates
        self._tree: Final = Tree(root)
        self._locks: Final = file_locks.ShardLocks(self._tree)
        self._temps: Final = Temps(self._tree)
        self._records: Final = Threads("varflow-records", limit=_RECORD_THREADS)
        self._bodies: Final = Threads("varflow-bodies", limit=_BODY_THREADS)

    async def open(self) -> None:
        self._records.open()
        self._bodies.open()
        try:
            await self._records.run(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._bodies.close()
        await self._records.close(last=self._close)

    async def get(self, path: str) -> Versioned | None:
        name = filenames.object_file(path)
        opened = self._tree.find_opened(name)
        if not opened:
            return None
        if opened[1] > _ON_LOOP_BYTES:
            os.close(opened[0])
            return await self._bodies.run(functools.partial(self._find, name))
        data = self._tree.read_and_close(name, opened)
        is_short = len(data) <= _REMEMBERED_BYTES
        return Versioned(data, _etag_once(data) if is_short else etags.of(data))

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        stop = Stop()
        put = functools.partial(self._put, path, bytes(data), condition=condition, stop=stop)
        return await self._records.run(put, stop=stop)

    async def delete(self, path: str) -> None:
        stop = Stop()
        await self._records.run(functools.partial(self._delete, path, stop), stop=stop)

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        name = filenames.object_file(path)
        target = file_bodies.Target(name, tree=self._tree, temps=self._temps)
        return await file_bodies.write(chunks, target, threads=self._bodies)

    def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        name = filenames.object_file(path)
        source = file_bodies.Source(name, tree=self._tree, start=start, length=length)
        return streams.read(source, threads=self._bodies)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        walk = file_listing.walk(self._tree, prefix, after)
        while batch := await self._bodies.run(functools.partial(_take, walk)):
            for listed in batch:
                yield listed

    def scan(self, prefix: str, *, after: str = "") -> Scan:
        return file_scans.scan(self._tree, prefix, after=after, threads=self._bodies)

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        stop = Stop()
        remove = functools.partial(self._remove_unchanged, path, etag, stop)
        return await self._records.run(remove, stop=stop)

    async def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        for unfinished in await self._bodies.run(self._temps.find_abandoned):
            yield unfinished

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        await self._bodies.run(self._temps.remove_abandoned)

    def _open(self) -> None:
        self._tree.open(creates=self._creates)
        if not self._creates:
            return
        self._tree.make(file_locks.FOLDER)
        self._tree.make(file_temps.FOLDER)
        self._temps.open()

    def _close(self) -> None:
        self._temps.close()
        self._locks.close()
        self._tree.close()

    def _find(self, name: str) -> Versioned | None:
        data = self._tree.find(name)
        return None if data is None else Versioned(data, etags.of(data))

    def _put(self, path: str, data: bytes, *, condition: Condition, stop: Stop) -> str:
        name = filenames.object_file(path)
        self._check(name, condition)  # again under the lock; this spares the loser of a race fsyncs
        temp = self._temps.write(data)
        try:
            with self._locks.of(path).hold(stop):
                self._check(name, condition)
                stop.check()
                self._tree.place(temp, name)
        except BaseException:
            self._temps.discard(temp)
            raise
        self._tree.sync(os.path.dirname(name))
        return etags.of(data)

    def _delete(self, path: str, stop: Stop) -> None:
        name = filenames.object_file(path)
        with self._locks.of(path).hold(stop):
            stop.check()
            self._tree.unlink(name)
        self._tree.settle_removal(name)

    def _remove_unchanged(self, path: str, etag: str, stop: Stop) -> bool:
        name = filenames.object_file(path)
        with self._locks.of(path).hold(stop):
            stop.check()
            try:
                self._check(name, etag)
            except Conflict:
                return False
            self._tree.unlink(name)
        self._tree.settle_removal(name)
        return True

    def _check(self, name: str, condition: Condition) -> None:
        """Return if `condition` holds for the record in the file `name`.

        Raises:
            Conflict: it does not.
            StoreError: the record cannot be read.
        """
        if condition is None:
            return
        present = self._tree.find(name)
        holds = (
            present is None
            if condition is ABSENT
            else (present is not None and etags.of(present) == condition)
        )
        if not holds:
            raise Conflict


@functools.lru_cache(maxsize=_REMEMBERED)
def _etag_once(data: bytes) -> str:
    return etags.of(data)


def _take(walk: Iterator[Listed]) -> list[Listed]:
    return list(itertools.islice(walk, _LISTED_AT_ONCE))
