"""One variable: get, set, delete, expiry, conditions, streams, listing; over the memory driver.

The drivers have their own suite. The numbers in brackets are cases of the persist conformance list.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.crashing import CountingStore
from tests.support.variables import OWNERS, Clock, address, chunked, paths_of
from varflow.errors import (
    CorruptObject,
    InvalidInput,
    PreconditionFailed,
    StoreFull,
    StoreLayoutUnknown,
    StoreMissing,
    TooLarge,
    VariableExists,
)
from varflow.variables import expiries, paths, records
from varflow.variables.scopes import Scope
from varflow.variables.stores.base import ABSENT, Condition, Conflict, Listed
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import CLEAR, Variables
from varflow.variables.writes import pendings

K = address()
LARGE = bytes(range(256)) * 300
"""Longer than a record takes."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def variables(store: MemoryStore, clock: Clock) -> AsyncIterator[Variables]:
    made = Variables(store, clock=clock, writer="tester")
    await made.open()
    yield made
    await made.close()


async def value_of(variables: Variables, key: str = "k") -> bytes | None:
    found = await variables.get(address(key))
    return await found.bytes() if found else None


async def test_what_was_set_is_got_with_all_that_is_known(
    variables: Variables, clock: Clock
) -> None:
    info = await variables.set(K, b'"Persist"', content_type="application/json", ttl=60)
    found = await variables.get(K)

    assert found is not None
    assert await found.bytes() == b'"Persist"'
    assert (found.key, found.size, found.content_type) == ("k", 9, "application/json")
    assert found.created_at == found.updated_at == clock.now
    assert found.expires_at == clock.now + 60
    assert found.writer == "tester"
    assert found.etag == f'"{found.rev}"' == info.etag


async def test_what_was_never_set_is_not_there(variables: Variables) -> None:
    assert await variables.get(K) is None


@pytest.mark.parametrize("data", [b"", b"0", b"null", LARGE], ids=["empty", "0", "null", "large"])
async def test_bytes_are_kept_as_they_are(variables: Variables, data: bytes) -> None:
    await variables.set(K, data)

    assert await value_of(variables) == data


async def test_a_new_revision_comes_with_every_write_also_of_equal_bytes(
    variables: Variables, clock: Clock
) -> None:
    first = await variables.set(K, b"v")
    clock.now += 5
    second = await variables.set(K, b"v")

    assert second.rev != first.rev
    assert second.created_at == first.created_at
    assert second.updated_at == first.updated_at + 5


async def test_a_content_type_stays_until_another_is_given(variables: Variables) -> None:
    assert (await variables.set(K, b"1")).content_type == "application/octet-stream"
    assert (await variables.set(K, b"2", content_type="text/plain")).content_type == "text/plain"
    assert (await variables.set(K, b"3")).content_type == "text/plain"


@pytest.mark.parametrize("bad", ["", "a\r\nX-Evil: 1", "té/xt", "t" * 256], ids=ascii)
async def test_a_content_type_that_no_header_can_hold_is_refused(
    variables: Variables, bad: str
) -> None:
    with pytest.raises(InvalidInput, match="content type"):
        await variables.set(K, b"v", content_type=bad)


async def test_scopes_are_independent(variables: Variables) -> None:
    for scope in Scope:
        await variables.set(address("k", scope), scope.encode())

    for scope in Scope:
        found = await variables.get(address("k", scope))
        assert found is not None
        assert await found.bytes() == scope.encode()


# Deleting


async def test_a_deleted_variable_is_gone_and_deleting_again_writes_nothing() -> None:
    store = CountingStore(MemoryStore())
    variables = Variables(store)
    await variables.set(K, b"v")
    await variables.delete(K)
    store.take()

    await variables.delete(K)
    assert store.take() == {"get": 1}
    assert await variables.get(K) is None


async def test_a_variable_begins_anew_after_its_deletion(
    variables: Variables, clock: Clock
) -> None:
    await variables.set(K, b"v", content_type="text/plain", ttl=60)
    await variables.delete(K)
    clock.now += 5
    info = await variables.set(K, b"w")

    assert info.content_type == "application/octet-stream"
    assert info.expires_at is None
    assert info.created_at == clock.now


# Conditions


