"""Locks between threads and processes on the paths of one folder.

A write compares and renames, two steps that must be one: it holds the *shard* of its path
meanwhile. A shard is an in-process lock, because threads share the descriptor, and a `flock` on a
file in `.locks/`, which the kernel lets go of when its process dies, however that happens.

`flock` would wait for ever for a process that was stopped (SIGSTOP, a debugger, a frozen
container). So it is polled: a wait ends when its caller is cancelled or after `PATIENCE_SECONDS`.
A lock is held for a comparison and a rename, never for an fsync, so that a first poll nearly
always succeeds.

The files stay for ever: removing one would let two processes hold "the same" lock. Their number
is part of the layout, since processes of two versions may share a folder. Rejected: one lock for
the folder (writers of different variables would wait for each other), and a lock file per object
(as many files as objects).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Final

from varflow.errors import StoreUnavailable
from varflow.variables.stores import file_errors
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.threads import Stop

FOLDER: Final = ".locks"

PATIENCE_SECONDS: Final = 30.0
"""How long a write waits for a lock: far longer than a live process holds one."""

_SHARDS: Final = 64
_FIRST_POLL_SECONDS: Final = 0.0002
_LAST_POLL_SECONDS: Final = 0.02


class Lock:
    """One lock: between this process' threads, and between processes by a file."""

    def __init__(self, tree: Tree, name: str) -> None:
        self._tree: Final = tree
        self._file: Final = f"{FOLDER}/{name}"
        self._threads: Final = threading.Lock()
        self._fd = -1

    @contextlib.contextmanager
    def hold(self, stop: Stop) -> Iterator[None]:
        """Hold the lock.

        Raises:
            Stopped: `stop` was asked for meanwhile.
            StoreUnavailable: somebody else kept the lock too long.
            StoreError: the lock's file cannot be used.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._threads.acquire(timeout=_LAST_POLL_SECONDS):
            self._check(stop, deadline)
        try:
            self._take(stop, deadline)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the file. Nobody may hold the lock or want it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, stop: Stop, deadline: float) -> None:
        pause = _FIRST_POLL_SECONDS
        while not self._is_taken():
            self._check(stop, deadline)
            time.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)

    def _is_taken(self) -> bool:
        try:
            if self._fd < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._fd = os.open(self._file, flags, 0o600, dir_fd=self._tree.fd)
            return try_flock(self._fd)
        except FileNotFoundError:
            self._tree.make(FOLDER)  # a copy of a store may lack it; raises when the store is gone
            return False
        except OSError as error:
            raise file_errors.failed_write(error, self._tree.shown(self._file)) from error

    def _check(self, stop: Stop, deadline: float) -> None:
        stop.check()
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"another process has held {self._tree.shown(self._file)} for "
                f"{PATIENCE_SECONDS:.0f} s; if it is stopped, resume or end it"
            )


class ShardLocks:
    """The locks of all paths of one store."""

    def __init__(self, tree: Tree) -> None:
        self._locks: Final = tuple(Lock(tree, f"{number:02x}") for number in range(_SHARDS))

    def of(self, path: str) -> Lock:
        """Return the lock that everybody who changes `path` holds."""
        return self._locks[zlib.crc32(path.encode()) % _SHARDS]

    def close(self) -> None:
        """Close all files. No call may be under way."""
        for lock in self._locks:
            lock.close()


def try_flock(fd: int) -> bool:
    """Take an exclusive `flock` if it is free; return whether it was."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
