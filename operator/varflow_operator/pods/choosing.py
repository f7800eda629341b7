"""Which pod gets the next action. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pod, as far as choosing is concerned."""

    uid: str
    name: str
    running: int
    """Actions that it has."""
    is_usable: bool
    """It is ready, stays, and has not refused us lately."""


def choose(candidates: Iterable[Candidate], *, concurrency: int) -> Candidate | None:
    """Return the least busy pod with a free place; of equals the first by name, so others idle.

    Args:
        candidates: the function's pods.
        concurrency: how many actions one may have at a time.
    """
    free = [it for it in candidates if it.is_usable and it.running < concurrency]
    return min(free, key=lambda it: (it.running, it.name), default=None)