async def test_create_meets_a_live_variable_and_changes_nothing(variables: Variables) -> None:
    first = await variables.set(K, b"a", ttl=60, create=True)
    with pytest.raises(VariableExists, match="namespace/k"):
        await variables.set(K, b"b", create=True)

    found = await variables.get(K)
    assert found is not None
    assert (found.rev, found.expires_at) == (first.rev, first.expires_at)


async def test_if_none_match_fails_on_a_live_variable(variables: Variables) -> None:
    await variables.set(K, b"a", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        await variables.set(K, b"b", if_none_match=True)


@pytest.mark.parametrize(
    "form", ["{etag}", "{rev}", "*", '"x", {etag}'], ids=["quoted", "bare", "any", "list"]
)
async def test_if_match_holds_for_the_present_revision(variables: Variables, form: str) -> None:
    info = await variables.set(K, b"a")
    await variables.set(K, b"b", if_match=form.format(etag=info.etag, rev=info.rev))

    assert await value_of(variables) == b"b"


async def test_if_match_fails_for_another_revision_and_for_none(variables: Variables) -> None:
    with pytest.raises(PreconditionFailed, match="does not exist"):
        await variables.set(K, b"b", if_match="*")
    old = await variables.set(K, b"a")
    new = await variables.set(K, b"b")

    with pytest.raises(PreconditionFailed, match=new.rev):
        await variables.set(K, b"c", if_match=old.etag)
    with pytest.raises(PreconditionFailed):
        await variables.delete(K, if_match=old.etag)
    with pytest.raises(PreconditionFailed):
        await variables.set(K, b"c", if_match="W/" + new.etag)
    await variables.delete(K, if_match=new.etag)
    assert await value_of(variables) is None


@pytest.mark.parametrize("start", ["absent", "expired"])
async def test_of_many_creates_exactly_one_succeeds(
    variables: Variables, store: MemoryStore, clock: Clock, start: str
) -> None:
    """PE-22, PE-23."""
    if start == "expired":
        await variables.set(K, b"old", ttl=0)
    others = [Variables(store, clock=clock) for _ in range(16)]
    results = await asyncio.gather(
        *(v.set(K, b"%d" % n, create=True) for n, v in enumerate(others)), return_exceptions=True
    )

    won = [n for n, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(result, VariableExists) for result in results) == 15
    assert await value_of(variables) == b"%d" % won[0]


async def test_a_counter_by_compare_and_swap_loses_nothing(store: MemoryStore) -> None:
    async def count(variables: Variables) -> None:
        done = 0
        while done < 10:
            found = await variables.get(K)
            assert found is not None
            try:
                next_value = b"%d" % (int(await found.bytes()) + 1)
                await variables.set(K, next_value, if_match=found.etag)
            except PreconditionFailed:
                continue
            done += 1

    first = Variables(store)
    await first.set(K, b"0")
    await asyncio.gather(*(count(Variables(YieldingStore(store))) for _ in range(8)))
    assert await value_of(first) == b"80"


class YieldingStore(CountingStore):
    """Lets others run between any two calls, as a real store does."""

    async def _begin(self, call: str, path: str) -> int:
        await asyncio.sleep(0)
        return await super()._begin(call, path)


async def test_unconditional_writes_never_fail_for_contention(store: MemoryStore) -> None:
    """PE-25."""
    first = Variables(store)
    before = await first.set(K, b"0", ttl=3600)
    writers = [Variables(YieldingStore(store)) for _ in range(64)]
    await asyncio.gather(*(w.set(K, b"%d" % n) for n, w in enumerate(writers)))

    found = await first.get(K)
    assert found is not None
    assert found.rev.startswith("65-")
    assert found.expires_at == before.expires_at


# Expiry


async def test_a_variable_is_absent_from_the_moment_it_expires(
    variables: Variables, clock: Clock
) -> None:
    """PE-32, PE-33."""
    await variables.set(K, b"v", ttl=0.25)
    clock.now += 0.125
    assert await value_of(variables) == b"v"
    clock.now += 0.125
    assert await value_of(variables) is None
    assert [info async for info in variables.list(OWNERS, Scope.NAMESPACE)] == []


async def test_a_ttl_of_0_is_stored_expired(variables: Variables) -> None:
    await variables.set(K, b"v", ttl=0)

    assert await variables.get(K) is None


async def test_expiry_is_kept_replaced_and_cleared(variables: Variables, clock: Clock) -> None:
    """PE-18, PE-19, PE-20."""
    first = await variables.set(K, b"a", ttl=60)
    assert (await variables.set(K, b"b")).expires_at == first.expires_at
    assert (await variables.set(K, b"c", ttl=5)).expires_at == clock.now + 5
    assert (await variables.set(K, b"d", ttl=CLEAR)).expires_at is None


@pytest.mark.parametrize("is_created", [False, True], ids=["set", "create"])
async def test_an_expired_variable_is_written_as_a_new_one(
    variables: Variables, clock: Clock, is_created: bool
) -> None:
    """PE-16, PE-17: upstream drivers keep the old expiry here, so that the value is invisible."""
    await variables.set(K, b"old", content_type="text/plain", ttl=1)
    clock.now += 2
    info = await variables.set(K, b"new", create=is_created)

    assert await value_of(variables) == b"new"
    assert info.expires_at is None
    assert info.content_type == "application/octet-stream"
    assert info.created_at == clock.now


async def test_an_expired_variable_matches_nothing(variables: Variables, clock: Clock) -> None:
    old = await variables.set(K, b"old", ttl=1)
    clock.now += 2

    with pytest.raises(PreconditionFailed, match="does not exist"):
        await variables.set(K, b"new", if_match=old.etag)


@pytest.mark.parametrize("text", ["-1", "abc", "nan", "1e400", "", "90s", "4e9"])
async def test_a_ttl_that_is_none_is_refused(text: str) -> None:
    """PE-31."""
    with pytest.raises(InvalidInput, match="ttl"):
        expiries.parse(text)


@pytest.mark.parametrize("ttl", [-1.0, math.nan, math.inf])
async def test_a_ttl_that_cannot_be_stored_leaves_nothing(
    variables: Variables, store: MemoryStore, ttl: float
) -> None:
    with pytest.raises(InvalidInput):
        await variables.set(K, b"v", ttl=ttl)
    assert await paths_of(store, "/n/") == []


# Streams


@given(size=st.integers(0, 70_000), start=st.integers(0, 80_000), length=st.integers(0, 80_000))
async def test_any_range_of_any_value_can_be_read(size: int, start: int, length: int) -> None:
    data = (LARGE * 2)[:size]
    variables = Variables(MemoryStore())
    await variables.set(K, chunked(data, 9000))
    found = await variables.get(K)

    assert found is not None
    assert await found.bytes() == data
    part = b"".join([chunk async for chunk in found.read(start, length)])
    assert part == data[start : start + length]
    rest = b"".join([chunk async for chunk in found.read(start)])
    assert rest == data[start:]


async def test_long_chunks_are_hashed_in_threads_and_in_order(variables: Variables) -> None:
    data = LARGE * 40
    await variables.set(K, chunked(data, 700_000))

    assert await value_of(variables) == data


@pytest.mark.parametrize("size", [records.INLINE_BYTES, records.INLINE_BYTES + 1])
async def test_only_what_a_record_cannot_take_becomes_a_body(
    variables: Variables, store: MemoryStore, size: int
) -> None:
    await variables.set(K, b"x" * size)

    assert len(await paths_of(store, "/bodies/")) == (size > records.INLINE_BYTES)


@pytest.mark.parametrize("is_stream", [False, True], ids=["bytes", "stream"])
@pytest.mark.parametrize("size", [101, 70_000])
async def test_a_value_over_the_limit_leaves_nothing(
    store: MemoryStore, size: int, is_stream: bool
) -> None:
    variables = Variables(store, max_bytes=min(size - 1, 60_000))
    await variables.set(K, b"before")
    data = b"x" * size
    with pytest.raises(TooLarge):
        await variables.set(K, chunked(data) if is_stream else data)

    assert await value_of(variables) == b"before"
    assert await paths_of(store, "/bodies/") == []


async def test_a_stream_that_breaks_off_leaves_nothing(
    variables: Variables, store: MemoryStore
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await variables.set(K, broken())
    assert await paths_of(store, "v1/") == []


async def test_a_large_value_whose_condition_fails_is_not_even_read(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.set(K, b"a")
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield LARGE

    with pytest.raises(VariableExists):
        await variables.set(K, endless(), create=True)
    assert taken == 1
    assert await paths_of(store, "/bodies/") == []


class RefusingStore(MemoryStore):
    """Lets a test decide what becomes of writes to records."""

    error: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        self.reached.set()
        await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return await super().put(path, data, condition=condition)


async def test_the_body_goes_when_its_record_cannot_be_written() -> None:
    store = RefusingStore()
    store.error = StoreFull("no room")
    variables = Variables(store)
    with pytest.raises(StoreFull):
        await variables.set(K, LARGE)
    await variables.settle()

    assert await paths_of(store) == []


class LateStore(MemoryStore):
    """Says late that a record was written."""

    def __init__(self) -> None:
        super().__init__()
        self.is_written, self.may_say_so = asyncio.Event(), asyncio.Event()

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        etag = await super().put(path, data, condition=condition)
        if path == paths.variable(K) and not self.is_written.is_set():
            self.is_written.set()
            await self.may_say_so.wait()
        return etag


async def test_what_a_cancelled_write_has_written_stays_an_older_revision() -> None:
    store = LateStore()
    one, other = (Variables(store, history=2) for _ in range(2))
    await one.open()

    task = asyncio.create_task(one.set(K, LARGE))
    await store.is_written.wait()
    task.cancel()
    written = await other.get(K)
    await other.set(K, b"newer")
    store.may_say_so.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one.close()

    assert written is not None
    older = await other.get_revision(K, written.rev)
    assert older is not None
    assert await older.bytes() == LARGE


async def test_of_what_two_write_in_turn_the_last_revisions_are_kept(store: MemoryStore) -> None:
    one, other = (Variables(store, history=2) for _ in range(2))
    await one.set(K, b"1")
    for data in (b"2", b"3", b"4"):
        await other.set(K, data)
        await other.settle()
    await one.set(K, b"5")
    await one.settle()

    older = [info.open(store) for info in await one.revisions(K)]
    assert [await it.bytes() for it in older] == [b"4", b"3"]


class LateListingStore(MemoryStore):
    """Lists no revisions before a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_list = asyncio.Event()

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        if prefix == paths.revisions_prefix(paths.variable(K)):
            await self.may_list.wait()
        async for listed in super().list(prefix, after=after):
            yield listed


async def test_a_late_end_of_a_variable_leaves_the_revisions_of_the_one_after_it(
    clock: Clock,
) -> None:
    store = LateListingStore()
    variables = Variables(store, history=2, clock=clock)
    await variables.set(K, b"of the life before")

    await variables.delete(K)
    clock.now += 1
    older = await variables.set(K, b"older")
    await variables.set(K, b"newer")
    store.may_list.set()
    await variables.settle()

    found = await variables.get_revision(K, older.rev)
    assert found is not None
    assert await found.bytes() == b"older"


async def test_an_older_revision_that_was_written_again_goes_when_its_turn_has_come() -> None:
    store = MemoryStore()
    variables = Variables(store, history=2)
    infos = [await variables.set(K, b"%d" % number) for number in range(3)]
    await variables.settle()
    path = paths.revision(paths.variable(K), infos[0].rev)
    seen = await pendings.read(store, path)
    await pendings.write(store, path, seen.current, over=seen)

    assert [info.rev for info in await variables.revisions(K)] == [infos[1].rev, infos[0].rev]
    await variables.set(K, b"3")
    await variables.settle()

    assert [info.rev for info in await variables.revisions(K)] == [infos[2].rev, infos[1].rev]


async def test_a_cancelled_write_is_whole_or_not_there() -> None:
    store = RefusingStore()
    store.may_go_on.clear()
    variables = Variables(store)
    task = asyncio.create_task(variables.set(K, LARGE))
    await store.reached.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(store.may_go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    await variables.settle()

    assert await value_of(variables) == LARGE


async def test_a_write_that_is_cancelled_twice_is_whole_or_not_there() -> None:
    store = RefusingStore()
    store.may_go_on.clear()
    variables = Variables(store)
    task = asyncio.create_task(variables.set(K, LARGE))
    await store.reached.wait()
    for _ in range(3):  # by its caller, and again because the program ends
        task.cancel()
        await asyncio.sleep(0)
    await variables.settle()
    store.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await variables.settle()

    assert await value_of(variables) == LARGE


# Damage


async def test_a_damaged_record_is_an_error_and_not_absent(
    variables: Variables, store: MemoryStore
) -> None:
    await variables.set(K, b"value")
    found = await store.get(paths.variable(K))
    assert found is not None
    await store.put(paths.variable(K), found.data[:-1])

    with pytest.raises(CorruptObject, match="/n/k"):
        await variables.get(K)
    with pytest.raises(CorruptObject, match="/n/k"):
        await variables.set(K, b"new")


@pytest.mark.parametrize("damage", ["other bytes", "shorter", "gone"])
async def test_a_damaged_body_is_an_error_that_names_the_variable(
    variables: Variables, store: MemoryStore, damage: str
) -> None:
    await variables.set(K, LARGE)
    (path,) = await paths_of(store, "/bodies/")
    await store.delete(path)
    if damage != "gone":
        await store.write_body(path, chunked(LARGE[:-1] + b"x" * (damage == "other bytes")))

    with pytest.raises(CorruptObject, match="namespace/k"):
        await value_of(variables)


# Listing


async def test_a_listing_says_everything_but_the_values(variables: Variables) -> None:
    for key in ("b", "a", "é", "a.b"):
        await variables.set(address(key), key.encode(), content_type="text/plain")
    await variables.delete(address("b"))
    infos = [info async for info in variables.list(OWNERS, Scope.NAMESPACE)]

    assert [info.key for info in infos] == ["a", "a.b", "é"]
    assert [info.size for info in infos] == [1, 3, 2]
    assert not hasattr(infos[0], "read")


async def test_a_listing_goes_on_after_a_key_and_keeps_to_its_prefix_and_scope(
    variables: Variables,
) -> None:
    for number in range(40):
        await variables.set(address(f"k{number:02}"), b"")
    await variables.set(address("other"), b"")
    await variables.set(address("k00", Scope.WORKFLOW), b"")
    listed = variables.list(OWNERS, Scope.NAMESPACE, prefix="k", after="k36")

    assert [info.key async for info in listed] == ["k37", "k38", "k39"]


async def test_a_listing_can_be_left_early(variables: Variables) -> None:
    for number in range(40):
        await variables.set(address(f"k{number:02}"), b"")
    async for info in variables.list(OWNERS, Scope.NAMESPACE):
        assert info.key == "k00"
        break


# Requests


async def test_a_small_read_is_one_request_and_a_small_write_two_then_one() -> None:
    store = CountingStore(MemoryStore())
    variables = Variables(store)
    await variables.set(K, b"v")
    assert store.take() == {"get": 1, "put": 1}
    await variables.set(K, b"w")
    assert store.take() == {"put": 1}
    await variables.get(K)
    assert store.take() == {"get": 1}


async def test_what_another_process_wrote_is_not_overlooked_by_what_is_remembered(
    store: MemoryStore, clock: Clock
) -> None:
    mine, other = Variables(store, clock=clock), Variables(store, clock=clock)
    await mine.set(K, b"mine")
    theirs = await other.set(K, b"theirs", ttl=60, content_type="text/plain")

    assert (await mine.set(K, b"again", if_match=theirs.etag)).expires_at == theirs.expires_at
    await other.delete(K)
    assert (await mine.set(K, b"new", create=True)).content_type == "application/octet-stream"


# The store


async def test_an_empty_store_gets_a_marker_that_later_versions_can_refuse() -> None:
    store = MemoryStore()
    await Variables(store).open()
    assert await paths_of(store) == ["varflow.json"]
    await Variables(store).open()

    await store.put("varflow.json", b'{"layout": 2}')
    with pytest.raises(StoreLayoutUnknown, match="layout 2"):
        await Variables(store).open()
    await store.put("varflow.json", b"{")
    with pytest.raises(CorruptObject, match=r"varflow\.json"):
        await Variables(store).open()


async def test_a_place_without_a_marker_is_no_store_to_who_makes_none(tmp_path: Path) -> None:
    variables = Variables(FileStore(tmp_path, creates=False))
    with pytest.raises(StoreMissing, match=r"no store at file://.* has no varflow\.json"):
        await variables.open(creates=False)
    await variables.close()
    assert os.listdir(tmp_path) == []

    for creates in (True, False):
        await variables.open(creates=creates)
        await variables.close()


async def test_a_store_that_begins_empty_each_time_needs_no_marker() -> None:
    await Variables(MemoryStore()).open(creates=False)


async def test_two_that_open_an_empty_store_at_once_agree() -> None:
    class Racing(MemoryStore):
        async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
            if condition is ABSENT:
                await super().put(path, data)
                raise Conflict
            return await super().put(path, data, condition=condition)

    await Variables(Racing()).open()
