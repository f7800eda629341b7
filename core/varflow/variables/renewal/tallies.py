"""How many objects of a namespace are sealed with which key. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What an object is; the values are stable, programs match them."""

    VARIABLES = "variables"
    REVISIONS = "revisions"
    VALUES = "values"
    UNNAMED = "unnamed"
    INSTANCES = "instances"
    NOTES = "notes"
    UNKNOWN = "unknown"


TITLES: Final = {
    Kind.VARIABLES: "variables, states, and traces of deleted ones",
    Kind.REVISIONS: "older revisions",
    Kind.VALUES: "bytes of large values",
    Kind.UNNAMED: "bytes that no variable has",
    Kind.INSTANCES: "decisions, data and logs of instances",
    Kind.NOTES: "notes of sweeps",
    Kind.UNKNOWN: "objects that Varflow does not know",
}

PLAIN: Final = ""
"""Stands for no key."""


@dataclass(slots=True)
class Count:
    """How many, and how large they are together."""

    objects: int = 0
    size: int = 0
    """In bytes, as they lie in the store."""


@dataclass(slots=True)
class Tally:
    """What was counted."""

    counts: dict[tuple[str, Kind], Count] = field(default_factory=dict)
    """By the name of the key, and by what it is."""

    def add(self, key: str, kind: Kind, *, size: int) -> None:
        """Count one more."""
        count = self.counts.setdefault((key, kind), Count())
        count.objects += 1
        count.size += size

    def used(self) -> list[str]:
        """Return the names of the keys that something is sealed with; `PLAIN` for no key."""
        return sorted({key for key, _ in self.counts})

    def of(self, key: str) -> Iterator[tuple[Kind, Count]]:
        """Yield what is sealed with a key, in the order of `Kind`."""
        for kind in Kind:
            if (count := self.counts.get((key, kind))) is not None:
                yield kind, count

    def objects(self, key: str) -> int:
        """Return how many objects are sealed with a key."""
        return sum(count.objects for _, count in self.of(key))

    @property
    def total(self) -> int:
        """How many objects there are."""
        return sum(count.objects for count in self.counts.values())
