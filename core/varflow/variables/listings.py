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

from varflow.variables.stores.base import Listed, ObjectStore, Versioned
from varflow.variables.stores.scanning import Scan, Scanning

T = TypeVar("T")

_AHEAD: Final = 16
"""Records that are read at one time."""


async def nothing() -> AsyncGenerator[T, None]:
    """Yield nothing."""
    for it in list[T]():
        yield it


async def read_each(
    store: ObjectStore,
    prefix: str,
    make: Callable[[str, Versioned], Awaitable[T | None]],
    *,
    after: str = "",
) -> AsyncGenerator[T, None]:
    """Yield what `make` gives for each record whose path begins with `prefix`, in order.

    Args:
        store: What is listed.
        prefix: Of the paths.
        make: Is given a path and what is there; what it gives None for is left out.
        after: Only paths greater than it.
    """

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
