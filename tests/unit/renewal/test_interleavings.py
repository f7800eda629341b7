"""Renewing while others write, and dying in the middle of it: at every call of the store."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

import pytest

from tests.support import renewals, stores
from tests.support.renewals import (
    ADDED,
    LARGE,
    LARGE_KEY,
    PREFIX,
    ROTATED,
    SECOND_ALONE,
    SMALL_KEY,
    Dead,
    Dying,
    Meddling,
)
from tests.support.variables import OWNERS, Clock
from varflow.variables import paths
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.records import Pending
from varflow.variables.renewal.steps import Step
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Change, Variables
from varflow.variables.writes import pendings

Meddle = Callable[[Variables], Awaitable[object]]


async def prepared(clock: Clock) -> MemoryStore:
    """Return a store with a large variable and an older revision of it, under the first key."""
    inner = MemoryStore()
    variables = renewals.open_variables(inner, ADDED, clock=clock)
    await variables.set(LARGE_KEY, LARGE[1:])
    await variables.set(LARGE_KEY, LARGE)
    await variables.settle()
    return inner


async def values(variables: Variables) -> list[bytes]:
    """Return the value and those of its older revisions, the newest first."""
    live = await variables.get(LARGE_KEY)
    if live is None:
        return []
    older = [
        await variables.get_revision(LARGE_KEY, it.rev)
        for it in await variables.revisions(LARGE_KEY)
    ]
    return [await live.bytes(), *[await it.bytes() for it in older if it is not None]]


async def set_small(variables: Variables) -> None:
    await variables.set(LARGE_KEY, b"new")


async def set_large(variables: Variables) -> None:
    await variables.set(LARGE_KEY, LARGE[2:])


async def set_often(variables: Variables) -> None:
    for data in (b"1", b"2", b"3"):
        await variables.set(LARGE_KEY, data)


async def delete(variables: Variables) -> None:
    await variables.delete(LARGE_KEY)


async def begin_anew(variables: Variables) -> None:
    await variables.delete(LARGE_KEY)
    await variables.settle()
    await variables.set(LARGE_KEY, b"anew")


async def commit(variables: Variables) -> None:
    content = await variables.store_content(OWNERS, LARGE[2:])
    await variables.commit(paths.decision(OWNERS, "1"), [Change(LARGE_KEY, content)])


async def end_workflow(variables: Variables) -> None:
    await variables.remove_workflow(OWNERS)


MEDDLES = [
    pytest.param(set_small, [b"new", LARGE, LARGE[1:]], id="a small write"),
    pytest.param(set_large, [LARGE[2:], LARGE, LARGE[1:]], id="a large write"),
    pytest.param(set_often, [b"3", b"2", b"1"], id="more writes than are kept"),
    pytest.param(delete, [], id="a deletion"),
    pytest.param(begin_anew, [b"anew"], id="a new life"),
    pytest.param(commit, [LARGE[2:], LARGE, LARGE[1:]], id="a commit"),
    pytest.param(end_workflow, [], id="the workflow's end"),
]


@pytest.mark.parametrize("ring", [ROTATED, ADDED], ids=["with the new key", "with the old key"])
@pytest.mark.parametrize(("meddle", "after"), MEDDLES)
async def test_what_others_write_meanwhile_is_never_lost(
    meddle: Meddle, after: list[bytes], ring: KeyRing
) -> None:
    clock = Clock()
    counted = Meddling(await prepared(clock))
    await renewals.renew(counted, clock=clock)
    for at in range(1, counted.calls + 1):
        inner = await prepared(clock)
        others = renewals.open_variables(inner, ring, clock=clock)

        async def now(others: Variables = others) -> None:
            clock.now += 1
            await meddle(others)
            await others.settle()

        await renewals.renew(Meddling(inner, at, now), clock=clock)

        both = renewals.open_variables(inner, clock=clock)
        assert await values(both) == after, f"before call {at}"
        await renewals.renew(inner, clock=clock)
        alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
        assert await values(alone) == after, f"before call {at}, then again"
        await alone.set(LARGE_KEY, b"and on")
        await alone.settle()
        assert await values(alone) == [b"and on", *after][:3]


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_everything_is_readable_and_the_next_run_ends_it(
    is_late: bool,
) -> None:
    clock = Clock()
    counted = Meddling(await filled(clock))
    await renewals.renew(counted, clock=clock)
    before = await facts(await filled(clock), ROTATED, clock)
    for at in range(1, counted.calls + 1):
        inner = await filled(clock)
        before = await facts(inner, ROTATED, clock)
        with pytest.raises(Dead):
            await renewals.renew(Dying(inner, at, is_late=is_late), clock=clock)

        assert await facts(inner, ROTATED, clock) == before, f"call {at}"
        await renewals.renew(inner, clock=clock)
        assert await facts(inner, SECOND_ALONE, clock) == before, f"call {at}"


async def filled(clock: Clock) -> MemoryStore:
    inner = MemoryStore()
    await renewals.fill(renewals.open_variables(inner, ADDED, clock=clock))
    return inner


async def facts(inner: MemoryStore, ring: KeyRing, clock: Clock) -> dict[str, tuple[object, ...]]:
    variables = renewals.open_variables(inner, ring, clock=clock)
    return renewals.facts(await renewals.known(variables))


async def test_two_runs_at_once_leave_one_body_for_each_value_in_use() -> None:
    clock = Clock()
    counted = Meddling(await prepared(clock))
    await renewals.renew(counted, clock=clock)
    for at in range(1, counted.calls + 1):
        inner = await prepared(clock)
        other = functools.partial(renewals.renew, inner, clock=clock)

        await renewals.renew(Meddling(inner, at, other), clock=clock)

        alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
        assert await values(alone) == [LARGE, LARGE[1:]]
        bodies = await stores.paths_in(inner, f"{PREFIX}bodies/")
        assert len(bodies) == 4, "two old ones, and two new ones"


async def test_a_reader_in_the_middle_of_a_body_reads_on() -> None:
    clock = Clock()
    inner = await prepared(clock)
    reader = await renewals.open_variables(inner, ADDED, clock=clock).get(LARGE_KEY)
    assert reader is not None
    stream = reader.read()
    first = await anext(stream)

    await renewals.renew(inner, clock=clock)

    assert first + b"".join([chunk async for chunk in stream]) == LARGE
    assert b"".join([chunk async for chunk in reader.read(300_000, 5)]) == LARGE[300_000:300_005]


async def test_a_writer_that_remembers_the_record_writes_all_the_same() -> None:
    clock = Clock()
    inner = MemoryStore()
    writer = renewals.open_variables(inner, ADDED, clock=clock)
    info = await writer.set(SMALL_KEY, b"1")
    await renewals.renew(inner, clock=clock)

    await writer.set(SMALL_KEY, b"2", if_match=info.etag)

    value = await renewals.open_variables(inner, clock=clock).get(SMALL_KEY)
    assert value is not None
    assert await value.bytes() == b"2"


async def test_a_claim_is_left_with_what_it_names_until_it_has_ended() -> None:
    clock = Clock()
    inner = await prepared(clock)
    variables = renewals.open_variables(inner, ADDED, clock=clock)
    path = paths.variable(LARGE_KEY)
    seen = await pendings.read(variables.store, path)
    pending = Pending(txn="t", decision=paths.decision(OWNERS, "1"), tag="0", new=seen.current)
    await pendings.write(variables.store, path, seen.current, over=seen, pending=pending)
    before = await inner.get(path)

    done = await renewals.renew(inner, clock=clock)

    assert done == {Step.CLAIM: 1, Step.MOVE: 1}, "the older revision has no claim"
    assert await inner.get(path) == before
    await variables.set(LARGE_KEY, LARGE)
    await renewals.renew(inner, clock=clock)
    alone = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
    assert (await values(alone))[0] == LARGE
