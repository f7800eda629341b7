"""Files under way: written and fsynced under a temporary name, then renamed to their place.

They stand in `.tmp/<session>/`, one folder per opened store, which the process marks as its own by
a `flock` on the file `alive` in it as long as it lives. So what killed writers left behind is
found in one place, and is removed exactly when the kernel says that its writer is gone; a session
is made, and looked at, under one lock, so that none is seen before it is marked.

Rejected: temporary names beside the target (finding leftovers would mean walking the whole store
at every start), names with a process id (equal in two containers, and used again), and O_TMPFILE
(cannot replace a file).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import threading
from collections.abc import Sequence
from typing import Final

from varflow.variables.stores import file_errors, file_locks
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.threads import Stop
from varflow.variables.stores.upkeep import Unfinished

FOLDER: Final = ".tmp"

_ALIVE: Final = "alive"
_SESSIONS_LOCK: Final = "sessions"
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Temps:
    """The temporary files of one opened store."""

    def __init__(self, tree: Tree) -> None:
        self._tree: Final = tree
        self._lock: Final = file_locks.Lock(tree, _SESSIONS_LOCK)
        self._beginning: Final = threading.Lock()
        self._numbers: Final = itertools.count()
        self._session = ""
        self._alive_fd = -1

    def open(self) -> None:
        """Remove what writers left behind that are gone.

        Raises:
            StoreError: the store's folder cannot be used.
        """
        self.remove_abandoned()

    def find_abandoned(self) -> list[Unfinished]:
        """Return the files that writers left behind that are gone.

        Raises:
            StoreError: the store's folder cannot be used.
        """
        if not os.path.isdir(self._tree.shown(FOLDER)):
            self._tree.check_present()
            return []  # nothing was ever written, or it is a copy of a store
        with self._lock.hold(Stop()):
            return [found for session in self._dead() for found in _files(self._tree, session)]

    def remove_abandoned(self) -> None:
        """Remove them.

        Raises:
            StoreError: the store's folder cannot be used.
        """
        with self._lock.hold(Stop()):
            for session in self._dead():
                _remove(self._tree.shown(session))

    def close(self) -> None:
        """Remove this session's folder. No file may be under way."""
        if self._session:
            _remove(self._tree.shown(self._session))
            os.close(self._alive_fd)
            self._session = ""
        self._lock.close()

    def write(self, data: bytes) -> str:
        """Return the name of a new file that holds `data`, durably.

        Raises:
            StoreError: it could not be written; it is gone again.
        """
        name, fd = self.create()
        try:
            append(fd, [data])
            os.fsync(fd)
        except OSError as error:
            self.discard(name)
            raise file_errors.failed_write(error, self._tree.shown(name)) from error
        finally:
            os.close(fd)
        return name

    def create(self) -> tuple[str, int]:
        """Return the name of a new, empty file and a descriptor to write it.

        Raises:
            StoreError: it could not be made.
        """
        with self._beginning:
            if not self._session:
                self._begin()
        name = f"{self._session}/{next(self._numbers)}"
        try:
            return name, os.open(name, _NEW, 0o600, dir_fd=self._tree.fd)
        except OSError as error:
            raise file_errors.failed_write(error, self._tree.shown(name)) from error

    def discard(self, name: str) -> bool:
        """Remove a file that was not to be renamed; return False if it has been."""
        # What cannot be removed now is removed with the session, or after it.
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._tree.fd)
            return True
        return False

    def _dead(self) -> list[str]:
        folder = self._tree.shown(FOLDER)
        try:
            sessions = [f"{FOLDER}/{name}" for name in os.listdir(folder)]
        except OSError as error:
            raise file_errors.failed_read(error, folder) from error
        own = self._session
        return [it for it in sessions if it != own and not _may_be_alive(self._tree.shown(it))]

    def _begin(self) -> None:
        """Make the session at the first write: a full store can still be opened, and emptied."""
        session = f"{FOLDER}/{os.getpid()}-{secrets.token_hex(8)}"
        shown = self._tree.shown(session)
        self._tree.make(FOLDER)
        with self._lock.hold(Stop()):
            try:
                os.mkdir(session, 0o700, dir_fd=self._tree.fd)
                self._alive_fd = os.open(f"{session}/{_ALIVE}", _NEW, 0o600, dir_fd=self._tree.fd)
                file_locks.try_flock(self._alive_fd)
            except OSError as error:
                _remove(shown)
                raise file_errors.failed_write(error, shown) from error
        self._session = session


def append(fd: int, chunks: Sequence[bytes]) -> None:
    """Write all of `chunks` (at most `os.IOV_MAX`) at the end of a file.

    Raises:
        OSError: not all of them were written.
    """
    left = sum(map(len, chunks))
    written = os.writev(fd, chunks)
    while written < left:
        left -= written
        chunks = _after(chunks, written)
        written = os.writev(fd, chunks)


def _after(chunks: Sequence[bytes], count: int) -> Sequence[bytes]:
    """Return `chunks` without their first `count` bytes."""
    for index, chunk in enumerate(chunks):
        if count < len(chunk):
            return [chunk[count:], *chunks[index + 1 :]]
        count -= len(chunk)
    return []


def _files(tree: Tree, session: str) -> list[Unfinished]:
    """Return a session's files, as far as they can be looked at."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(tree.shown(session)):
            if name != _ALIVE:
                path = f"{session}/{name}"
                found.append(Unfinished(path, name, os.stat(tree.shown(path)).st_mtime))
    return found


def _may_be_alive(session: str) -> bool:
    """Return False only if a session's process is surely gone."""
    try:
        fd = os.open(f"{session}/{_ALIVE}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # killed before it could mark the session; see `_begin` for the lock
    except OSError:
        return True  # another user's perhaps: not ours to judge
    try:
        return not file_locks.try_flock(fd)
    finally:
        os.close(fd)


def _remove(session: str) -> None:
    """Remove a session's folder, as far as possible: the next store opened here tries again."""
    with contextlib.suppress(OSError):
        for name in os.listdir(session):
            os.unlink(f"{session}/{name}")
        os.rmdir(session)
