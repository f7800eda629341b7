"""The temp dirs of actions: made, taken away from the function, removed.

    <shared>/<aid>             an execution's temp dir: mounts, out/{instance,workflow,namespace}
    <shared>/<aid>.<n>         that of a later execution of the same action
    <shared>/.ended-<random>   a temp dir whose function has answered or was given up

A name is used once: `mkdir` decides. A function that was given up may still run and still knows its
path, and so may one whose sidecar was restarted; what it writes there later must never be packed as
the output of a second execution. So such a folder leaves an empty one without any rights behind (a
*tombstone*), which lasts as long as the pod.

When a function has answered, its whole temp dir is renamed: from then on no path that it knows
leads to what is being packed. (Renaming only `out/` would need rights over `out/` itself, which the
function may have replaced.)

All of this is file I/O: call it in a thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from varflow.errors import InvalidMessage
from varflow.variables import keys
from varflow.variables.scopes import Scope
from varflow_sidecar.files import removing
from varflow_sidecar.files.trees import FOLDER_MODE

OUT: Final = "out"
_OUT_FOLDERS: Final = (OUT, *(f"{OUT}/{scope}" for scope in Scope))

_SHARED_MODE: Final = 0o711
"""A function may enter the folder that it was told, but not list those of other actions."""
_TOMBSTONE_MODE: Final = 0
_ENDED: Final = ".ended-"
_RERUN: Final = re.compile(r"\.\d+$")
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActionFolder:
    """One execution's temp dir."""

    path: Path
    """What the function is told."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Give a descriptor of the folder."""
        descriptor = os.open(self.path, _FOLDER_FLAGS)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class Folders:
    """All temp dirs below one shared folder."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared

    def open(self) -> None:
        """Make the shared folder, or take the one there is.

        Raises:
            OSError: it cannot be made.
        """
        self._shared.mkdir(parents=True, exist_ok=True)
        try:
            self._shared.chmod(_SHARED_MODE)
        except PermissionError:
            _logger.info("%s is another user's; its mode stays as it is", self._shared)

    def create(self, action_id: str) -> ActionFolder:
        """Make a temp dir for one more execution of an action.

        Raises:
            InvalidMessage: the id cannot be a folder's name.
            OSError: there is no room.
        """
        _check_id(action_id)
        path = self._make_unused(action_id)
        path.chmod(FOLDER_MODE)
        for name in _OUT_FOLDERS:
            _make(f"{path}/{name}")
        return ActionFolder(path)

    def take_away(self, folder: ActionFolder) -> ActionFolder:
        """Rename a folder so that the function no longer finds it."""
        ended = self._shared / f"{_ENDED}{secrets.token_hex(8)}"
        folder.path.rename(ended)
        return ActionFolder(ended)

    def take_outputs(self, folder: ActionFolder) -> tuple[ActionFolder, bool]:
        """Take a folder away, and say whether there is anything to commit in it.

        A function that has removed its temp dir has left nothing.
        """
        try:
            ended = self.take_away(folder)
        except FileNotFoundError:
            return folder, False
        return ended, _has_outputs(f"{ended.path}/{OUT}")

    def bury(self, folder: ActionFolder) -> ActionFolder:
        """Take a folder away whose function may still run, and leave a tombstone."""
        ended = self.take_away(folder)
        with contextlib.suppress(FileExistsError):  # the function made it anew; also never used
            folder.path.mkdir()
            folder.path.chmod(_TOMBSTONE_MODE)
        return ended

    def remove(self, folder: ActionFolder) -> None:
        """Remove a folder with all that is in it.

        Raises:
            OSError: something could not be removed.
        """
        if _is_removed_as_made(folder):
            return
        with contextlib.suppress(FileNotFoundError):  # the function has done it
            removing.remove(folder.path)

    def take_leftovers(self) -> tuple[set[str], list[ActionFolder]]:
        """Take away what a previous process left, and return the ids of its actions with it.

        An id that ends in a number may be that of a rerun: then both readings are returned.
        """
        ids: set[str] = set()
        ended = []
        for name in os.listdir(self._shared):
            folder = ActionFolder(self._shared / name)
            if not _is_in_use(folder.path):
                continue
            if name.startswith(_ENDED):
                ended.append(folder)
                continue
            ids |= {name, _RERUN.sub("", name)}
            ended.append(self.bury(folder))
        return ids, ended

    def _make_unused(self, action_id: str) -> Path:
        rerun = 0
        while True:
            path = self._shared / (f"{action_id}.{rerun}" if rerun else action_id)
            try:
                path.mkdir()
            except FileExistsError:
                rerun += 1
            else:
                return path


def _make(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, FOLDER_MODE)


def _has_outputs(out: str) -> bool:
    """Look cheaply: most actions leave `out/` as it was made. Any doubt is a yes."""
    try:
        names = os.listdir(out)
        return set(names) != set(Scope) or any(os.listdir(f"{out}/{name}") for name in names)
    except OSError:
        return True


def _is_removed_as_made(folder: ActionFolder) -> bool:
    """Remove a folder that is as it was made; say no, perhaps half-way, if it is not.

    Most actions leave it so. Looking around first, as `removing` must, takes five times as many
    calls, and each gives the event loop's thread a reason to wait.
    """
    try:
        with folder.opened() as top:
            out = os.open(OUT, _FOLDER_FLAGS, dir_fd=top)
            try:
                for scope in Scope:
                    os.rmdir(scope, dir_fd=out)
            finally:
                os.close(out)
            os.rmdir(OUT, dir_fd=top)
        folder.path.rmdir()
    except OSError:
        return False
    return True


def _is_in_use(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o777 != _TOMBSTONE_MODE


def _check_id(action_id: str) -> None:
    fault = keys.find_fault(action_id)
    if fault or action_id.startswith(".") or len(action_id.encode()) > 200:
        raise InvalidMessage(f"action id {action_id[:64]!r} cannot be the name of a folder")
