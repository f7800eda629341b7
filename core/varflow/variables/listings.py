"""Listing what is known about each variable: names from the store, their records a few ahead.

Streams: however many there are, only the records read ahead are in memory. A page costs one listing
and one read for each entry; the next one begins after the last key of the one before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from varflow.variables import keys, paths
from varflow.variables.stores.base import Listed, ObjectStore, Versioned
from varflow.variables.stores.scanning import Scan, Scanning

T = TypeVar("T")

_AHEAD: Final = 16
"""Records that are read at one time."""
_APART: Final = ("bodies/", "h/")
"""What of a namespace is looked at in an order of its own."""


async def read_each(
    store: ObjectStore,
    start: str,
    make: Callable[[str, Versioned], Awaitable[T | None]],
    *,
    prefix: str = "",
    after: str = "",
) -> AsyncGenerator[T, None]:
    """Yield what `make` gives for each record of a scope, in order.

    Args:
        store: What is listed.
        start: Of the paths: the scope's.
        make: Is given a path and what is there; what it gives None for is left out.
        prefix: Only keys that begin with it; no driver is asked for what no key begins with.
        after: Only keys greater than it.
    """
    if not keys.can_begin_with(prefix):
        return
    prefix, after = start + prefix, after and start + after

    async def find_listed(listed: Listed) -> T | None:
        found = await store.get(listed.path)
        return None if found is None else await make(listed.path, found)

    scan = store.scan(prefix, after=after) if isinstance(store, Scanning) else None
    each = (
        read_ahead(store.list(prefix, after=after), find_listed)
        if scan is None
        else _made(scan, make)
    )
    async with aclosing(each) as made:
        async for it in made:
            if it is not None:
                yield it


async def _made(
    scan: Scan, make: Callable[[str, Versioned], Awaitable[T]]
) -> AsyncGenerator[T, None]:
    async with aclosing(scan) as found:
        async for path, versioned in found:
            yield await make(path, versioned)


async def read_ahead(
    listing: AsyncIterator[Listed], find: Callable[[Listed], Awaitable[T]]
) -> AsyncGenerator[T, None]:
    """Yield what `find` gives for each object of a listing, in order."""
    ahead: deque[asyncio.Task[T]] = deque()
    try:
        async for listed in listing:
            ahead.append(asyncio.ensure_future(find(listed)))
            if len(ahead) >= _AHEAD:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


def naming(store: ObjectStore, prefix: str) -> list[AsyncIterator[Listed]]:
    """Return listings of all that may name bodies of a namespace, to be read one after the other.

    Older revisions come last: a value moves there from its record, and is there before it is
    replaced in that. So whoever has seen the record after it has the revision still before them.
    """
    starts = ["", *(paths.behind(prefix + name) for name in _APART)]
    ends = [*(prefix + name for name in _APART), None]
    around = zip(starts, ends, strict=True)
    records = [_between(store, prefix, start, end) for start, end in around]
    return [*records, store.list(f"{prefix}h/")]


async def _between(
    store: ObjectStore, prefix: str, start: str, end: str | None
) -> AsyncIterator[Listed]:
    async for listed in store.list(prefix, after=start):
        if end is not None and listed.path >= end:
            return
        yield listed
