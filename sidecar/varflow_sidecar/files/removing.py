"""Removing a tree that somebody else has filled.

A function may leave folders without rights, thousands of levels deep, or still be changing them.
Nothing here follows a link or opens a path of more than one name, and depth costs nothing: a folder
in a folder is first moved to the top. `shutil.rmtree` recurses, gives up on a folder without
rights, and can only be helped by `chmod` on paths, which follows links.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_FLAGS: Final = getattr(os, "O_PATH", 0) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path) -> None:
    """Remove a folder with all that is in it.

    Raises:
        OSError: something in it could not be removed; as much as possible is.
    """
    parent = os.open(path.parent, _FLAGS)
    try:
        top = _open(path.name, parent)
        try:
            failure = _empty(top)
        finally:
            os.close(top)
        if failure is not None:
            raise failure
        os.rmdir(path.name, dir_fd=parent)
    finally:
        os.close(parent)


def _empty(top: int) -> OSError | None:
    """Empty a folder and return the first thing that went wrong."""
    failure = _clear(top, top)
    while names := [name for name in os.listdir(top) if _is_folder(name, top)]:
        failures = [_remove_folder(name, top) for name in names]
        failure = failure or next((each for each in failures if each is not None), None)
        if failure is not None and all(failures):
            break  # no progress any more
    return failure


def _remove_folder(name: str, top: int) -> OSError | None:
    """Remove a folder of the top; its own folders become the top's."""
    try:
        folder = _open(name, top)
        try:
            failure = _clear(folder, top)
        finally:
            os.close(folder)
        if failure is None:
            os.rmdir(name, dir_fd=top)
    except OSError as error:
        return error
    return failure


def _clear(folder: int, top: int) -> OSError | None:
    """Unlink a folder's files and move its folders to the top."""
    failure = None
    for name in os.listdir(folder):
        try:
            if not _is_folder(name, folder):
                os.unlink(name, dir_fd=folder)
            elif folder != top:
                _make_usable(name, folder)
                os.rename(name, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
        except FileNotFoundError:
            continue
        except OSError as error:
            failure = failure or error
    return failure


def _is_folder(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _open(name: str, folder: int) -> int:
    _make_usable(name, folder)
    return os.open(name, _FLAGS, dir_fd=folder)


def _make_usable(name: str, folder: int) -> None:
    """Give ourselves all rights to a folder, if it is ours."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(name, _PATH_FLAGS, dir_fd=folder)
        try:
            _chmod(descriptor)
        finally:
            os.close(descriptor)


def _chmod(descriptor: int) -> None:
    if _PATH_FLAGS & getattr(os, "O_PATH", 0):
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # fchmod refuses O_PATH descriptors
    else:
        os.fchmod(descriptor, 0o700)
