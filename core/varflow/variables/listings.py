"""Listing what is known about each variable: names from the store, their records a few ahead.

Streams: however many there are, only the records read ahead are in memory. A page costs one listing
and one read for each entry; the next one begins after the last key of the one before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

from varflow.variables.stores.base import ObjectStore

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
    ahead: deque[asyncio.Task[T | None]] = deque()
    try:
        async for listed in store.list(prefix, after=after):
            ahead.append(asyncio.ensure_future(find(listed.path)))
            if len(ahead) >= _AHEAD and (found := await ahead.popleft()) is not None:
                yield found
        while ahead:
            if (found := await ahead.popleft()) is not None:
                yield found
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
