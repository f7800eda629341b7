"""Reading the file driver's records by the thousand, in the order of their paths.

Threads read some each and a few of them at one time: on a disk that has to seek for each, that is
what the time goes into. The loop waits for the next ones only, and handles others between two lots.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Final

from varflow.variables.stores import etags, file_listing, filenames
from varflow.variables.stores.base import Versioned
from varflow.variables.stores.file_tree import Tree
from varflow.variables.stores.scanning import Scan
from varflow.variables.stores.threads import Running, Threads

_LOT: Final = 32
"""Records for one turn of a thread: about a millisecond from the page cache, and as much of the
loop when they are opened and decoded."""
_LOTS_AHEAD: Final = 4
"""Lots in memory at one time, so at most 8 MiB; half of the threads that move bodies."""
_PATHS_AT_ONCE: Final = _LOT * _LOTS_AHEAD

_Lot = list[tuple[str, Versioned]]


async def scan(tree: Tree, prefix: str, *, after: str, threads: Threads) -> Scan:
    """Yield the records whose paths begin with `prefix` and are greater than `after`.

    Raises:
        StoreError: one could not be read, or a folder.
    """
    paths = file_listing.walk_paths(tree, prefix, after)
    ahead: deque[Running[_Lot]] = deque()
    try:
        while some := await threads.run(functools.partial(_take, paths)):
            for start in range(0, len(some), _LOT):
                lot = some[start : start + _LOT]
                ahead.append(threads.start(functools.partial(_read, tree, lot)))
                if len(ahead) >= _LOTS_AHEAD:
                    for found in await _next(ahead):
                        yield found
        while ahead:
            for found in await _next(ahead):
                yield found
    finally:
        for running in ahead:
            await running.settle()


async def _next(ahead: deque[Running[_Lot]]) -> _Lot:
    lot = await ahead.popleft().result()
    await asyncio.sleep(0)  # it may have been there already, as may those after it
    return lot


def _take(paths: Iterator[str]) -> list[str]:
    return list(itertools.islice(paths, _PATHS_AT_ONCE))


def _read(tree: Tree, paths: list[str]) -> _Lot:
    found = ((path, _find(tree, path)) for path in paths)
    return [(path, record) for path, record in found if record is not None]


def _find(tree: Tree, path: str) -> Versioned | None:
    if file_listing.find_listed(tree, path) is None:
        return None  # removed meanwhile, or nothing of ours: opening a pipe would wait for ever
    data = tree.find(filenames.object_file(path))
    return None if data is None else Versioned(data, etags.of(data))
