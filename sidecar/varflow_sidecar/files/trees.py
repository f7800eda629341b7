"""Writing below a folder without ever following a link.

Mounts and archives name places below an action's temp dir. They are reached component by component
with `dir_fd` and `O_NOFOLLOW`, so that no link (in an archive, or made by a function that runs
meanwhile) leads outside; a path as text is never opened. New things get exactly the mode they are
given, whatever the umask: the function may be another user and must be able to write
(design.md §5, "readable and writable by a non-root function").
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from varflow.errors import InvalidArchive

Parts = tuple[str, ...]
"""A place below the folder, one name an entry."""

FOLDER_MODE: Final = 0o777
FILE_MODE: Final = 0o666
EXECUTABLE: Final = 0o111

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A folder to write into. Not for several threads at once; `close` it."""

    def __init__(self, root: int) -> None:
        """Take a descriptor of the folder. It is duplicated: the caller's own may be closed."""
        self._root = os.dup(root)
        self._here: Parts = ()
        self._here_fd = os.dup(root)
        """The folder used last stays open: an archive's members come folder by folder."""

    def close(self) -> None:
        """Release the descriptors."""
        os.close(self._here_fd)
        os.close(self._root)

    def make_folder(self, parts: Parts) -> int:
        """Return a descriptor of a folder, made with its parents if need be.

        It belongs to the tree and is valid until the next call.
        """
        if parts != self._here:
            descriptor = self._walk(parts)
            os.close(self._here_fd)
            self._here, self._here_fd = parts, descriptor
        return self._here_fd

    def create_file(self, parts: Parts, *, mode: int) -> int:
        """Return a descriptor of a new, empty file, which the caller closes.

        What had its name is replaced, never written through.

        Raises:
            InvalidArchive: a folder with something in it has the name.
        """
        folder = self.make_folder(parts[:-1])
        try:
            descriptor = os.open(parts[-1], _FILE_FLAGS, FILE_MODE, dir_fd=folder)
        except FileExistsError:
            self._clear(parts, folder)
            descriptor = os.open(parts[-1], _FILE_FLAGS, FILE_MODE, dir_fd=folder)
        os.fchmod(descriptor, mode)
        return descriptor

    def _walk(self, parts: Parts) -> int:
        descriptor = os.dup(self._root)
        for part in parts:
            try:
                inner = _enter(descriptor, part)
            finally:
                os.close(descriptor)
            descriptor = inner
        return descriptor

    def _clear(self, parts: Parts, folder: int) -> None:
        try:
            if _is_folder(parts[-1], folder):
                os.rmdir(parts[-1], dir_fd=folder)
            else:
                os.unlink(parts[-1], dir_fd=folder)
        except OSError as error:
            raise InvalidArchive(f"{'/'.join(parts)!r} is both a folder and a file") from error


def _enter(folder: int, name: str) -> int:
    """Open a folder in a folder, made if need be; a file in its place is replaced."""
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        with contextlib.suppress(NotADirectoryError):
            return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
        os.unlink(name, dir_fd=folder)
        os.mkdir(name, dir_fd=folder)
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    os.fchmod(descriptor, FOLDER_MODE)
    return descriptor


def _is_folder(name: str, folder: int) -> bool:
    try:
        os.close(os.open(name, _FOLDER_FLAGS, dir_fd=folder))
    except OSError:
        return False
    return True
