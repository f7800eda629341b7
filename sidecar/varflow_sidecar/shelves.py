"""Where outcomes wait to be fetched, and then stay for a while, in bounded memory.

An outcome that nobody has fetched is the only copy of what a function did, so it waits until nobody
can want it any more. A fetched one stays because the answer that carried it may have been lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

KEPT_SECONDS: Final = 600.0
"""How long a fetched thing can be fetched again."""
KEPT_BYTES: Final = 32 * 1024 * 1024
"""How much of fetched things is kept at most."""
KEPT_THINGS: Final = 10_000
"""How many fetched things are kept at most."""
OVERDUE_SECONDS: Final = 3600.0
"""How long after its time a thing that nobody fetched is still kept."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    thing: T
    size: int
    until: float


class Shelf(Generic[T]):
    """Things by id."""

    def __init__(self) -> None:
        self._unfetched: dict[str, _Kept[T]] = {}
        self._fetched: dict[str, _Kept[T]] = {}
        """In the order in which they were fetched, the oldest first."""
        self._bytes = 0

    @property
    def is_anything_unfetched(self) -> bool:
        """True while something waits."""
        return bool(self._unfetched)

    @property
    def unfetched(self) -> list[T]:
        """What waits."""
        return [kept.thing for kept in self._unfetched.values()]

    def put(self, id: str, thing: T, *, size: int, wanted_until: float) -> None:
        """Keep a thing until it is fetched; `wanted_until` is in seconds since the epoch."""
        self._unfetched[id] = _Kept(thing, size, wanted_until + OVERDUE_SECONDS)
        oldest = next(iter(self._unfetched))
        if self._unfetched[oldest].until < time.time():
            del self._unfetched[oldest]

    def find(self, id: str) -> T | None:
        """Return a thing that is still here."""
        kept = self._unfetched.get(id) or self._fetched.get(id)
        return None if kept is None else kept.thing

    def note_fetched(self, id: str) -> None:
        """Let a thing go in a while."""
        kept = self._unfetched.pop(id, None)
        if kept is not None:
            self._fetched[id] = _Kept(kept.thing, kept.size, time.time() + KEPT_SECONDS)
            self._bytes += kept.size
        self._forget()

    def _forget(self) -> None:
        while self._fetched:
            oldest = next(iter(self._fetched))
            if not self._is_over(self._fetched[oldest]):
                return
            self._bytes -= self._fetched.pop(oldest).size

    def _is_over(self, kept: _Kept[T]) -> bool:
        return (
            self._bytes > KEPT_BYTES or len(self._fetched) > KEPT_THINGS or kept.until < time.time()
        )
