"""What variables promise on every store: the persist conformance list, over each driver.

The ids of parameters and the texts in brackets are cases of that list. The clock is the test's own,
so that nothing here waits; two `Variables` of one backend stand for two processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.support import lending, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.crashing import CountingStore
from tests.support.variables import OWNERS, Clock, address, chunked
from varflow.errors import (
    InvalidInput,
    PreconditionFailed,
    VarflowError,
    VariableExists,
    VariableNotFound,
)
from varflow.variables import copying, paths
from varflow.variables.scopes import Address, Scope, StateAddress
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import CLEAR, KEEP, Change, Variables

K = address()
LARGE = bytes(range(256)) * 300
"""Longer than a record takes."""
STATE = StateAddress(OWNERS, "poll/schedule:nightly")


@dataclass
class World:
    """One backend, and processes that use it."""

    make_store: Callable[[], ObjectStore]
    clock: Clock = field(default_factory=Clock)
    opened: list[Variables] = field(default_factory=list)

    async def open(self, *, history: int = 0) -> Variables:
        """Return what one more process sees."""
        variables = Variables(CountingStore(self.make_store()), clock=self.clock, history=history)
        await variables.open()
        self.opened.append(variables)
        return variables

    async def close(self) -> None:
        for variables in self.opened:
            await variables.close()


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


async def make_borrower(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], ObjectStore]:
    """Return how a sidecar opens a store that the operator has opened before."""
    place = s3.make_place(*request.getfixturevalue("minio_bucket"))
    operator = Variables(place.make_store())
    await operator.open()
    await operator.close()
    file = await lending.borrow(place, OWNERS, tmp_path)
    return lambda: lending.make_store(place, file)


@pytest.fixture(
    params=["memory", "file", "moto_bucket", "versitygw_bucket", "minio_bucket", "lent"]
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    match request.param:
        case "memory":
            one = MemoryStore()
            made = World(lambda: one)
        case "file":
            made = World(lambda: FileStore(tmp_path / "store"))
        case "lent":
            made = World(await make_borrower(request, tmp_path))
        case bucket:
            made = World(s3.make_place(*request.getfixturevalue(bucket)).make_store)
    yield made
    await made.close()


@pytest.fixture
async def variables(world: World) -> Variables:
    return await world.open()


@pytest.fixture
async def kept(world: World) -> Variables:
    """Variables that keep two older revisions."""
    return await world.open(history=2)


async def value_of(variables: Variables, place: Address | StateAddress = K) -> bytes | None:
    found = await variables.get(place)
    return await found.bytes() if found else None


async def expiry_of(variables: Variables) -> float | None:
    found = await variables.get(K)
    assert found is not None
    return found.expires_at


async def is_done(work: Awaitable[object], *, but: type[VarflowError]) -> bool:
    """Whether it succeeded; it may fail in one way."""
    try:
        await work
    except but:
        return False
    return True


# Set, create, get, remove


@pytest.mark.parametrize(
    "is_created", [pytest.param(False, id="PE-01 set"), pytest.param(True, id="PE-02 create")]
)
async def test_what_was_written_is_read_by_another_process(
    world: World, variables: Variables, is_created: bool
) -> None:
    info = await variables.set(K, b'"Persist"', create=is_created)
    other = await world.open()
    found = await other.get(K)

    assert found is not None
    assert (await found.bytes(), found.etag) == (b'"Persist"', info.etag)


@pytest.mark.parametrize("data", [b"b", LARGE], ids=["PE-03 small", "PE-03 large"])
async def test_a_second_create_is_a_duplicate_and_changes_nothing(
    variables: Variables, data: bytes
) -> None:
    first = await variables.set(K, b"a", ttl=60, create=True)
    with pytest.raises(VariableExists):
        await variables.set(K, data, ttl=5, create=True)
    found = await variables.get(K)

    assert found is not None
    assert (await found.bytes(), found.etag, found.expires_at) == (
        b"a",
        first.etag,
        first.expires_at,
    )


async def test_a_second_set_replaces_value_and_revision(variables: Variables) -> None:
    """PE-04."""
    first = await variables.set(K, b"test1")
    second = await variables.set(K, b"test2")

    assert await value_of(variables) == b"test2"
    assert second.etag != first.etag


async def test_removing_makes_it_absent_and_removing_nothing_is_no_error(
    variables: Variables,
) -> None:
    """PE-13, PE-14."""
    await variables.delete(K)
    await variables.set(K, b"v")
    await variables.delete(K)
    await variables.delete(K)

    assert await value_of(variables) is None


async def test_the_same_key_in_another_scope_is_another_variable(
    world: World, variables: Variables
) -> None:
    """PE-38."""
    for number, scope in enumerate(Scope):
        await variables.set(address("k", scope), scope.encode(), ttl=10 + number)
    found = [await variables.get(address("k", scope)) for scope in Scope]

    assert [await it.bytes() for it in found if it] == [scope.encode() for scope in Scope]
    assert [it.expires_at for it in found if it] == [world.clock.now + 10 + n for n in range(3)]


async def test_a_successor_of_a_workflow_finds_nothing_of_it(variables: Variables) -> None:
    """PE-39: it has another UID."""
    await variables.set(address("k", Scope.WORKFLOW), b"v")
    await variables.set(STATE, b"1")
    successor = replace(OWNERS, workflow="another-uid")

    assert await value_of(variables, Address(successor, Scope.WORKFLOW, "k")) is None
    assert await value_of(variables, replace(STATE, owners=successor)) is None


async def test_memory_is_not_shared_between_processes() -> None:
    """PE-21."""
    first, second = Variables(MemoryStore()), Variables(MemoryStore())
    await first.set(K, b"v")

    assert await value_of(second) is None


# Expiry


@pytest.mark.parametrize(
    ("ttl", "seconds", "is_there"),
    [
        pytest.param(0, 0, False, id="PE-05 of 0 at once"),
        pytest.param(10, 1, True, id="PE-05 of 10 after 1"),
        pytest.param(0.25, 0.125, True, id="PE-32 before"),
        pytest.param(0.25, 0.375, False, id="PE-32 after"),
        pytest.param(10, 10, False, id="PE-33 at that very moment"),
        pytest.param(CLEAR, 1e9, True, id="PE-20 cleared"),
        pytest.param(KEEP, 1e9, True, id="PE-07 never given"),
    ],
)
async def test_a_variable_is_there_until_its_time_is_over(
    world: World, variables: Variables, ttl: float, seconds: float, is_there: bool
) -> None:
    await variables.set(K, b"v", ttl=ttl)
    world.clock.now += seconds

    assert (await value_of(variables) is not None) is is_there


async def test_the_expiry_can_be_read(world: World, variables: Variables) -> None:
    """PE-06, PE-07."""
    await variables.set(K, b"v", ttl=10)
    assert await expiry_of(variables) == world.clock.now + 10
    await variables.set(address("other"), b"v")
    other = await variables.get(address("other"))
    assert other is not None
    assert other.expires_at is None


async def test_a_write_keeps_replaces_or_clears_the_expiry(
    world: World, variables: Variables
) -> None:
    """PE-18, PE-19, PE-20."""
    first = await variables.set(K, b"a", ttl=60)
    world.clock.now += 1
    assert (await variables.set(K, b"b")).expires_at == first.expires_at
    assert (await variables.set(K, b"c", ttl=5)).expires_at == world.clock.now + 5
    assert (await variables.set(K, b"d", ttl=CLEAR)).expires_at is None
    world.clock.now += 61

    assert await value_of(variables) == b"d"


async def test_an_expired_variable_is_absent_for_every_operation(
    world: World, variables: Variables
) -> None:
    """PE-15, and what drivers elsewhere disagree about."""
    old = await variables.set(K, b"old", ttl=1)
    world.clock.now += 1

    assert await variables.get(K) is None
    assert [info.key async for info in variables.list(OWNERS, Scope.NAMESPACE)] == []
    with pytest.raises(PreconditionFailed):
        await variables.set(K, b"new", if_match=old.etag)
    with pytest.raises(PreconditionFailed):
        await variables.delete(K, if_match=old.etag)
    with pytest.raises(VariableNotFound):
        await copying.copy(variables, K, address("copy"))
    assert await variables.get_revision(K, old.rev) is None
    await variables.delete(K)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"create": True}, id="PE-16 create"),
        pytest.param({}, id="PE-17 set"),
        pytest.param({"if_none_match": True}, id="if-none-match"),
        pytest.param({"ttl": 10}, id="PE-15 set with a ttl"),
    ],
)
async def test_an_expired_variable_is_written_as_a_new_one(
    world: World, variables: Variables, how: dict[str, bool]
) -> None:
    await variables.set(K, b"old", ttl=0, content_type="text/plain")
    info = await variables.set(K, b"new", **how)  # type: ignore[arg-type]  # as `set` takes them

    assert await value_of(variables) == b"new"
    assert info.expires_at == (world.clock.now + 10 if "ttl" in how else None)
    assert info.content_type == "application/octet-stream"


async def test_a_ttl_that_is_none_stores_nothing(variables: Variables) -> None:
    """PE-31."""
    for ttl in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidInput):
            await variables.set(K, b"v", ttl=ttl)

    assert await value_of(variables) is None


async def test_a_new_expiry_of_equal_bytes_changes_the_records_etag(
    world: World, variables: Variables
) -> None:
    """PE-26: who saw the record expired, and now acts on it, meets another one."""
    path = paths.variable(K)
    await variables.set(K, b"v", ttl=1)
    before = await variables.store.get(path)
    world.clock.now += 1
    await variables.set(K, b"v", ttl=3600)
    after = await variables.store.get(path)

    assert before is not None
    assert after is not None
    assert before.etag != after.etag


# Many at once


@pytest.mark.parametrize(
    ("start", "count"),
    [pytest.param("absent", 32, id="PE-22"), pytest.param("expired", 16, id="PE-23")],
)
async def test_of_many_creates_one_wins(
    world: World, variables: Variables, start: str, count: int
) -> None:
    if start == "expired":
        await variables.set(K, b"old", ttl=0)
    processes = [await world.open() for _ in range(4)]
    won = await asyncio.gather(
        *(
            is_done(processes[n % 4].set(K, b"%d" % n, create=True), but=VariableExists)
            for n in range(count)
        )
    )

    assert won.count(True) == 1
    assert await value_of(variables) == b"%d" % won.index(True)


async def test_of_many_that_compare_with_one_revision_one_wins(
    world: World, variables: Variables
) -> None:
    """PE-24."""
    old = await variables.set(K, b"a")
    processes = [await world.open() for _ in range(4)]
    won = await asyncio.gather(
        *(
            is_done(processes[n % 4].set(K, b"%d" % n, if_match=old.etag), but=PreconditionFailed)
            for n in range(16)
        )
    )

    assert won.count(True) == 1
    assert await value_of(variables) == b"%d" % won.index(True)


async def test_many_plain_writes_all_succeed_and_keep_the_expiry(
    world: World, variables: Variables
) -> None:
    """PE-25."""
    old = await variables.set(K, b"a", ttl=60)
    processes = [await world.open() for _ in range(4)]
    await asyncio.gather(*(processes[n % 4].set(K, b"%d" % n) for n in range(64)))
    found = await variables.get(K)

    assert found is not None
    assert int(await found.bytes()) in range(64)
    assert (found.expires_at, found.rev.partition("-")[0]) == (old.expires_at, "65")


async def test_a_stream_that_breaks_off_leaves_the_old_value(
    world: World, variables: Variables
) -> None:
    """PE-36."""
    await variables.set(K, b"old")
    with pytest.raises(ConnectionResetError):
        await variables.set(K, stores.failing_after(LARGE, LARGE, error=ConnectionResetError()))
    await variables.settle()

    assert await value_of(variables) == b"old"
    root = paths.namespace_prefix(OWNERS)
    assert await stores.paths_in(variables.store, f"{root}bodies/") == []


# Listing in pages


async def test_pages_have_each_key_once_in_the_order_of_its_bytes(
    world: World, variables: Variables
) -> None:
    keys = [f"k{number:03}" for number in range(70)] + ["é", "z z", "a%b", "K"]
    await asyncio.gather(*(variables.set(address(key), b"v") for key in keys))
    await variables.delete(address("k000"))
    await variables.set(address("k001"), b"v", ttl=0)
    seen: list[str] = []
    while page := await page_of(variables, after=seen[-1] if seen else "", length=20):
        seen += page

    assert seen == sorted(set(keys) - {"k000", "k001"}, key=str.encode)


async def page_of(variables: Variables, *, after: str, length: int) -> list[str]:
    page: list[str] = []
    listed = variables.list(OWNERS, Scope.NAMESPACE, after=after)
    async for info in listed:
        page.append(info.key)
        if len(page) == length:
            break
    await listed.aclose()
    return page


@pytest.mark.parametrize(
    "prefix", ["/", "//", "a//b", "../", "a\0", "k" * 300, "\udcff"], ids=ascii
)
async def test_a_prefix_that_no_key_can_have_lists_nothing(
    variables: Variables, prefix: str
) -> None:
    await variables.set(K, b"1")
    assert [it async for it in variables.list(OWNERS, Scope.NAMESPACE, prefix=prefix)] == []


async def test_a_page_costs_a_listing_and_a_read_for_each_entry(variables: Variables) -> None:
    for number in range(60):
        await variables.set(address(f"k{number:03}"), b"v")
    store = variables.store
    assert isinstance(store, CountingStore)
    store.take()
    await page_of(variables, after="k009", length=5)
    calls = store.take()

    assert calls["list"] == 1
    assert calls["get"] <= 5 + 16, "only so many are read ahead"


# Older revisions


async def test_older_revisions_can_be_read_as_many_as_are_kept(kept: Variables) -> None:
    infos = [await kept.set(K, b"%d" % n, content_type=f"text/x{n}") for n in range(4)]
    await kept.settle()
    found = [await kept.get_revision(K, info.rev) for info in infos]

    assert found[0] is None, "more than two older ones are not kept"
    assert [await it.bytes() for it in found if it] == [b"1", b"2", b"3"]
    assert [it.content_type for it in found if it] == ["text/x1", "text/x2", "text/x3"]
    assert [info.rev for info in await kept.revisions(K)] == [infos[2].rev, infos[1].rev]


async def test_an_older_revision_of_a_large_value_is_whole(world: World, kept: Variables) -> None:
    old = await kept.set(K, chunked(LARGE, 9000))
    await kept.set(K, b"small")
    other = await world.open()
    found = await other.get_revision(K, old.etag)

    assert found is not None
    assert await found.bytes() == LARGE


async def test_what_a_commit_replaces_is_kept_too(kept: Variables) -> None:
    old = await kept.set(K, b"old")
    new = await kept.store_content(OWNERS, b"new")
    await kept.commit(paths.decision(OWNERS, "1"), [Change(K, new)])
    await kept.settle()
    found = await kept.get_revision(K, old.rev)

    assert found is not None
    assert (await found.bytes(), await value_of(kept)) == (b"old", b"new")


@pytest.mark.parametrize("how", ["deleted", "deleted by a commit", "expired"])
async def test_older_revisions_are_gone_when_the_variable_is(
    world: World, kept: Variables, how: str
) -> None:
    old = await kept.set(K, b"old")
    await kept.set(K, b"new", ttl=5)
    if how == "expired":
        world.clock.now += 5
    elif how == "deleted":
        await kept.delete(K)
    else:
        await kept.commit(paths.decision(OWNERS, "1"), [Change(K, None)])
    assert await kept.get_revision(K, old.rev) is None
    assert await kept.revisions(K) == []

    world.clock.now += 1
    await kept.set(K, b"begun anew")
    assert await kept.get_revision(K, old.rev) is None


async def test_an_older_revision_does_not_outlive_its_own_expiry(
    world: World, kept: Variables
) -> None:
    old = await kept.set(K, b"token", ttl=60)
    await kept.set(K, b"no token", ttl=CLEAR)
    assert await kept.get_revision(K, old.rev) is not None
    world.clock.now += 60

    assert await kept.get_revision(K, old.rev) is None
    assert await value_of(kept) == b"no token"


async def test_without_a_history_only_the_present_revision_can_be_read(
    variables: Variables,
) -> None:
    old = await variables.set(K, b"old")
    new = await variables.set(K, b"new")
    root = paths.namespace_prefix(OWNERS)

    assert await variables.get_revision(K, old.rev) is None
    assert await variables.get_revision(K, new.rev) is not None
    assert await stores.paths_in(variables.store, f"{root}h/") == []


@pytest.mark.parametrize("text", ["", "3", "3-xyz", "../k", "3-0f1e2d3c/..", "W/3-0f1e2d3c"])
async def test_what_is_no_revision_is_refused(variables: Variables, text: str) -> None:
    with pytest.raises(InvalidInput, match="revision"):
        await variables.get_revision(K, text)


# Copying


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
async def test_a_copy_has_value_and_type_but_a_life_of_its_own(
    variables: Variables, data: bytes
) -> None:
    source, target = address("k", Scope.INSTANCE), address("copy", Scope.WORKFLOW)
    await variables.set(source, data, content_type="text/plain", ttl=60)
    info = await copying.copy(variables, source, target)
    await variables.end_instance(OWNERS)

    assert await value_of(variables, target) == data
    assert (info.content_type, info.expires_at) == ("text/plain", None)


async def test_an_older_revision_can_be_copied_back(kept: Variables) -> None:
    old = await kept.set(K, b"good")
    await kept.set(K, b"bad")
    await copying.copy(kept, K, K, rev=old.rev)

    assert await value_of(kept) == b"good"


async def test_copying_what_is_not_there_changes_nothing(variables: Variables) -> None:
    await variables.set(K, b"v")
    with pytest.raises(VariableNotFound, match="namespace/missing does not exist"):
        await copying.copy(variables, address("missing"), K)

    assert await value_of(variables) == b"v"


# States and ends


async def test_a_state_is_a_value_beside_the_variables(variables: Variables) -> None:
    first = await variables.set(STATE, b'{"max":7}', content_type="application/json")
    await variables.set(address("k", Scope.WORKFLOW), b"v")

    assert await value_of(variables, STATE) == b'{"max":7}'
    listed = [info.key async for info in variables.list(OWNERS, Scope.WORKFLOW)]
    assert listed == ["k"], "ST-09: no scope shows it"
    states = [info async for info in variables.list_states(OWNERS)]
    assert [(info.key, info.rev) for info in states] == [(STATE.key, first.rev)]


async def test_a_workflows_end_takes_variables_states_and_older_revisions_along(
    kept: Variables,
) -> None:
    stays = replace(OWNERS, workflow="neighbour")
    for owners in (OWNERS, stays):
        for data in (LARGE, b"v"):
            await kept.set(Address(owners, Scope.WORKFLOW, "k"), data)
        await kept.set(StateAddress(owners, "f/manual"), b"1")
    await kept.settle()
    assert await kept.remove_workflow(OWNERS) == 2

    root = paths.namespace_prefix(OWNERS)
    left = [paths.parse(path) for path in await stores.paths_in(kept.store, root)]
    assert {place.owner for place in left if place} == {"neighbour", ""}
    assert len([place for place in left if place and place.folder == "bodies"]) == 1
    assert await value_of(kept, StateAddress(stays, "f/manual")) == b"1"


async def test_a_namespaces_end_takes_everything_along(kept: Variables) -> None:
    for data in (LARGE, b"v"):
        await kept.set(K, data)
    await kept.set(STATE, b"1")
    await kept.settle()
    await kept.remove_namespace(OWNERS)

    assert await stores.paths_in(kept.store, paths.namespace_prefix(OWNERS)) == []
