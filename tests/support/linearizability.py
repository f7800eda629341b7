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

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.operations import UNKNOWN, Cell, Operation, State


def check(history: Sequence[Operation]) -> str | None:
    """Return None when the history is linearizable, else what could not be placed."""
    faults = (_check(operations) for operations in _partitions(history))
    return next((fault for fault in faults if fault is not None), None)


def _check(operations: Sequence[Operation]) -> str | None:
    """Search without the unseen operations, then with one more of them at a time, as needed.

    The one that was called last before the place where the search ended is the likeliest to help:
    a value that nobody found may have expired, and its absence was found.
    """
    left_out = _unseen(operations)
    while True:
        stuck = _Search([one for one in operations if one not in left_out]).run()
        if stuck is None:
            return None
        if not left_out:
            return stuck.text
        due = [
            one for one in left_out if one.after is None and one.calls <= stuck.operation.returns
        ]
        first = max(due, key=lambda one: one.calls, default=None)
        left_out = {one for one in left_out if first not in {None, one, one.after}}


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


def _unseen(operations: Sequence[Operation]) -> set[Operation]:
    """Return what may never have happened and what nobody has seen.

    Of a write only its values tell: that a key is absent can have many reasons. Removals are among
    them, too; with them a search over many would look at each in each place.
    """
    seen = {value for operation in operations for one in operation.found for value in one.values}
    seen.discard(None)
    unseen = {
        operation
        for operation in operations
        if operation.is_optional and seen.isdisjoint(operation.writes.values())
    }
    return unseen | {one for one in operations if one.after in unseen}


@dataclass(frozen=True, slots=True)
class _Stuck:
    """Where the best try of a search ended."""

    operation: Operation
    state: State

    @property
    def text(self) -> str:
        operation = self.operation
        return f"{operation.name or operation} fits nowhere; before it: {dict(self.state)}"


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
        self._finders = _find_finders(self._required)

    def run(self) -> _Stuck | None:
        """Return None when there is an order, else where the best try ended."""
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
        return _Stuck(self._required[farthest.first], farthest.state)

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
            if self._is_lost(place.state, following):
                continue
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
                if not self._is_lost(place.state, following):
                    by_effect.setdefault((cells, operation.expires), following)
        return list(by_effect.values())

    def _is_lost(self, before: State, place: _Place) -> bool:
        """Whether a value is gone for good that somebody has still to find."""
        gone = [
            (key, cell.value)
            for key, cell in before.items()
            if key not in place.state or place.state[key].value != cell.value
        ]
        return any(
            number >= place.first and number not in place.ahead
            for one in gone
            for number in self._finders.get(one, ())
        )

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


def _find_finders(required: Sequence[Operation]) -> Mapping[tuple[str, str], list[int]]:
    """Return the numbers of those who must find a value, which is written only once."""
    finders: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, operation in enumerate(required):
        for found in operation.found:
            wanted = [value for value in found.values if value is not None]
            if len(wanted) == len(found.values) == 1 and not found.is_other:
                finders[found.key, wanted[0]].append(number)
    return finders
