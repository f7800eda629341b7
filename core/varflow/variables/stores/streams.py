"""Reading ahead: what the bodies of all drivers that block in threads have in common.

A thread reads one chunk while the consumer handles the one before, so a stream holds about two
chunks in memory and keeps both its ends busy. Whoever stops in the middle waits until the thread
has let go of what it reads from.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from varflow.errors import StoreError, StoreUnavailable
from varflow.variables.stores.threads import Threads


class Source(Protocol):
    """A body that is read from. Its methods are for threads, in any order."""

    left: int
    """Bytes still to be read, once the first chunk has been."""

    @property
    def is_open(self) -> bool:
        """Whether `abandon` has anything to do."""

    def next(self) -> bytes:
        """Return the next chunk; nothing after the last.

        Raises:
            CorruptObject: there is no such body, or it is shorter than asked.
            StoreError: it could not be read.
        """

    def abandon(self) -> None:
        """Read no further."""


async def read(source: Source, *, threads: Threads) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of `source`.

    Raises:
        CorruptObject: it is missing, or shorter than asked.
        StoreError: it cannot be read.
    """
    try:
        chunk = await threads.run(source.next)
        while source.left:
            ahead = threads.start(source.next)
            yield chunk
            chunk = await ahead.result()
        if chunk:
            yield chunk
    finally:
        if source.is_open:
            await clean_up(source.abandon, threads)


async def discard(work: Callable[[], None], threads: Threads, *, broken_by: BaseException) -> None:
    """Remove what was written of a body; what may be left is noted with what broke it off."""
    try:
        await clean_up(work, threads)
    except StoreError as left:
        broken_by.add_note(f"and something may be left: {left}")


async def clean_up(work: Callable[[], None], threads: Threads) -> None:
    """Do `work` after what runs for the same stream; also when the store was closed meanwhile."""
    try:
        running = threads.start(work)
    except StoreUnavailable:
        work()
        return
    await running.result()
