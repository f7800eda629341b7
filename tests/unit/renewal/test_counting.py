"""What is counted as needing which key."""

from __future__ import annotations

import pytest

from tests.support import renewals, stores
from tests.support.encryption import FIRST, RING, SECOND, encrypted
from tests.support.renewals import LARGE, LARGE_KEY, PREFIX, ROTATED, SECOND_ALONE, SMALL_KEY
from tests.support.variables import OWNERS, Clock
from varflow.variables import paths
from varflow.variables.encryption.policies import Policy
from varflow.variables.renewal.steps import Step
from varflow.variables.renewal.tallies import PLAIN, Kind, Tally
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables


@pytest.fixture
def inner() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def numbers(tally: Tally, key: str) -> dict[Kind, int]:
    return {kind: count.objects for kind, count in tally.of(key)}


async def test_each_object_of_the_namespace_is_counted_once(
    inner: MemoryStore, clock: Clock
) -> None:
    await renewals.fill(renewals.open_variables(inner, RING, clock=clock))

    tally = await renewals.count(inner)

    assert tally.used() == [FIRST.name]
    assert numbers(tally, FIRST.name) == {
        Kind.VARIABLES: 6,
        Kind.REVISIONS: 4,
        Kind.VALUES: 6,
        Kind.INSTANCES: 3,
        Kind.NOTES: 1,
    }
    assert tally.total == len(await stores.paths_in(inner, PREFIX))


async def test_what_was_left_is_counted_with_the_key_that_it_needs(
    inner: MemoryStore, clock: Clock
) -> None:
    await renewals.fill(renewals.open_variables(inner, RING, clock=clock))
    await renewals.renew(inner, clock=clock)

    tally = await renewals.count(inner)

    assert numbers(tally, FIRST.name) == {Kind.UNNAMED: 6, Kind.INSTANCES: 3}
    assert numbers(tally, SECOND.name) == {
        Kind.VARIABLES: 6,
        Kind.REVISIONS: 4,
        Kind.VALUES: 6,
        Kind.NOTES: 1,
    }


async def test_no_body_is_called_unnamed_while_a_record_cannot_be_opened(
    inner: MemoryStore, clock: Clock
) -> None:
    variables = renewals.open_variables(inner, RING, clock=clock)
    await variables.set(LARGE_KEY, LARGE)

    tally = await renewals.count(inner, ring=SECOND_ALONE)

    assert numbers(tally, FIRST.name) == {Kind.VARIABLES: 1, Kind.VALUES: 1}


async def test_plain_objects_are_counted_whatever_is_believed(
    inner: MemoryStore, clock: Clock
) -> None:
    await Variables(inner, clock=clock).set(LARGE_KEY, LARGE)
    await inner.put(paths.data(OWNERS, "short"), b"{}")
    await inner.put(paths.owner(OWNERS), b"public")

    for policy in (Policy.ON, Policy.MIGRATE):
        tally = await renewals.count(inner, policy=policy)
        assert numbers(tally, PLAIN) == {Kind.VARIABLES: 1, Kind.VALUES: 1, Kind.INSTANCES: 1}


async def test_objects_that_are_not_known_are_counted_too(inner: MemoryStore) -> None:
    await encrypted(inner).put(f"{PREFIX}strange/thing", b"of a newer version")

    assert numbers(await renewals.count(inner), FIRST.name) == {Kind.UNKNOWN: 1}


async def test_plain_objects_are_sealed_where_they_are_believed(
    inner: MemoryStore, clock: Clock
) -> None:
    plain = Variables(inner, clock=clock)
    await plain.set(LARGE_KEY, LARGE)
    await plain.set(SMALL_KEY, b"small")

    done = await renewals.renew(inner, policy=Policy.MIGRATE, clock=clock)

    assert done == {Step.MOVE: 1, Step.SEAL: 1}
    sealed = renewals.open_variables(inner, SECOND_ALONE, clock=clock)
    for key, data in ((LARGE_KEY, LARGE), (SMALL_KEY, b"small")):
        value = await sealed.get(key)
        assert value is not None
        assert await value.bytes() == data


async def test_plain_objects_are_left_where_they_may_be_forged(
    inner: MemoryStore, clock: Clock
) -> None:
    await Variables(inner, clock=clock).set(SMALL_KEY, b"forged")
    path = paths.variable(SMALL_KEY)
    before = await inner.get(path)

    assert await renewals.renew(inner, clock=clock) == {Step.CLOSED: 1}
    assert await inner.get(path) == before


async def test_what_needs_a_key_that_is_not_here_is_left(inner: MemoryStore, clock: Clock) -> None:
    await renewals.open_variables(inner, RING, clock=clock).set(SMALL_KEY, b"1")
    before = await inner.get(paths.variable(SMALL_KEY))

    assert await renewals.renew(inner, ring=SECOND_ALONE, clock=clock) == {Step.CLOSED: 1}
    assert await inner.get(paths.variable(SMALL_KEY)) == before


@pytest.mark.parametrize("damaged", ["record", "body"])
async def test_what_is_damaged_is_left_and_the_rest_goes_on(
    inner: MemoryStore, clock: Clock, damaged: str
) -> None:
    variables = renewals.open_variables(inner, RING, clock=clock)
    await variables.set(SMALL_KEY, b"1")
    await variables.set(LARGE_KEY, LARGE)
    is_body = damaged == "body"
    path = await renewals.body_of(variables, LARGE_KEY) if is_body else paths.variable(LARGE_KEY)
    whole = await inner.get(path)
    assert whole is not None
    await inner.put(path, whole.data[:-1] + bytes([whole.data[-1] ^ 1]))

    done = await renewals.renew(inner, clock=clock)

    assert done == {Step.BROKEN: 1, Step.SEAL: 1}
    assert len(await stores.paths_in(inner, f"{PREFIX}bodies/")) == 1, "no copy is left behind"


async def test_a_revision_of_no_life_any_more_is_left_to_the_sweep(
    inner: MemoryStore, clock: Clock
) -> None:
    variables = renewals.open_variables(inner, RING, clock=clock)
    for data in (b"1", b"2"):
        await variables.set(SMALL_KEY, data)
    await variables.settle()
    await inner.delete(paths.variable(SMALL_KEY))

    assert await renewals.renew(inner, clock=clock) == {Step.STALE: 1}


async def test_what_has_the_present_key_is_not_written(inner: MemoryStore, clock: Clock) -> None:
    await renewals.fill(renewals.open_variables(inner, ROTATED, clock=clock))
    before = {path: await inner.get(path) for path in await stores.paths_in(inner)}

    assert await renewals.renew(inner, clock=clock) == {}
    assert {path: await inner.get(path) for path in await stores.paths_in(inner)} == before
