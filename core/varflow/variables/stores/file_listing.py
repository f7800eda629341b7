"""Listing the file driver's objects in the order of their paths, folder by folder.

A folder's entries come in no order and must be sorted, so one folder's *names* are in memory at a
time, and those above it; sizes and times are asked for as the listing goes on. Within a folder
`a` is sorted as `a/` where it is a folder: then everything below it comes in one run, and the
order of the walk is the order of the whole paths. That is Python's order of strings: UTF-8 sorts
as code points do.

The generator runs in threads, a batch at a time. Sorting 100,000 strings at once would keep the
interpreter, and so the loop, for 50 ms; runs are sorted and merged instead.

POSIX lets a scan miss an entry that is renamed over meanwhile, and tmpfs does (one scan in five
of a busy folder of 3,000). A folder that changed during its scan is therefore scanned again, and
what either scan saw is listed if it is still there.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from varflow.variables.stores import file_errors, filenames
from varflow.variables.stores.base import Listed
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.filenames import Kind

_RUN: Final = 4096
"""Names sorted without a pause: about 2 ms."""

_SCANS: Final = 3
"""How often a folder that keeps changing is scanned."""


def walk(tree: Tree, prefix: str, after: str) -> Iterator[Listed]:
    """Yield the objects whose path starts with `prefix` and is greater than `after`, in order.

    Raises:
        StoreError: a folder or file could not be read.
    """
    for path in walk_paths(tree, prefix, after):
        if listed := find_listed(tree, path):
            yield listed


def walk_paths(tree: Tree, prefix: str, after: str) -> Iterator[str]:
    """Yield the same objects' paths, and perhaps some of what is no object (`find_listed`)."""
    base, slash, start = prefix.rpartition("/")
    return _walk(tree, base + slash, start=start, after=after)


def _walk(tree: Tree, base: str, *, start: str, after: str) -> Iterator[str]:
    folder = filenames.folder(base[:-1]) if base else ""
    for name in _sorted(_names(tree, folder, start)):
        path = base + name
        if path <= after and not (name.endswith("/") and after.startswith(path)):
            continue
        if name.endswith("/"):
            yield from _walk(tree, path, start="", after=after)
        else:
            yield path


def _names(tree: Tree, folder: str, start: str) -> list[str]:
    """Return the names in `folder` that begin with `start`; those of folders end in a slash."""
    names: set[str] = set()
    for _ in range(_SCANS):
        before = _find_change(tree, folder)
        names.update(name for name in _scan(tree, folder) if name.startswith(start))
        if _find_change(tree, folder) == before:
            break
    return list(names)


def _find_change(tree: Tree, folder: str) -> int | None:
    status = _find_status(tree, folder or ".")
    return status.st_mtime_ns if status else None


def _scan(tree: Tree, folder: str) -> Iterator[str]:
    for entry in _entries(tree, folder):
        found = filenames.find_entry(entry)
        if not found:
            continue
        kind, text = found
        if kind is Kind.CUT:
            below = os.path.join(folder, entry)
            yield from (text + rest for rest in _scan(tree, below))
        else:
            yield text if kind is Kind.OBJECT else text + "/"


def _entries(tree: Tree, folder: str) -> list[str]:
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        fd = os.open(folder or ".", flags, dir_fd=tree.fd)
    except (FileNotFoundError, NotADirectoryError):  # pruned meanwhile, or not made by us
        tree.check_present()
        return []
    except OSError as error:
        raise file_errors.failed_read(error, tree.shown(folder)) from error
    try:
        if not folder:
            tree.check_present()  # a removed folder can still be scanned, and is empty
        return os.listdir(fd)
    except OSError as error:
        raise file_errors.failed_read(error, tree.shown(folder)) from error
    finally:
        os.close(fd)


def _sorted(names: list[str]) -> Iterable[str]:
    runs = [sorted(names[index : index + _RUN]) for index in range(0, len(names), _RUN)]
    return heapq.merge(*runs) if len(runs) > 1 else runs[0] if runs else ()


def find_listed(tree: Tree, path: str) -> Listed | None:
    """Return what a listing says of an object; None when none is there.

    Raises:
        StoreError: it could not be asked for.
    """
    status = _find_status(tree, filenames.object_file(path))
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return Listed(path, status.st_size, status.st_mtime)


def _find_status(tree: Tree, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=tree.fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise file_errors.failed_read(error, tree.shown(name)) from error
