"""Sweeping, over every driver: what is found, what goes, and what never does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from tests.support import encryption, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.crashing import WrappedStore
from tests.support.faulty_s3 import FaultyS3
from tests.support.variables import OWNERS, Clock, address, make_value
from varflow.variables import paths, records
from varflow.variables.records import Pending, Record
from varflow.variables.scopes import Address, Scope, StateAddress
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.stores.upkeep import Unfinished, Upkeep
from varflow.variables.sweep import sweeps
from varflow.variables.sweep.findings import Ages, Kind
from varflow.variables.sweep.sweeps import Sweep, Swept
from varflow.variables.variables import Change, Variables
from varflow.variables.writes import decisions, pendings
from varflow.variables.writes.decisions import Decision

PREFIX = paths.namespace_prefix(OWNERS)
LARGE = bytes(range(256)) * 300
AGES = Ages(unsettled=10.0, unused=100.0)
LATER = 1000.0
K = address()


@dataclass
class World:
    """One backend. Times of the store's clock are real, so the test's begins beyond them."""

    make_store: Callable[[], ObjectStore]
    keeps_tombstones: bool
    begin_unfinished: Callable[[str], None] = lambda _: None
    lists_uploads: bool = False
    clock: Clock = field(default_factory=lambda: Clock(4_000_000_000.0))
    opened: list[Variables] = field(default_factory=list)

    async def open(self, *, history: int = 0) -> Variables:
        """Return what one more process sees."""
        variables = Variables(self.make_store(), clock=self.clock, history=history)
        await variables.open()
        self.opened.append(variables)
        return variables

    @property
    def store(self) -> ObjectStore:
        return self.opened[0].store

    async def sweep(self, *, is_repairing: bool = True, prefix: str = PREFIX) -> list[Swept]:
        """Sweep once and return what was found."""
        sweep = Sweep(self.store, clock=self.clock, ages=AGES, is_repairing=is_repairing)
        return [swept async for swept in sweep.namespace(prefix)]

    async def sweep_until_old(self) -> list[Swept]:
        """Sweep, wait until all of that is due, and sweep again."""
        await self.sweep()
        self.clock.now += LATER
        return await self.sweep()


@pytest.fixture(scope="module")
def moto_bucket() -> Iterator[tuple[S3Server, str]]:
    with s3.moto() as server:
        yield server, s3.make_bucket(server)


@pytest.fixture(scope="module")
def versitygw_bucket(s3_server: S3Server) -> tuple[S3Server, str]:
    return s3_server, s3.make_bucket(s3_server)


@pytest.fixture(scope="module")
def minio_bucket(minio_server: S3Server) -> tuple[S3Server, str]:
    return minio_server, s3.make_bucket(minio_server)


def begin_upload(place: s3.Place, path: str) -> None:
    """Begin an upload as a process would that dies in the middle of it."""
    with contextlib.closing(place.client()) as client:
        client.create_multipart_upload(Bucket=place.bucket, Key=f"{place.prefix}/{path}!")


@pytest.fixture(
    params=["memory", "encrypted", "file", "moto_bucket", "versitygw_bucket", "minio_bucket"]
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    match request.param:
        case "memory":
            one = MemoryStore()
            made = World(lambda: one, keeps_tombstones=False)
        case "encrypted":
            sealed = encryption.encrypted(MemoryStore())
            made = World(lambda: sealed, keeps_tombstones=False)
        case "file":
            made = World(lambda: FileStore(tmp_path / "store"), keeps_tombstones=False)
        case bucket:
            place = s3.make_place(*request.getfixturevalue(bucket))
            made = World(place.make_store, True, lambda path: begin_upload(place, path))
            # MinIO lists those of a whole key only, and removes them by itself after a day
            made.lists_uploads = bucket != "minio_bucket"
    await made.open()
    yield made
    for variables in made.opened:
        await variables.close()


def kinds(found: list[Swept]) -> list[tuple[Kind, bool, bool]]:
    """Return what was found, whether it was due, and whether it is gone."""
    return [(it.finding.kind, it.finding.is_due, it.is_repaired) for it in found]


async def bodies(world: World) -> list[str]:
    return await stores.paths_in(world.store, f"{PREFIX}bodies/")


async def body_of(variables: Variables, key: Address | StateAddress = K) -> str:
    seen = await pendings.read(variables.store, paths.variable(key))
    assert seen.current is not None
    return seen.current.body or ""


# Bodies


async def test_a_replaced_body_goes_once_it_was_unnamed_for_long(world: World) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    await variables.set(K, LARGE[1:])

    first = await world.sweep()
    world.clock.now += 50
    second = await world.sweep()
    world.clock.now += 50
    third = await world.sweep()

    assert kinds(first) == kinds(second) == [(Kind.ORPHANED_BODY, False, False)]
    assert kinds(third) == [(Kind.ORPHANED_BODY, True, True)]
    assert len(await bodies(world)) == 1
    variable = await variables.get(K)
    assert variable is not None
    assert await variable.bytes() == LARGE[1:]


async def test_a_body_that_was_named_after_a_sweep_is_not_old_at_the_next(world: World) -> None:
    """It may have been replaced a second ago, and be being read."""
    world.clock.now = time.time()
    variables = await world.open()
    content = await variables.store_content(OWNERS, LARGE)
    await world.sweep()
    await variables.commit(paths.decision(OWNERS, "1"), [Change(K, content)])
    await variables.end_instance(OWNERS)
    world.clock.now += LATER
    await variables.set(K, b"newer")

    assert kinds(await world.sweep()) == [(Kind.ORPHANED_BODY, False, False)]
    assert len(await bodies(world)) == 1


async def test_looking_alone_changes_nothing(world: World) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    await variables.set(K, LARGE[1:], ttl=0)
    before = await stores.paths_in(world.store)

    world.clock.now += LATER
    found = await world.sweep(is_repairing=False)

    assert {it.finding.kind for it in found} == {Kind.ORPHANED_BODY, Kind.EXPIRED}
    assert not any(it.is_repaired for it in found)
    assert await stores.paths_in(world.store) == before


async def test_bodies_of_every_kind_of_record_stay(world: World) -> None:
    variables = await world.open(history=2)
    addresses: list[Address | StateAddress] = [
        *(Address(OWNERS, scope, "k") for scope in Scope),
        StateAddress(OWNERS, "poll/manual"),
        StateAddress(OWNERS, "poll/manual/ada"),
    ]
    for each in addresses:
        await variables.set(each, LARGE)
    await variables.set(K, LARGE[1:])
    await variables.settle()

    found = await world.sweep_until_old()

    assert kinds(found) == []
    assert len(await bodies(world)) == len(addresses) + 1
    assert len(await variables.revisions(K)) == 1


async def test_bodies_that_only_a_claim_or_a_decision_names_stay(world: World) -> None:
    variables = await world.open()
    claimed = await variables.store_content(OWNERS, LARGE)
    await variables.set(K, LARGE)
    seen = await pendings.read(world.store, paths.variable(K))
    assert seen.current is not None
    new = replace(seen.current, body=claimed.body)
    pending = Pending(txn="t", decision=paths.decision(OWNERS, "d"), tag=None, new=new)
    await pendings.write(world.store, paths.variable(K), seen.current, over=seen, pending=pending)
    named = await variables.store_content(OWNERS, LARGE)
    decision = Decision(
        kind=decisions.Kind.COMMITTED, nonce="n", at=0.0, bodies=(named.body or "",)
    )
    await world.store.put(paths.decision(OWNERS, "other"), decisions.encode(decision))

    found = await world.sweep(is_repairing=False)

    assert Kind.ORPHANED_BODY not in [it.finding.kind for it in found]
    assert len(await bodies(world)) == 3


@pytest.mark.parametrize("damage", ["record", "decision", "stranger"])
async def test_nothing_goes_where_something_cannot_be_understood(world: World, damage: str) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    await variables.set(K, LARGE[1:])
    places = {
        "record": f"{PREFIX}n/broken",
        "decision": paths.decision(OWNERS, "broken"),
        "stranger": f"{PREFIX}x/of-the-future",
    }
    await world.store.put(places[damage], b"not ours")

    found = await world.sweep_until_old()

    assert [it.finding.path for it in found if it.finding.is_wrong] == [places[damage]]
    assert not any(it.is_repaired for it in found)
    assert len(await bodies(world)) == 2


async def test_a_lost_body_is_found(world: World) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    body = await body_of(variables)
    await world.store.delete(paths.body(OWNERS, body))

    (found,) = await world.sweep()

    assert found.finding.kind is Kind.MISSING_BODY
    assert (found.finding.path, found.finding.detail) == (paths.variable(K), body)
    assert not found.is_repaired


async def test_a_body_that_was_cut_is_found(world: World) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    path = paths.body(OWNERS, await body_of(variables))
    await world.store.delete(path)
    await world.store.write_body(path, stores.chunks_of(b"less"))

    (found,) = await world.sweep()

    assert found.finding.kind is Kind.DAMAGED_BODY
    assert not found.is_repaired


async def test_damaged_marks_are_told_and_begun_anew(world: World) -> None:
    variables = await world.open()
    await variables.set(K, LARGE)
    await variables.set(K, LARGE[1:])
    await world.store.put(paths.marks(PREFIX), b"damaged")

    first = await world.sweep()
    second = await world.sweep()

    assert [it.finding.kind for it in first] == [Kind.UNKNOWN_OBJECT, Kind.ORPHANED_BODY]
    assert [it.finding.kind for it in second] == [Kind.ORPHANED_BODY]


# Records


async def test_what_has_not_expired_outlives_every_sweep(world: World) -> None:
    """PE-27."""
    variables = await world.open()
    await variables.set(K, LARGE, ttl=10)
    for _ in range(5):
        assert await world.sweep() == []
        world.clock.now += 1.9

    found = await variables.get(K)
    assert found is not None
    assert await found.bytes() == LARGE


async def test_an_expired_variable_goes_with_its_body(world: World) -> None:
    """PE-28; that it went is told once."""
    variables = await world.open(history=2)
    await variables.set(K, b"older")
    await variables.set(K, LARGE, ttl=5)
    await variables.settle()
    world.clock.now += 20
    told: list[Kind] = []

    for _ in range(3):
        told += [it.finding.kind for it in await world.sweep() if it.is_repaired]
        world.clock.now += LATER

    assert told.count(Kind.EXPIRED) == told.count(Kind.ORPHANED_BODY) == 1
    left = await stores.paths_in(world.store, PREFIX)
    assert left == [*([paths.variable(K)] if world.keeps_tombstones else []), paths.marks(PREFIX)]
    assert await variables.get(K) is None


async def test_a_trace_goes_only_while_it_is_one(world: World) -> None:
    variables = await world.open()
    await variables.set(K, b"1")
    path = paths.variable(K)
    present = (await world.store.get(path) or pytest.fail("gone")).etag
    store = cast(Upkeep, world.store)

    assert not await store.remove_unchanged(path, "another")
    assert not await store.remove_unchanged(f"{path}-none", present)
    assert await store.remove_unchanged(path, present) is not world.keeps_tombstones


class Interrupted(WrappedStore):
    """Somebody else comes between a look at a record and the deed that follows."""

    def __init__(self, inner: ObjectStore, deed: Callable[[], Awaitable[object]]) -> None:
        super().__init__(inner)
        self._deed = deed
        self.count = 0

    async def _begin(self, call: str, path: str) -> int:
        if call in {"put", "remove"} and path == paths.variable(K):
            self.count += 1
            await self._deed()
        return 0

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        async with self._noted("remove", path):
            return await cast(Upkeep, self.inner).remove_unchanged(path, etag)

    def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        return cast(Upkeep, self.inner).list_unfinished(prefix)

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        await cast(Upkeep, self.inner).remove_unfinished(unfinished)


@pytest.mark.parametrize("start", ["expired", "deleted"])
async def test_a_write_between_a_sweeps_look_and_its_deed_stays(world: World, start: str) -> None:
    """PE-26, PE-29."""
    variables = await world.open()
    await variables.set(K, b"v", ttl=1)
    if start == "deleted":
        await variables.delete(K)
    world.clock.now += LATER

    store = Interrupted(world.store, lambda: variables.set(K, b"v", ttl=3600))
    sweep = Sweep(store, clock=world.clock, ages=AGES, is_repairing=True)
    found = [swept async for swept in sweep.namespace(PREFIX)]

    assert store.count == 1
    assert [(it.finding.kind, it.is_repaired) for it in found] == [(Kind(start), False)]
    value = await variables.get(K)
    assert value is not None
    assert await value.bytes() == b"v"


async def test_a_bucket_is_never_asked_to_delete_a_record(
    moto_bucket: tuple[S3Server, str],
) -> None:
    """PE-29: some servers take a DELETE with a condition and ignore the condition."""
    server, bucket = moto_bucket
    with FaultyS3(server) as proxy:
        world = World(s3.make_place(proxy.server, bucket).make_store, True)
        variables = await world.open()
        await variables.set(K, LARGE, ttl=1)
        await variables.set(address("deleted"), LARGE)
        await variables.delete(address("deleted"))
        for _ in range(4):
            world.clock.now += LATER
            await world.sweep()
        deleted = [it.target for it in proxy.requests if it.method == "DELETE"]
        await variables.close()

    assert len(deleted) == 2
    assert all("/bodies/" in target for target in deleted)


async def test_a_dead_claim_needs_no_body(world: World) -> None:
    """Whoever gives a commit up removes its bodies, and may not reach its claims."""
    variables = await world.open()
    await variables.set(K, LARGE)
    seen = await pendings.read(world.store, paths.variable(K))
    assert seen.current is not None
    new = replace(seen.current, body="removed")
    pending = Pending(txn="t", decision=paths.decision(OWNERS, "d"), tag="gone", new=new)
    await pendings.write(world.store, paths.variable(K), seen.current, over=seen, pending=pending)

    found = await world.sweep(is_repairing=False)
    assert [it.finding.kind for it in found] == [Kind.HALF_DONE_COMMIT]


async def test_a_claim_whose_decision_cannot_be_read_needs_its_body(world: World) -> None:
    name, path = paths.decision(OWNERS, "d"), paths.variable(K)
    new = make_value(None, body="removed")
    pending = Pending(txn="t", decision=name, tag="gone", new=new)
    await pendings.write(world.store, path, None, over=pendings.NOTHING, pending=pending)
    await world.store.put(name, b"not ours")

    found = await world.sweep(is_repairing=False)
    kinds_found = {it.finding.kind for it in found}
    assert kinds_found == {Kind.HALF_DONE_COMMIT, Kind.BROKEN_DECISION, Kind.MISSING_BODY}


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "dead"])
async def test_a_half_done_commit_is_finished_or_undone(world: World, is_committed: bool) -> None:
    variables = await world.open()
    await variables.set(K, b"old")
    seen = await pendings.read(world.store, paths.variable(K))
    assert seen.current is not None
    new = records.decode(records.encode(Record(seen.current, None, "")), path="").current
    assert new is not None
    name = paths.decision(OWNERS, "d")
    pending = Pending(txn="t", decision=name, tag="gone", new=replace(new, rev="2-aaaaaaaa"))
    await pendings.write(world.store, paths.variable(K), seen.current, over=seen, pending=pending)
    kind = decisions.Kind.COMMITTED if is_committed else decisions.Kind.ABORTED
    decision = Decision(kind=kind, nonce="n", at=0.0, txn="t", changes=(paths.variable(K),))
    await world.store.put(name, decisions.encode(decision))

    found = await world.sweep()

    assert kinds(found) == [(Kind.HALF_DONE_COMMIT, True, True)]
    after = await pendings.read(world.store, paths.variable(K))
    assert after.pending is None
    assert after.current is not None
    assert (after.current.rev == "2-aaaaaaaa") is is_committed


# Unfinished uploads


async def test_uploads_that_nobody_finishes_go_after_a_while(
    world: World,
) -> None:
    mine, other = f"{PREFIX}bodies/b0", "v1/other-cluster/namespace/bodies/b1"
    world.begin_unfinished(mine)
    world.begin_unfinished(other)

    async def unfinished(now: float) -> list[tuple[str, bool]]:
        sweep = Sweep(world.store, clock=Clock(now), ages=AGES, is_repairing=True)
        prefix = paths.cluster_prefix(OWNERS.cluster)
        return [(it.finding.path, it.is_repaired) async for it in sweep.unfinished(prefix)]

    seen = [await unfinished(now) for now in (0.0, 4e9, 4e9)]

    found = [[(mine, False)], [(mine, True)], []]
    assert seen == (found if world.lists_uploads else [[], [], []])


# Beside others


async def test_namespaces_and_strangers_of_a_shared_store_are_told_apart(world: World) -> None:
    variables = await world.open()
    for cluster, namespace in [("a", "one"), ("a", "one-more"), ("b", "two")]:
        owners = replace(OWNERS, cluster=cluster, namespace=namespace)
        for scope in (Scope.NAMESPACE, Scope.WORKFLOW):
            await variables.set(Address(owners, scope, "k"), b"1")
    await world.store.put("v1/a/stray", b"")
    await world.store.put("v2/of/the/future", b"")

    async def found(prefix: str = "") -> list[str]:
        there = sweeps.territories(world.store, prefix)
        return [it.prefix or f"stray {it.stray}" async for it in there]

    own = ["v1/a/one-more/", "v1/a/one/", "stray v1/a/stray"]
    assert sorted(await found()) == sorted([*own, "v1/b/two/", "stray v2/of/the/future"])
    assert sorted(await found("v1/a/")) == sorted(own)


@dataclass
class Writer:
    """Writes a few variables in every round, each in another way."""

    number: int
    variables: Variables
    expected: dict[Address, bytes] = field(default_factory=dict)

    async def write(self, round_: int) -> None:
        await self.variables.set(*self.expect(f"one-{self.number}", round_))
        changes = [
            Change(where, await self.variables.store_content(OWNERS, data), None)
            for where, data in (self.expect(f"{name}-{self.number}", round_) for name in "ab")
        ]
        decision = paths.decision(OWNERS, f"{self.number}-{round_}")
        await self.variables.commit(decision, changes)
        await self.variables.set(address(f"brief-{self.number}"), LARGE, ttl=0)
        await self.variables.settle()

    async def check(self) -> None:
        for where, data in self.expected.items():
            variable = await self.variables.get(where)
            assert variable is not None
            assert await variable.bytes() == data

    def expect(self, key: str, round_: int) -> tuple[Address, bytes]:
        self.expected[address(key)] = bytes([self.number, round_]) + LARGE
        return address(key), self.expected[address(key)]


async def test_sweeping_all_the_time_loses_nothing_beside_writers(world: World) -> None:
    """A round is a write of everybody; what is unnamed for three of them may go."""
    ages, began, removed = Ages(unsettled=3.0, unused=3.0), time.time(), list[str]()
    clock = Clock(began)
    writers = [Writer(number, await world.open(history=1)) for number in range(3)]

    async def sweep() -> None:
        while True:
            sweeper = Sweep(world.store, clock=clock, ages=ages, is_repairing=True)
            async for it in sweeper.namespace(PREFIX):
                assert not it.finding.is_wrong or it.is_repaired, it
                if it.is_repaired and it.finding.kind is Kind.ORPHANED_BODY:
                    removed.append(it.finding.path)
            await asyncio.sleep(0)  # a store in memory never lets others run

    sweeping = asyncio.create_task(sweep())
    for round_ in range(10):
        clock.now = began + round_
        await asyncio.gather(*(writer.write(round_) for writer in writers))
        await asyncio.gather(*(writer.check() for writer in writers))
        assert not sweeping.done(), sweeping
    sweeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeping

    assert removed
    assert len(set(removed)) == len(removed)
