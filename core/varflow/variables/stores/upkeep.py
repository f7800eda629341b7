"""What sweepers need of a driver, beside what everybody does (`base`).

Removing a record for good is the one thing that a tombstone cannot do: whoever writes between the
look and the removal would lose the write. So a driver compares when it removes, or leaves the
record there. A bucket leaves it: some servers take a DELETE with `If-Match` and ignore the
condition, and a lost write costs more than the hundred bytes of a tombstone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What is left of a body whose writing may have been given up."""

    path: str
    """Where the body was to be, or for a file where its bytes are."""
    id: str
    """The driver's own."""
    began: float
    """Seconds since the epoch by the store's clock."""


@runtime_checkable
class Upkeep(Protocol):
    """The part of a driver that keeps the store tidy."""

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        """Remove a record that still has this ETag, and return True; else leave it there.

        Raises:
            StoreError: it may still be there.
        """

    def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        """Yield what is left of bodies below `prefix` that were never finished, or are under way.

        Raises (while iterating):
            StoreError: the store could not say, or does not let this user ask.
        """

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        """Remove that; whoever is still writing fails.

        Raises:
            StoreError: it may still be there.
        """
