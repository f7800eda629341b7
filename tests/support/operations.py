"""What clients did to variables, for the checker of histories (`linearizability`). PURE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

UNKNOWN: Final = math.inf
"""When an operation returned of which nobody heard."""


class Lease(Enum):
    """What a write does with the key's expiry, if it gives it no new one."""

    KEEP = "keep"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Cell:
    """A key that is there: its value, and by whose lease it will expire."""

    value: str
    lease: str | None = None


State = Mapping[str, Cell]
"""The keys that are there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an operation found a key to be."""

    key: str
    values: frozenset[str | None] = frozenset()
    is_other: bool = False
    """It was none of these values, instead of one of them."""

    def holds(self, state: State) -> bool:
        cell = state.get(self.key)
        return ((cell.value if cell else None) in self.values) is not self.is_other


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """What a client did, from its call to its return."""

    calls: float
    returns: float
    found: tuple[Found, ...] = ()
    writes: Mapping[str, str | None] = field(default_factory=dict)
    """Values, each of them written by one operation only; None removes."""
    lease: str | Lease = Lease.KEEP
    expires: str | None = None
    """It is the end of this lease, of one key, and not a client's doing."""
    after: Operation | None = None
    """It cannot be before that one has taken effect."""
    name: str = ""

    @property
    def keys(self) -> set[str]:
        return {found.key for found in self.found} | set(self.writes)

    @property
    def is_optional(self) -> bool:
        return self.returns == UNKNOWN

    def step(self, state: State) -> State | None:
        """Return the state after it; None if it cannot take effect here."""
        if not all(found.holds(state) for found in self.found):
            return None
        writes = self.writes
        if self.expires is not None:
            writes = {
                key: None for key in writes if key in state and state[key].lease == self.expires
            }
        return _written(state, writes, self.lease) if writes else state

    def is_settled(self, before: State, after: State) -> bool:
        """Whether it can be put here without a look at other places: it never changes anything."""
        return after is before and (not self.writes or self.expires is not None)


def _written(state: State, writes: Mapping[str, str | None], lease: str | Lease) -> State:
    new = dict(state)
    for key, value in writes.items():
        old = new.pop(key, None)
        if value is not None:
            kept = old.lease if old is not None and lease is Lease.KEEP else None
            new[key] = Cell(value, lease if isinstance(lease, str) else kept)
    return new
