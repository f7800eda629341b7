"""A checker of histories: could these operations have happened one after the other? PURE.

    what clients did, with times ──► check ──► partitions ──► search ──► None, or what cannot be

An operation takes effect at one moment between its call and its return. The search puts the moments
in an order in which every operation finds what it has found (Wing and Gong's algorithm with Lowe's
memory of the configurations that were seen). Keys that no operation joins are checked apart.

An operation whose outcome nobody knows (its process was killed) returns at infinity: it may take
effect at any later time, or never. Such operations are tried last, and those whose values nobody
ever found only when it does not go without them: leaving one out is always allowed.

Written here because no package for Python checks this.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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


def check(history: Sequence[Operation]) -> str | None:
    """Return None when the history is linearizable, else what could not be placed."""
    for operations in _partitions(history):
        lean = _without_unseen(operations)
        if _Search(lean).run() is None:
            continue
        fault = _Search(operations).run()
        if fault is not None:
            return fault
    return None


def _partitions(history: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Yield the operations over each group of keys that some operation joins."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for operation in history:
        first, *others = operation.keys
        for other in others:
            leader[find(other)] = find(first)
    groups: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        groups[find(min(operation.keys))].append(operation)
    yield from groups.values()


def _without_unseen(operations: list[Operation]) -> list[Operation]:
    """Leave out what may never have happened and what nobody has seen.

    Of a write only its values tell: that a key is absent can have many reasons. Removals are left
    out, too; with them a search over many would look at each in each place.
    """
    seen = {value for operation in operations for one in operation.found for value in one.values}
    seen.discard(None)
    unseen = {
        operation
        for operation in operations
        if operation.is_optional and seen.isdisjoint(operation.writes.values())
    }
    return [one for one in operations if one not in unseen and one.after not in unseen]


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the order has been made."""

    first: int
    """All required operations before this one are placed."""
    ahead: frozenset[int]
    """Required operations that are placed though an earlier one is not."""
    chances: frozenset[int]
    """Optional operations that are placed."""
    state: State = field(compare=False)
    cells: frozenset[tuple[str, Cell]]


class _Search:
    def __init__(self, operations: Sequence[Operation]) -> None:
        ordered = sorted(operations, key=lambda operation: operation.calls)
        self._required = [one for one in ordered if not one.is_optional]
        self._optional = [one for one in ordered if one.is_optional]
        self._numbers = {
            one: number
            for group in (self._required, self._optional)
            for number, one in enumerate(group)
        }

    def run(self) -> str | None:
        """Return None when there is an order, else the operation at which the best try ended."""
        stack = [_Place(0, frozenset(), frozenset(), {}, frozenset())]
        seen = set(stack)
        farthest = stack[0]
        while stack:
            place = stack.pop()
            if place.first == len(self._required):
                return None
            farthest = max(farthest, place, key=lambda one: one.first)
            for following in self._following(place):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return self._explain(farthest)

    def _following(self, place: _Place) -> list[_Place]:
        """Return the places one operation further, the likeliest last."""
        numbers, latest = self._due(place)
        choices = []
        for number in numbers:
            operation = self._required[number]
            after = self._step(operation, place)
            if after is None:
                continue
            following = self._placed(place, number, after)
            if operation.is_settled(place.state, after):
                return [following]
            choices.append((operation.returns, following))
        choices.sort(key=lambda choice: choice[0], reverse=True)
        return [*self._chances(place, latest), *(following for _, following in choices)]

    def _due(self, place: _Place) -> tuple[list[int], float]:
        """Return the required operations that can be next, and by when one of them must be."""
        due, latest = [], UNKNOWN
        for number in range(place.first, len(self._required)):
            operation = self._required[number]
            if operation.calls > latest:
                break
            if number not in place.ahead:
                due.append(number)
                latest = min(latest, operation.returns)
        return due, latest

    def _chances(self, place: _Place, latest: float) -> list[_Place]:
        """Return the places after an optional operation; one for each thing that it can do."""
        by_effect: dict[object, _Place] = {}
        for number, operation in enumerate(self._optional):
            if operation.calls > latest:
                break
            if number in place.chances:
                continue
            after = self._step(operation, place)
            if after is not None and after != place.state:
                cells = frozenset(after.items())
                chances = place.chances | {number}
                following = _Place(place.first, place.ahead, chances, after, cells)
                by_effect.setdefault((cells, operation.expires), following)
        return list(by_effect.values())

    def _step(self, operation: Operation, place: _Place) -> State | None:
        earlier = operation.after
        if earlier is not None and not self._is_placed(earlier, place):
            return None
        return operation.step(place.state)

    def _is_placed(self, operation: Operation, place: _Place) -> bool:
        number = self._numbers[operation]
        if operation.is_optional:
            return number in place.chances
        return number < place.first or number in place.ahead

    def _placed(self, place: _Place, number: int, after: State) -> _Place:
        ahead, first = place.ahead | {number}, place.first
        while first in ahead:
            ahead, first = ahead - {first}, first + 1
        cells = place.cells if after is place.state else frozenset(after.items())
        return _Place(first, ahead, place.chances, after, cells)

    def _explain(self, place: _Place) -> str:
        operation = self._required[place.first]
        return f"{operation.name or operation} fits nowhere; before it: {dict(place.state)}"
