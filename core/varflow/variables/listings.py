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

from varflow.variables.stores.base import Listed, ObjectStore

T = TypeVar("T")

_AHEAD: Final = 16
"""Records that are read at one time."""


async def read_each(
    store: ObjectStore, prefix: str, find: Callable[[str], Awaitable[T | None]], *, after: str = ""
) -> AsyncGenerator[T, None]:
    """Yield what `find` gives for each path that begins with `prefix`, in order, None left out.

    Args:
        store: What is listed.
        prefix: Of the paths.
        find: Reads what is at a path.
        after: Only paths greater than it.
    """

    async def find_listed(listed: Listed) -> T | None:
        return await find(listed.path)

    async with aclosing(read_ahead(store.list(prefix, after=after), find_listed)) as found:
        async for each in found:
            if each is not None:
                yield each


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
