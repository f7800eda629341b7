"""Looking through a store of which only a part is encrypted."""

from __future__ import annotations

import time

import pytest

from tests.support.encryption import encrypted
from tests.support.stores import chunks_of
from tests.support.variables import OWNERS, address
from varflow.variables import paths
from varflow.variables.encryption.policies import Policy
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.sweep.findings import Ages, Kind
from varflow.variables.sweep.inspections import Inspection
from varflow.variables.variables import Variables
from varflow.variables.writes import pendings

LARGE = bytes(range(256)) * 300


async def kinds(store: ObjectStore) -> list[Kind]:
    inspection = Inspection(
        store, paths.namespace_prefix(OWNERS), clock=time.time, ages=Ages(unused=100.0)
    )
    return [finding.kind async for finding in inspection.run()]


async def set_large(store: ObjectStore) -> str:
    """Set a variable and return the path of its body."""
    await Variables(store).set(address(), LARGE)
    seen = await pendings.read(store, paths.variable(address()))
    assert seen.current is not None
    return paths.body(OWNERS, str(seen.current.body))


@pytest.mark.parametrize(
    ("written", "looked"),
    [
        pytest.param(None, Policy.MIGRATE, id="plain, since encryption came"),
        pytest.param(Policy.ON, Policy.OFF, id="encrypted, since it is off"),
    ],
)
async def test_bodies_of_the_other_kind_are_not_taken_for_damaged(
    written: Policy | None, looked: Policy
) -> None:
    store = MemoryStore()
    await set_large(store if written is None else encrypted(store, policy=written))

    assert await kinds(encrypted(store, policy=looked)) == []


@pytest.mark.parametrize("data", [LARGE[1:], LARGE + b"x"], ids=["too few", "too many"])
async def test_a_plain_body_that_was_damaged_is_found_among_encrypted_ones(data: bytes) -> None:
    store = MemoryStore()
    path = await set_large(store)
    await store.delete(path)
    await store.write_body(path, chunks_of(data))

    assert await kinds(encrypted(store, policy=Policy.MIGRATE)) == [Kind.DAMAGED_BODY]
