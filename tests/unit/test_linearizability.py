"""The checker of histories accepts what can have happened, and nothing else."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.support.linearizability import check
from tests.support.operations import UNKNOWN, Cell, Found, Lease, Operation, State


def write(
    calls: float, returns: float, *, lease: str | Lease = Lease.KEEP, **values: str | None
) -> Operation:
    return Operation(calls=calls, returns=returns, writes=values, lease=lease)


def read(calls: float, returns: float, **values: str | None) -> Operation:
    found = tuple(Found(key, frozenset({value})) for key, value in values.items())
    return Operation(calls=calls, returns=returns, found=found)


def swap(calls: float, returns: float, old: str | None, new: str) -> Operation:
    found = (Found("k", frozenset({old})),)
    return Operation(calls=calls, returns=returns, found=found, writes={"k": new})


def refused(calls: float, returns: float, old: str | None) -> Operation:
    found = (Found("k", frozenset({old}), is_other=True),)
    return Operation(calls=calls, returns=returns, found=found)


def expiry(of: Operation, calls: float, returns: float) -> Operation:
    assert isinstance(of.lease, str)
    return Operation(
        calls=calls, returns=returns, writes=dict.fromkeys(of.writes), expires=of.lease, after=of
    )


LEASED = write(1, 2, k="a", lease="l")
UNHEARD = write(1, UNKNOWN, k="a", lease="l")

GOOD = {
    "nothing": [],
    "one after the other": [write(1, 2, k="a"), read(3, 4, k="a"), read(5, 6, k="a")],
    "a read beside a write finds the old": [write(1, 9, k="a"), read(2, 3, k=None)],
    "a read beside a write finds the new": [write(1, 9, k="a"), read(2, 3, k="a")],
    "the later call is first": [
        write(1, 9, k="a"),
        write(2, 8, k="b"),
        read(3, 4, k="b"),
        read(5, 6, k="a"),
    ],
    "an unheard write is found late": [
        write(1, UNKNOWN, k="a"),
        write(2, 3, k="b"),
        read(4, 5, k="b"),
        read(6, 7, k="a"),
    ],
    "an unheard write never was": [write(1, UNKNOWN, k="a"), read(2, 3, k=None)],
    "an unheard write is known by a refusal": [
        write(1, UNKNOWN, k="a"),
        refused(2, 3, None),
    ],
    "an unheard removal": [
        write(1, 2, k="a"),
        write(3, UNKNOWN, k=None),
        read(4, 5, k="a"),
        read(6, 7, k=None),
    ],
    "a commit seen from both sides": [
        write(1, 9, j="a", k="b"),
        read(2, 3, j=None),
        read(4, 5, k="b"),
        read(6, 7, j="a"),
    ],
    "a lease ends": [LEASED, expiry(LEASED, 5, 6), read(3, 4, k="a"), read(7, 8, k=None)],
    "a lease goes on with the next value": [
        LEASED,
        write(3, 4, k="b"),
        expiry(LEASED, 5, 6),
        read(7, 8, k=None),
    ],
    "a lease that was cleared": [
        LEASED,
        write(3, 4, k="b", lease=Lease.CLEAR),
        expiry(LEASED, 5, 6),
        read(7, 8, k="b"),
    ],
    "an unheard lease ends": [
        UNHEARD,
        expiry(UNHEARD, 5, UNKNOWN),
        read(6, 7, k="a"),
        read(8, 9, k=None),
    ],
}

BAD = {
    "a stale read": [write(1, 2, k="a"), write(3, 4, k="b"), read(5, 6, k="a")],
    "a read of what was never written": [read(1, 2, k="a")],
    "a lost write": [write(1, 2, k="a"), read(3, 4, k=None)],
    "a lost update": [
        write(1, 2, k="0"),
        swap(3, 6, "0", "1"),
        swap(4, 5, "0", "2"),
    ],
    "two that created": [swap(1, 4, None, "a"), swap(2, 3, None, "b")],
    "a value that comes back": [
        write(1, 9, k="a"),
        read(2, 3, k="a"),
        read(4, 5, k=None),
    ],
    "a torn commit": [
        write(1, 2, j="0", k="0"),
        write(3, 9, j="1", k="1"),
        read(4, 5, j="1"),
        read(6, 7, k="0"),
    ],
    "a torn commit of which nobody heard": [
        write(1, 2, j="0", k="0"),
        write(3, UNKNOWN, j="1", k="1"),
        read(4, 5, j="1"),
        read(6, 7, k="0"),
    ],
    "two commits mixed": [
        write(1, 2, j="1", k="1"),
        write(1, 2, j="2", k="2"),
        read(3, 4, j="1"),
        read(3, 4, k="2"),
    ],
    "an unheard write found twice, with another between": [
        write(1, UNKNOWN, k="a"),
        read(2, 3, k="a"),
        write(4, 5, k="b"),
        read(6, 7, k="a"),
    ],
    "a refusal for no reason": [refused(1, 2, None)],
    "an expired value is found": [LEASED, expiry(LEASED, 5, 6), read(7, 8, k="a")],
    "a value expires too early": [LEASED, expiry(LEASED, 5, 6), read(3, 4, k=None)],
    "a value that was cleared expires": [
        LEASED,
        write(3, 4, k="b", lease=Lease.CLEAR),
        expiry(LEASED, 5, 6),
        read(7, 8, k=None),
    ],
}


@pytest.mark.parametrize("history", [pytest.param(one, id=name) for name, one in GOOD.items()])
def test_what_can_have_happened_is_accepted(history: list[Operation]) -> None:
    assert check(history) is None


@pytest.mark.parametrize("history", [pytest.param(one, id=name) for name, one in BAD.items()])
def test_what_cannot_have_happened_is_refused(history: list[Operation]) -> None:
    assert check(history) is not None


def test_one_bad_key_among_good_ones_is_refused() -> None:
    assert check([write(1, 2, j="a"), read(3, 4, j="a"), write(1, 2, k="b"), read(3, 4, k=None)])


@pytest.mark.parametrize("seed", range(300))
def test_the_checker_agrees_with_trying_every_order(seed: int) -> None:
    history = make_history(random.Random(seed))
    assert (check(history) is None) is any(
        is_possible(order)
        for size in range(len(history) + 1)
        for order in itertools.permutations(history, size)
        if all(one in order or one.is_optional for one in history)
    )


def test_long_writes_that_nobody_finds_do_not_multiply_what_is_tried() -> None:
    """Each may stand anywhere; a wrong turn must be seen before all of them were tried there."""
    history = [write(0, 1000, k=f"long {number}") for number in range(40)]
    for number in range(1, 100):
        history.append(write(number, number + 0.1, k=f"old {number}"))
        history.append(swap(number + 0.2, number + 0.8, f"old {number}", f"swapped {number}"))
        history.append(write(number + 0.3, number + 0.5, k=f"new {number}"))
        history.append(read(number + 0.85, number + 0.9, k=f"new {number}"))

    assert check(history) is None


def test_an_unheard_write_that_expired_unfound_explains_why_a_key_is_absent() -> None:
    history = [write(number, number + 0.5, k=f"{number}") for number in range(0, 100, 2)]
    unheard = [write(number, UNKNOWN, k=f"unheard {number}") for number in range(1, 100, 2)]
    brief = write(90.6, UNKNOWN, k="brief", lease="l")
    history += [*unheard, brief, expiry(brief, 90.7, UNKNOWN), read(90.9, 91, k=None)]

    assert check(history) is None


def make_history(chance: random.Random) -> list[Operation]:
    """Return a few operations over two keys, as likely good as bad."""
    history = []
    for number in range(5):
        calls = chance.uniform(0, 6)
        returns = calls + chance.uniform(0, 5)
        key, value = chance.choice("jk"), str(chance.randrange(number + 1))
        match chance.randrange(6):
            case 0 | 1:
                history.append(read(calls, returns, **{key: chance.choice([value, None])}))
            case 2:
                history.append(write(calls, returns, j=str(number), k=str(number)))
            case 3:
                written = {key: chance.choice([str(number), None])}
                history.append(Operation(calls=calls, returns=UNKNOWN, writes=written))
            case 4:
                history.append(swap(calls, returns, chance.choice([value, None]), str(number)))
            case _:
                history.append(Operation(calls=calls, returns=returns, writes={key: str(number)}))
    return history


def is_possible(order: tuple[Operation, ...]) -> bool:
    """Whether the operations can have taken effect in just this order."""
    for earlier, later in itertools.combinations(order, 2):
        if later.returns < earlier.calls:
            return False
    state: State | None = dict[str, Cell]()
    for operation in order:
        state = operation.step(state) if state is not None else None
    return state is not None
