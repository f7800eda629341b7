"""Streams of the file driver: a body on its way into a file, and out of one.

The loop gathers what arrives into a batch of about `CHUNK_BYTES`; a thread writes it with one
system call, without joining it, while the loop gathers the next. Reading likewise, see `streams`.
So a stream holds about two batches in memory, changes threads once a batch, and keeps both its ends
busy.

A body that fits one batch takes one hop in all: its only batch opens the file, and also fsyncs it
and puts it in its place.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

from varflow.errors import CorruptObject
from varflow.variables.stores import file_errors, file_temps, streams
from varflow.variables.stores.base import CHUNK_BYTES
from varflow.variables.stores.file_temps import Temps
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.threads import Running, Threads

_BATCH_PIECES: Final = 512
"""Most pieces in one batch; systems take 1024 in one call."""


class Target:
    """A file that a body is written to. Its methods are for threads, in any order."""

    def __init__(self, name: str, *, tree: Tree, temps: Temps) -> None:
        self._name: Final = name
        self._tree: Final = tree
        self._temps: Final = temps
        self._lock: Final = threading.Lock()
        self._temp = ""
        self._fd = -1
        self._size = 0
        self._is_discarded = False

    def append(self, batch: list[bytes]) -> int:
        """Write `batch` at the end and return the size so far.

        Raises:
            StoreError: not all of it was written.
        """
        with self._lock:
            return 0 if self._is_discarded else self._append(batch)

    def finish(self, batch: list[bytes]) -> int:
        """Write the last `batch`, put the file in its place durably, and return its size.

        Raises:
            StoreError: it may not be there.
        """
        with self._lock:
            if self._is_discarded:
                return 0
            size = self._append(batch)
            self._fsync()
            self._tree.place(self._temp, self._name)
        self._tree.sync(os.path.dirname(self._name))
        return size

    def discard(self) -> None:
        """Remove what has been written, wherever it is.

        Raises:
            StoreError: it may be at its place already and could not be removed.
        """
        with self._lock:
            self._is_discarded = True
            if not self._temp:
                return
            self._close()
            if not self._temps.discard(self._temp):
                self._tree.unlink(self._name)
                self._tree.settle_removal(self._name)

    def _append(self, batch: list[bytes]) -> int:
        if not self._temp:
            self._temp, self._fd = self._temps.create()
        try:
            file_temps.append(self._fd, batch)
        except OSError as error:
            raise file_errors.failed_write(error, self._tree.shown(self._name)) from error
        self._size += sum(map(len, batch))
        return self._size

    def _fsync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise file_errors.failed_write(error, self._tree.shown(self._name)) from error
        finally:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Source:
    """A file that a body is read from. Its methods are for threads, in any order."""

    def __init__(self, name: str, *, tree: Tree, start: int, length: int | None) -> None:
        self.left = 0
        """Bytes still to be read, once the first chunk has been."""
        self._name: Final = name
        self._tree: Final = tree
        self._offset = start
        self._length: Final = length
        self._lock: Final = threading.Lock()
        self._fd = -1
        self._is_over = False

    def next(self) -> bytes:
        """Return the next chunk; nothing after the last.

        Raises:
            CorruptObject: there is no such file, or it is shorter than asked.
            StoreError: it could not be read.
        """
        with self._lock:
            if self._is_over:
                return b""
            try:
                if self._fd < 0:
                    self._open()
                chunk = self._read()
            except OSError as error:
                raise file_errors.failed_read(error, self._tree.shown(self._name)) from error
            if not self.left:
                self._close()
            return chunk

    def abandon(self) -> None:
        """Read no further."""
        with self._lock:
            self._close()

    @property
    def is_open(self) -> bool:
        """Whether `abandon` has anything to do."""
        return self._fd >= 0

    def _open(self) -> None:
        opened = self._tree.find_opened(self._name)
        if not opened:
            raise CorruptObject(f"there is no body at {self._tree.shown(self._name)}")
        self._fd, size = opened
        end = size if self._length is None else self._offset + self._length
        if not self._offset <= end <= size:
            raise CorruptObject(
                f"{self._tree.shown(self._name)} has {size} bytes, "
                f"and {max(end, self._offset)} are expected"
            )
        self.left = end - self._offset

    def _read(self) -> bytes:
        wanted = min(self.left, CHUNK_BYTES)
        chunk = os.pread(self._fd, wanted, self._offset)
        if wanted and not chunk:
            raise CorruptObject(f"{self._tree.shown(self._name)} became shorter while it was read")
        self._offset += len(chunk)
        self.left -= len(chunk)
        return chunk

    def _close(self) -> None:
        self._is_over = True
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


async def write(chunks: AsyncIterable[bytes], target: Target, *, threads: Threads) -> int:
    """Stream `chunks` to `target` and return their size, once they are durable.

    Raises:
        StoreError: nothing is there. Likewise when `chunks` raises, or this is cancelled.
    """
    ahead: Running[int] | None = None
    try:
        async with contextlib.aclosing(_batches(chunks)) as batches:
            async for batch, is_last in batches:
                if ahead:
                    await ahead.result()
                step = target.finish if is_last else target.append
                ahead = threads.start(functools.partial(step, batch))
        return await ahead.result() if ahead else 0
    except BaseException as error:
        await streams.discard(target.discard, threads, broken_by=error)
        raise


async def _batches(chunks: AsyncIterable[bytes]) -> AsyncGenerator[tuple[list[bytes], bool], None]:
    """Yield lists of chunks to be written at once, and whether it is the last."""
    batch: list[bytes] = []
    size = 0
    async for chunk in chunks:
        batch.append(bytes(chunk))  # copies nothing, unless it is a buffer that may change
        size += len(chunk)
        if size >= CHUNK_BYTES or len(batch) == _BATCH_PIECES:
            yield batch, False
            batch, size = [], 0
    yield batch, True
