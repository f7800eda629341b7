"""The ends of variables' lives: a scope, an instance, a namespace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.variables import OWNERS, Clock, address, chunked, paths_of
from varflow.errors import ActionAbandoned
from varflow.variables import paths, records
from varflow.variables.records import Pending, Record
from varflow.variables.scopes import Address, Scope
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Change, Outcome, Variables
from varflow.variables.writes import decisions, pendings
from varflow.variables.writes.contents import inline
from varflow.variables.writes.decisions import Decision, Kind

D = paths.decision(OWNERS, "1.step")
OTHER = replace(OWNERS, workflow="workflow2", instance="instance2")
LARGE = b"x" * 100_000


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def fill(variables: Variables) -> None:
    for owners in (OWNERS, OTHER):
        for scope in Scope:
            await variables.set(Address(owners, scope, "small"), b"v")
            await variables.set(Address(owners, scope, "large"), LARGE)


@pytest.mark.parametrize("scope", Scope)
async def test_a_cleared_scope_takes_its_bodies_along_and_nothing_else(
    store: MemoryStore, scope: Scope
) -> None:
    variables = Variables(store)
    await fill(variables)
    await variables.delete(Address(OWNERS, scope, "small"))
    before = set(await paths_of(store))
    count = await variables.clear_scope(OWNERS, scope)
    gone = before - set(await paths_of(store))

    assert count == 1
    prefix = paths.scope_prefix(OWNERS, scope)
    (body,) = gone - {f"{prefix}small", f"{prefix}large"}
    assert "/bodies/" in body
    assert await variables.clear_scope(OWNERS, scope) == 0


async def test_an_ended_instance_leaves_the_others_variables(store: MemoryStore) -> None:
    variables = Variables(store)
    await fill(variables)
    changes = [Change(address("done", scope), inline(scope.encode())) for scope in Scope]
    await variables.commit(D, changes, result=LARGE)
    await variables.abandon(paths.decision(OWNERS, "2.step"))
    await variables.end_instance(OWNERS)
    await variables.settle()

    assert await paths_of(store, "/i/instance/") == []
    assert len(await paths_of(store, "/i/instance2/")) == 2
    for scope in (Scope.WORKFLOW, Scope.NAMESPACE):
        found = await variables.get(address("done", scope))
        assert found is not None
        assert await found.bytes() == scope.encode()
        assert (await pendings.read(store, paths.variable(found.address))).pending is None


async def test_the_end_finishes_what_a_dead_owner_had_decided(store: MemoryStore) -> None:
    variables, dead = Variables(store), Variables(store)
    shared = address("shared", Scope.WORKFLOW)
    await dead.commit(D, [Change(shared, inline(b"new"))])
    for task in dead._background._tasks:
        task.cancel()
    await dead.settle()
    assert (await pendings.read(store, paths.variable(shared))).pending is not None
    await variables.end_instance(OWNERS)

    found = await variables.get(shared)
    assert found is not None
    assert await found.bytes() == b"new"


async def test_decisions_stay_as_long_as_an_attempt_may_come_back(store: MemoryStore) -> None:
    """Without its decision, an attempt that was stopped would find none and commit."""
    clock = Clock()
    variables = Variables(store, clock=clock)
    undecided = paths.decision(OWNERS, "2.step")
    await variables.commit(D, [Change(address(), inline(b"first"))], result=LARGE)
    await store.put(undecided, aborted())
    await variables.end_instance(OWNERS, keep_until=clock.now + 60)

    late = [Change(address(), inline(b"late"))]
    assert await variables.commit(D, late) == Outcome(LARGE, adopted=True)
    with pytest.raises(ActionAbandoned):
        await variables.commit(undecided, late)
    clock.now += 60
    await variables.end_instance(OWNERS, keep_until=clock.now)
    await variables.settle()
    assert await paths_of(store, "/i/instance/") == []


def aborted() -> bytes:
    return decisions.encode(Decision(kind=Kind.ABORTED, nonce="n", at=0))


async def test_a_record_under_a_decided_claim_is_cleared_with_the_new_bytes(
    store: MemoryStore,
) -> None:
    variables = Variables(store)
    stored = await variables.store_content(OWNERS, LARGE)
    await variables.commit(D, [Change(address(), stored)])
    record = (await pendings.read(store, paths.variable(address()))).record
    await variables.settle()
    assert record is not None
    pending = record.pending
    assert isinstance(pending, Pending)
    await store.put(paths.variable(address()), records.encode(Record(None, pending, "n2")))

    assert await variables.clear_scope(OWNERS, Scope.NAMESPACE) == 1
    assert await paths_of(store, "/bodies/") == []


async def test_an_ended_instance_keeps_its_output_and_its_log(store: MemoryStore) -> None:
    variables = Variables(store)
    kept = {paths.data(OWNERS, "output"), paths.log_chunk(OWNERS, "1")}
    for path in (*kept, paths.data(OWNERS, "checkpoint")):
        await store.write_body(path, chunked(b"x"))

    await variables.end_instance(OWNERS, kept_data="output")

    assert set(await paths_of(store)) == kept


async def test_a_removed_instance_leaves_nothing_once_no_attempt_is_left(
    store: MemoryStore,
) -> None:
    clock = Clock()
    variables = Variables(store, clock=clock)
    await variables.commit(D, [Change(address("mine", Scope.INSTANCE), inline(b"1"))])
    await store.write_body(paths.log_chunk(OWNERS, "1"), chunked(b"x"))

    await variables.remove_instance(OWNERS, keep_until=clock.now + 1)
    assert await paths_of(store) == [D]
    clock.now += 1
    await variables.remove_instance(OWNERS, keep_until=clock.now)
    assert await paths_of(store) == []


async def test_a_removed_namespace_is_empty_and_its_neighbour_whole(store: MemoryStore) -> None:
    variables = Variables(store)
    neighbour = replace(OWNERS, namespace="namespace2")
    await fill(variables)
    await variables.set(Address(neighbour, Scope.NAMESPACE, "k"), b"v")
    count = len(await paths_of(store, "/namespace/"))
    removed = await variables.remove_namespace(OWNERS)

    assert removed == count
    assert await paths_of(store) == [paths.variable(Address(neighbour, Scope.NAMESPACE, "k"))]
