"""The folder of a file store and the steps on it that survive a power loss.

Everything is done relative to one descriptor of the folder, so that a store whose folder was
moved goes on and one whose folder was removed is noticed: there, a missing file does not mean a
missing object.

A file's name is durable when its folder has been fsynced, and when that folder's own name is, up
to the store's folder. Another process may have made the folder a moment ago and not have fsynced
its parent yet. Therefore a new folder carries the sticky bit until its own name is durable;
whoever meets the bit fsyncs the parents first (`sync`). The bit needs no lock, costs an fstat,
and outlives a crash of the folder's maker. Where a file system does not keep it, that moment
remains.

Empty folders are pruned: every instance leaves some, for ever otherwise. rmdir refuses a folder
that a rename has just put a file into, and a rename into a folder that rmdir took makes it again
(`place`), so neither needs a lock. A pruned folder that a crash brings back is empty, and harmless.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from varflow.errors import (
    CorruptObject,
    StoreError,
    StoreMissing,
    StoreReadOnly,
    StoreUnavailable,
)
from varflow.variables.stores import file_errors

_PLACE_ATTEMPTS: Final = 100
"""How often a rename may find its folder pruned; more is no race any more."""

_FRESH: Final = stat.S_ISVTX
"""Mode bit of a folder whose own name is not known to be durable."""

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that somebody has put in an object's place reads as empty, instead of for ever."""


class Tree:
    """A folder. Names of files are relative to it; usable between `open` and `close`."""

    def __init__(self, folder: str) -> None:
        self.folder: Final = folder
        self.fd = -1

    def open(self, *, creates: bool) -> None:
        """Open the folder and check that it can be used.

        With `creates` it is made when it is missing, with its parents, and has to be writable.

        Raises:
            StoreMissing: it does not exist and is not to be made.
            StoreReadOnly: it cannot be written or made.
            StoreError: it is a file, or cannot be used for another reason.
        """
        try:
            if creates:
                _make_durably(self.folder)
            self.fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileExistsError, NotADirectoryError) as error:
            raise StoreError(
                f"{self.folder} cannot hold a store: it, or a folder above it, is a file"
            ) from error
        except OSError as error:
            raise _unusable(error, self.folder, creates=creates) from error
        if creates and not os.access(self.folder, os.R_OK | os.W_OK | os.X_OK):
            self.close()
            raise StoreReadOnly(
                f"{self.folder} is not writable for this user, or mounted read-only; "
                "change its rights or choose another folder"
            )

    def close(self) -> None:
        """Close the folder; calling it twice is allowed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def shown(self, name: str) -> str:
        """Return the whole path of a file, for people."""
        return f"{self.folder}/{name}"

    def find_opened(self, name: str) -> tuple[int, int] | None:
        """Open a file for reading and return its descriptor and size; None when there is none.

        Raises:
            StoreError: it cannot be opened.
        """
        try:
            fd = os.open(name, _READ, dir_fd=self.fd)
        except FileNotFoundError:
            self.check_present()
            return None
        except OSError as error:
            raise file_errors.failed_read(error, self.shown(name)) from error
        return fd, os.fstat(fd).st_size

    def find(self, name: str) -> bytes | None:
        """Return a file's bytes; None when there is none.

        Raises:
            StoreError: it cannot be read.
        """
        opened = self.find_opened(name)
        return self.read_and_close(name, opened) if opened else None

    def read_and_close(self, name: str, opened: tuple[int, int]) -> bytes:
        """Return the bytes of a file that `find_opened` opened.

        Raises:
            StoreError: it cannot be read.
        """
        fd, size = opened
        try:
            data = os.read(fd, size)
            while len(data) < size:
                data += self._more(name, os.read(fd, size - len(data)))
        except OSError as error:
            raise file_errors.failed_read(error, self.shown(name)) from error
        finally:
            os.close(fd)
        return data

    def _more(self, name: str, data: bytes) -> bytes:
        if not data:
            raise CorruptObject(f"{self.shown(name)} became shorter while it was read")
        return data

    def place(self, temp: str, name: str) -> None:
        """Rename `temp` to `name`, making folders that are missing. Durable after `sync`.

        Raises:
            StoreError: it did not happen.
        """
        try:
            for _ in range(_PLACE_ATTEMPTS):
                if self._is_renamed(temp, name):
                    return
                self._make_folders(os.path.dirname(name))
        except OSError as error:
            raise file_errors.failed_write(error, self.shown(name)) from error
        raise StoreUnavailable(f"cannot write {self.shown(name)}: its folder keeps disappearing")

    def unlink(self, name: str) -> None:
        """Remove a file, which may be missing. Durable after `settle_removal`.

        Raises:
            StoreError: it may still be there.
        """
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            self.check_present()
        except OSError as error:
            raise file_errors.failed_write(error, self.shown(name)) from error

    def settle_removal(self, name: str) -> None:
        """Make it durable that `name` is gone, and remove the folders that this leaves empty.

        Needed for a file that was missing too: whoever unlinked it may have died before this.

        Raises:
            StoreError: it may come back.
        """
        folder = os.path.dirname(name)
        self.sync(folder)
        self._prune(folder)

    def make(self, folder: str) -> None:
        """Make a folder for the driver's own needs, directly below; it may be there.

        Raises:
            StoreError: it could not be made.
        """
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700, dir_fd=self.fd)
        except OSError as error:
            raise file_errors.failed_write(error, self.shown(folder)) from error

    def sync(self, folder: str) -> None:
        """Make durable which files are in `folder`, and its own name too.

        Raises:
            StoreError: they may not be.
        """
        try:
            self._sync(folder)
        except OSError as error:
            raise file_errors.failed_write(error, self.shown(folder)) from error

    def check_present(self) -> None:
        """Return if the store's folder still exists.

        Raises:
            StoreUnavailable: it was removed.
        """
        if os.fstat(self.fd).st_nlink == 0:
            raise StoreUnavailable(f"the store's folder {self.folder} has been removed")

    def _is_renamed(self, temp: str, name: str) -> bool:
        try:
            os.rename(temp, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except FileNotFoundError:
            return False
        return True

    def _make_folders(self, folder: str) -> None:
        """Make `folder` and what is above it; a level may be gone again when this returns."""
        if not folder:
            return
        try:
            os.mkdir(folder, 0o700 | _FRESH, dir_fd=self.fd)
        except FileNotFoundError:
            self._make_folders(os.path.dirname(folder))
        except FileExistsError:
            return

    def _sync(self, folder: str) -> None:
        if not folder:
            os.fsync(self.fd)
            return
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            # Pruned: what was in it is gone for good once its own disappearance is durable.
            self._sync(os.path.dirname(folder))
            return
        try:
            os.fsync(fd)
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & _FRESH:
                self._sync(os.path.dirname(folder))
                os.fchmod(fd, mode & ~_FRESH)
        finally:
            os.close(fd)

    def _prune(self, folder: str) -> None:
        while folder:
            try:
                os.rmdir(folder, dir_fd=self.fd)
            except OSError:
                return  # in use, mostly; and an empty folder does no harm
            folder = os.path.dirname(folder)


def _unusable(error: OSError, folder: str, *, creates: bool) -> StoreError:
    if creates:
        return file_errors.failed_write(error, folder)
    if isinstance(error, FileNotFoundError):
        return StoreMissing(
            f"there is no store at {folder}: the folder does not exist; check the URL, or write"
            " something to it first"
        )
    return file_errors.failed_read(error, folder)


def _make_durably(folder: str) -> None:
    """Make a folder and what is missing above it, from the top."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    _make_durably(parent)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
