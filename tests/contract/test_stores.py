"""What every store driver promises (stores/base.py), one suite for all of them.

A driver joins by a subclass of `StoreContract` with a `store` fixture, and a machine of
`StoreMachine` that makes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support import encryption, lending, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.variables import OWNERS
from varflow.errors import CorruptObject
from varflow.variables.stores.base import (
    ABSENT,
    CHUNK_BYTES,
    RECORD_MAX_BYTES,
    Condition,
    Conflict,
    ObjectStore,
)
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.stores.scanning import Scan, Scanning

T = TypeVar("T")

BIG = bytes(range(256)) * (5 * CHUNK_BYTES // 512)
"""Two and a half chunks."""


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


weird = pytest.mark.parametrize(
    "key", [pytest.param(key, id=name) for name, key in stores.WEIRD_KEYS.items()]
)


async def is_taken(put: Awaitable[str]) -> bool:
    """Whether a conditional write took effect."""
    try:
        await put
    except Conflict:
        return False
    return True


class StoreContract:
    """The suite. `self.leftovers()` lists what a driver may not leave behind, if it can tell."""

    def leftovers(self) -> list[str]:
        return []

    # Records.

    async def test_a_record_comes_back_with_the_etag_of_its_put(self, store: ObjectStore) -> None:
        etag = await store.put("v1/ns/n/counter", b"1")
        found = await store.get("v1/ns/n/counter")
        assert found
        assert (found.data, found.etag) == (b"1", etag)

    async def test_a_record_that_is_not_there_is_none(self, store: ObjectStore) -> None:
        await store.put("a/b", b"1")
        assert await store.get("a/c") is None
        assert await store.get("other/folder") is None
        assert await store.get("a") is None
        assert await store.get("a/b/c") is None

    @pytest.mark.parametrize(
        "size", [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, RECORD_MAX_BYTES]
    )
    async def test_a_record_of_any_size_comes_back_whole(
        self, store: ObjectStore, size: int
    ) -> None:
        data = bytes(size // 2) + b"x" * (size - size // 2)
        etag = await store.put("r", data)
        found = await store.get("r")
        assert found
        assert found.data == data
        assert found.etag == etag

    async def test_different_bytes_have_different_etags(self, store: ObjectStore) -> None:
        assert await store.put("r", b"1") != await store.put("r", b"2")

    async def test_a_put_copies_its_buffer(self, store: ObjectStore) -> None:
        buffer: Any = bytearray(b"before")
        await store.put("r", buffer)
        buffer[:] = b"after!"
        assert await stores.data_of(store, "r") == b"before"

    async def test_a_put_without_a_condition_replaces(self, store: ObjectStore) -> None:
        await store.put("r", b"longer than the next")
        await store.put("r", b"2")
        assert await stores.data_of(store, "r") == b"2"

    async def test_absent_creates_what_is_missing(self, store: ObjectStore) -> None:
        await store.put("r", b"1", condition=ABSENT)
        assert await stores.data_of(store, "r") == b"1"

    async def test_absent_leaves_what_is_there_untouched(self, store: ObjectStore) -> None:
        etag = await store.put("r", b"1")
        with pytest.raises(Conflict):
            await store.put("r", b"2", condition=ABSENT)
        found = await store.get("r")
        assert found
        assert (found.data, found.etag) == (b"1", etag)

    async def test_an_etag_that_is_still_there_lets_the_put_through(
        self, store: ObjectStore
    ) -> None:
        first = await store.put("r", b"1")
        second = await store.put("r", b"2", condition=first)
        await store.put("r", b"3", condition=second)
        assert await stores.data_of(store, "r") == b"3"

    async def test_an_etag_that_was_replaced_is_a_conflict(self, store: ObjectStore) -> None:
        first = await store.put("r", b"1")
        await store.put("r", b"2")
        with pytest.raises(Conflict):
            await store.put("r", b"3", condition=first)
        assert await stores.data_of(store, "r") == b"2"

    async def test_an_etag_of_a_record_that_is_gone_is_a_conflict(self, store: ObjectStore) -> None:
        etag = await store.put("r", b"1")
        await store.delete("r")
        with pytest.raises(Conflict):
            await store.put("r", b"2", condition=etag)
        assert await store.get("r") is None

    async def test_an_etag_of_another_record_is_a_conflict(self, store: ObjectStore) -> None:
        await store.put("r", b"1")
        other = await store.put("s", b"2")
        with pytest.raises(Conflict):
            await store.put("r", b"3", condition=other)

    # Deleting.

    async def test_deleting_twice_is_no_error(self, store: ObjectStore) -> None:
        await store.put("a/b/c", b"1")
        await store.delete("a/b/c")
        await store.delete("a/b/c")
        assert await store.get("a/b/c") is None
        assert await stores.paths_in(store) == []

    async def test_deleting_what_never_was_is_no_error(self, store: ObjectStore) -> None:
        await store.delete("never/was")

    async def test_deleting_leaves_the_neighbours(self, store: ObjectStore) -> None:
        for path in ("a", "a/b", "a/b/c", "a/bc"):
            await store.put(path, path.encode())
        await store.delete("a/b")
        assert await stores.paths_in(store) == ["a", "a/b/c", "a/bc"]

    async def test_what_was_deleted_can_be_created_again(self, store: ObjectStore) -> None:
        for data in (b"1", b"2", b"3"):
            await store.put("a/b/r", data, condition=ABSENT)
            assert await stores.data_of(store, "a/b/r") == data
            await store.delete("a/b/r")

    async def test_a_body_can_be_deleted(self, store: ObjectStore) -> None:
        await store.write_body("bodies/1", stores.chunks_of(BIG))
        await store.delete("bodies/1")
        assert await stores.paths_in(store) == []
        with pytest.raises(CorruptObject):
            await stores.body_of(store, "bodies/1")

    # Names.

    @weird
    async def test_a_weird_name_is_kept(self, store: ObjectStore, key: str) -> None:
        await store.put(f"n/{key}", b"record")
        await store.put(f"n/{key}/below", b"below")
        await store.write_body(f"bodies/{key}", stores.chunks_of(b"body"))
        assert await stores.data_of(store, f"n/{key}") == b"record"
        assert await stores.data_of(store, f"n/{key}/below") == b"below"
        assert await stores.body_of(store, f"bodies/{key}") == b"body"
        assert await stores.paths_in(store, "n/") == [f"n/{key}", f"n/{key}/below"]
        assert await stores.paths_in(store, f"n/{key}/") == [f"n/{key}/below"]

    async def test_no_two_names_are_one(self, store: ObjectStore) -> None:
        keys = list(stores.WEIRD_KEYS.values())
        await asyncio.gather(
            *(store.put(f"n/{key}", key.encode(), condition=ABSENT) for key in keys)
        )
        for key in keys:
            assert await stores.data_of(store, f"n/{key}") == key.encode()
        assert await stores.paths_in(store) == sorted(f"n/{key}" for key in keys)

    async def test_an_object_may_be_the_prefix_of_others(self, store: ObjectStore) -> None:
        await store.put("a/b", b"below")
        await store.put("a", b"above")
        await store.write_body("a/b/c", stores.chunks_of(b"deeper"))
        assert await stores.paths_in(store) == ["a", "a/b", "a/b/c"]
        await store.delete("a/b")
        assert await stores.data_of(store, "a") == b"above"
        assert await stores.body_of(store, "a/b/c") == b"deeper"

    # Bodies.

    @pytest.mark.parametrize(
        "chunks",
        [
            pytest.param((), id="no chunk"),
            pytest.param((b"",), id="an empty chunk"),
            pytest.param((b"a", b"", b"bc"), id="small chunks"),
            pytest.param((BIG,), id="one big chunk"),
            pytest.param((b"x" * CHUNK_BYTES,) * 3, id="whole chunks"),
            pytest.param((b"1234567",) * 5000, id="many small chunks"),
            pytest.param((b"x" * (CHUNK_BYTES - 1), BIG, b"yz"), id="uneven chunks"),
        ],
    )
    async def test_a_body_comes_back_whole(
        self, store: ObjectStore, chunks: tuple[bytes, ...]
    ) -> None:
        whole = b"".join(chunks)
        assert await store.write_body("b/1", stores.chunks_of(*chunks)) == len(whole)
        assert await stores.body_of(store, "b/1") == whole
        listed = [listed async for listed in store.list("b/")]
        assert [(each.path, each.size) for each in listed] == [("b/1", len(whole))]

    @pytest.mark.parametrize(
        ("start", "length"),
        [
            (0, 1),
            (0, len(BIG)),
            (1, None),
            (CHUNK_BYTES - 1, 2),
            (CHUNK_BYTES, CHUNK_BYTES),
            (7, 2 * CHUNK_BYTES),
            (len(BIG) - 1, 1),
            (len(BIG), None),
            (len(BIG), 0),
            (5, 0),
        ],
    )
    async def test_a_range_is_what_was_asked_for(
        self, store: ObjectStore, start: int, length: int | None
    ) -> None:
        await store.write_body("b", stores.chunks_of(BIG))
        end = len(BIG) if length is None else start + length
        assert await stores.body_of(store, "b", start=start, length=length) == BIG[start:end]

    @pytest.mark.parametrize(
        ("start", "length"), [(0, 11), (10, 1), (11, 0), (11, None), (5, 2**40)]
    )
    async def test_a_range_beyond_the_end_is_an_error_before_the_first_byte(
        self, store: ObjectStore, start: int, length: int | None
    ) -> None:
        await store.write_body("b", stores.chunks_of(b"0123456789"))
        body = store.read_body("b", start=start, length=length)
        with pytest.raises(CorruptObject):
            await anext(body)

    async def test_a_body_is_read_in_bounded_chunks(self, store: ObjectStore) -> None:
        await store.write_body("b", stores.chunks_of(BIG))
        async for chunk in store.read_body("b"):
            assert 0 < len(chunk) <= 2 * CHUNK_BYTES

    async def test_a_body_that_is_not_there_is_corruption(self, store: ObjectStore) -> None:
        with pytest.raises(CorruptObject, match="nowhere"):
            await stores.body_of(store, "nowhere")

    async def test_a_body_that_is_deleted_while_it_is_read_is_whole_or_an_error(
        self, store: ObjectStore
    ) -> None:
        await store.write_body("b", stores.chunks_of(BIG))
        body = store.read_body("b")
        read = await anext(body)
        await store.delete("b")
        with contextlib.suppress(CorruptObject):
            async for chunk in body:
                read += chunk
            assert read == BIG

    async def test_a_reader_may_stop_anywhere(self, store: ObjectStore) -> None:
        await store.write_body("b", stores.chunks_of(BIG))
        body = store.read_body("b")
        await anext(body)
        await asyncio.wait_for(close(body), timeout=10)
        assert await stores.body_of(store, "b") == BIG

    @pytest.mark.parametrize("size", [0, 3, len(BIG)])
    async def test_a_source_that_fails_leaves_nothing(self, store: ObjectStore, size: int) -> None:
        error = ValueError("the client went away")
        with pytest.raises(ValueError, match="went away") as raised:
            await store.write_body("b/1", stores.failing_after(BIG[:size], error=error))
        assert raised.value is error
        assert await stores.paths_in(store) == []
        assert self.leftovers() == []

    @pytest.mark.parametrize("size", [0, 3, len(BIG)])
    async def test_a_cancelled_body_leaves_nothing(self, store: ObjectStore, size: int) -> None:
        has_begun = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            yield BIG[:size]
            has_begun.set()
            await asyncio.Event().wait()

        writing = asyncio.create_task(store.write_body("b/1", stalled()))
        await has_begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await stores.paths_in(store) == []
        assert self.leftovers() == []

    @pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 10, 20, 50])
    async def test_a_body_cancelled_at_any_step_is_whole_or_absent(
        self, store: ObjectStore, steps: int
    ) -> None:
        writing = asyncio.create_task(store.write_body("b/1", stores.chunks_of(BIG, BIG)))
        assert await is_cancelled_after(steps, writing) is (await stores.paths_in(store) == [])
        assert self.leftovers() == []

    @pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 10, 20, 50])
    async def test_a_put_cancelled_at_any_step_is_settled(
        self, store: ObjectStore, steps: int
    ) -> None:
        await store.put("r", b"old")
        writing = asyncio.create_task(store.put("r", b"new"))
        await is_cancelled_after(steps, writing)
        settled = await stores.data_of(store, "r")
        assert settled in {b"old", b"new"}
        await store.put("s", b"something else meanwhile")
        assert await stores.data_of(store, "r") == settled
        assert self.leftovers() == []

    # Listing.

    async def test_a_listing_is_in_the_order_of_the_paths_bytes(self, store: ObjectStore) -> None:
        paths = ["a", "a-b", "a/b", "a/b/c", "a0", "A", "a\u00e9", "\uffff", "\U0001f600", "z/z"]
        paths += [f"a{char}" for char in "!+.=~^%"] + ["k" * 253, "k" * 199, "k" * 200 + "/x"]
        await asyncio.gather(*(store.put(path, b"") for path in paths))
        assert await stores.paths_in(store) == sorted(paths, key=str.encode)

    async def test_a_listing_shows_size_and_time(self, store: ObjectStore) -> None:
        await store.put("r", b"12345")
        (first,) = [listed async for listed in store.list("")]
        await store.put("r", b"123")
        (second,) = [listed async for listed in store.list("")]
        assert (first.size, second.size) == (5, 3)
        assert 1_600_000_000 < first.modified <= second.modified

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("", ["a/b", "a/bc", "a/bc/d", "ab"]),
            ("a", ["a/b", "a/bc", "a/bc/d", "ab"]),
            ("a/", ["a/b", "a/bc", "a/bc/d"]),
            ("a/b", ["a/b", "a/bc", "a/bc/d"]),
            ("a/bc", ["a/bc", "a/bc/d"]),
            ("a/b/", []),
            ("b", []),
            ("nowhere/at/all", []),
        ],
    )
    async def test_a_prefix_is_of_characters_not_of_folders(
        self, store: ObjectStore, prefix: str, found: list[str]
    ) -> None:
        await asyncio.gather(*(store.put(p, b"") for p in ("a/b", "a/bc", "a/bc/d", "ab")))
        assert await stores.paths_in(store, prefix) == found

    async def test_after_goes_on_where_a_listing_stopped(self, store: ObjectStore) -> None:
        paths = ["a", "a-", "a/b", "a/b/c", "a/c", "a0", "b/" + "k" * 250, "b/" + "k" * 251]
        await asyncio.gather(*(store.put(path, b"") for path in paths))
        for stop in [*paths, "", "a/", "a/b/", "a/bb", "b", "b/" + "k" * 249, "zzz"]:
            assert await stores.paths_in(store, after=stop) == [p for p in paths if p > stop]
            assert await stores.paths_in(store, "a/", after=stop) == [
                p for p in paths if p > stop and p.startswith("a/")
            ]

    async def test_a_listing_may_be_abandoned_and_objects_deleted_under_it(
        self, store: ObjectStore
    ) -> None:
        paths = [f"n/{number:03}" for number in range(300)]
        await asyncio.gather(*(store.put(path, b"") for path in paths))
        abandoned = store.list("n/")
        assert (await anext(abandoned)).path == "n/000"
        await close(abandoned)
        seen = []
        async for listed in store.list("n/"):
            seen.append(listed.path)
            await store.delete(listed.path)
        assert seen == paths
        assert await stores.paths_in(store) == []

    async def test_an_object_that_is_replaced_all_the_time_is_always_listed(
        self, store: ObjectStore
    ) -> None:
        await asyncio.gather(*(store.put(f"n/{number:03}", b"") for number in range(100)))

        async def replace() -> None:
            for round_ in range(30):
                await asyncio.gather(
                    *(store.put(f"n/{i:03}", f"{round_}".encode()) for i in range(0, 100, 9))
                )

        replacing = asyncio.create_task(replace())
        while not replacing.done():
            assert len(await stores.paths_in(store, "n/")) == 100
            await asyncio.sleep(0)
        await replacing

    # Many at once.

    async def test_one_of_sixteen_creators_wins(self, store: ObjectStore) -> None:
        for round_ in range(5):
            path = f"new/folder/{round_}/r"
            taken = await asyncio.gather(
                *(is_taken(store.put(path, f"{i}".encode(), condition=ABSENT)) for i in range(16))
            )
            assert taken.count(True) == 1
            assert await stores.data_of(store, path) == f"{taken.index(True)}".encode()

    async def test_sixteen_counters_lose_nothing(self, store: ObjectStore) -> None:
        async def count() -> None:
            for _ in range(5):
                while not await increment(store, "counter"):
                    pass

        await asyncio.gather(*(count() for _ in range(16)))
        assert await stores.data_of(store, "counter") == b"80"

    async def test_unconditional_writes_do_not_break_a_comparison(self, store: ObjectStore) -> None:
        """A blind write that happens between a swap's comparison and its write would be lost."""
        for round_ in range(20):
            etag = await store.put("r", b"old")
            swap, _ = await asyncio.gather(
                is_taken(store.put("r", b"swapped", condition=etag)),
                store.put("r", f"blind {round_}".encode()),
            )
            data = await stores.data_of(store, "r")
            # Either order is right; a swap that succeeded after the blind write is not.
            assert data == f"blind {round_}".encode(), swap

    async def test_folders_that_come_and_go_lose_nothing(self, store: ObjectStore) -> None:
        async def churn(number: int) -> None:
            for _ in range(10):
                await store.put(f"deep/er/folder/{number}", b"x", condition=ABSENT)
                assert await stores.data_of(store, f"deep/er/folder/{number}") == b"x"
                await store.delete(f"deep/er/folder/{number}")

        await asyncio.gather(*(churn(number) for number in range(8)))
        assert await stores.paths_in(store) == []

    # Life.

    async def test_closing_twice_is_allowed(self, store: ObjectStore) -> None:
        await store.put("r", b"1")
        await store.close()
        await store.close()


async def increment(store: ObjectStore, path: str) -> bool:
    """Try to add one to the number at `path`."""
    found = await store.get(path)
    number = int(found.data) if found else 0
    condition: Condition = found.etag if found else ABSENT
    return await is_taken(store.put(path, f"{number + 1}".encode(), condition=condition))


async def is_cancelled_after(steps: int, task: asyncio.Task[Any]) -> bool:
    """Cancel `task` after some turns of the loop; return whether that came in time."""
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def close(iterator: AsyncIterator[Any]) -> None:
    """Close a generator that is handed out as an iterator."""
    await iterator.aclose()  # type: ignore[attr-defined]


def scan_of(store: ObjectStore, prefix: str, *, after: str = "") -> Scan:
    assert isinstance(store, Scanning)
    scan = store.scan(prefix, after=after)
    assert scan is not None
    return scan


class ScanContract:
    """For drivers that read many records with less than one `get` after another."""

    @pytest.mark.parametrize("prefix", ["", "n/", "n/1", "nowhere/"])
    @pytest.mark.parametrize("after", ["", "n/150", "zzz"])
    async def test_a_scan_is_what_listing_and_reading_give(
        self, store: ObjectStore, prefix: str, after: str
    ) -> None:
        names = [f"n/{number:03}" for number in range(300)] + ["a", "n", "n/1/x", "n/" + "k" * 250]
        await asyncio.gather(*(store.put(path, path.encode()) for path in names))
        scan = scan_of(store, prefix, after=after)
        paths = await stores.paths_in(store, prefix, after=after)
        assert [found async for found in scan] == [(path, await store.get(path)) for path in paths]

    async def test_a_scan_may_be_abandoned_and_objects_deleted_under_it(
        self, store: ObjectStore
    ) -> None:
        names = [f"n/{number:03}" for number in range(300)]
        await asyncio.gather(*(store.put(path, b"") for path in names))
        abandoned = scan_of(store, "n/")
        assert (await anext(abandoned))[0] == "n/000"
        await abandoned.aclose()
        seen = []
        async for path, _ in scan_of(store, "n/"):
            seen.append(path)
            await asyncio.gather(store.delete(path), store.delete(f"n/{300 - len(seen):03}"))
        assert seen == sorted(set(seen))
        assert set(names[:100]) <= set(seen)
        assert await stores.paths_in(store) == []


class TestMemoryStore(StoreContract):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        store = MemoryStore()
        await store.open()
        yield store
        await store.close()

    async def test_it_says_that_it_is_volatile(self, store: ObjectStore) -> None:
        assert not store.is_durable
        assert store.url == "memory:"


class TestFileStore(ScanContract, StoreContract):
    folder: Path

    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        self.folder = tmp_path / "store"
        store = FileStore(self.folder)
        await store.open()
        yield store
        await store.close()

    def leftovers(self) -> list[str]:
        return stores.unfinished_files(self.folder)

    async def test_it_says_that_it_is_durable(self, store: ObjectStore) -> None:
        assert store.is_durable
        assert store.url == self.folder.as_uri()


class S3StoreContract(StoreContract):
    bucket: str
    """The fixture that makes one for all of these tests."""
    place: s3.Place

    @pytest_asyncio.fixture
    async def store(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> AsyncIterator[ObjectStore]:
        whole = s3.make_place(*request.getfixturevalue(self.bucket))
        store = await self.make_store(whole, tmp_path)
        await store.open()
        yield store
        await store.close()

    async def make_store(self, whole: s3.Place, folder: Path) -> ObjectStore:
        """Choose a place in the whole, and return a store there."""
        self.place = whole
        return whole.make_store()

    def leftovers(self) -> list[str]:
        return self.place.uploads()

    async def test_it_says_that_it_is_durable(self, store: ObjectStore) -> None:
        assert store.is_durable
        assert store.url == self.place.url


class TestEncryptedMemoryStore(StoreContract):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        store = encryption.encrypted(MemoryStore())
        await store.open()
        yield store
        await store.close()


class TestEncryptedFileStore(ScanContract, StoreContract):
    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = encryption.encrypted(FileStore(tmp_path))
        await store.open()
        yield store
        await store.close()


class TestEncryptedS3Store(StoreContract):
    @pytest_asyncio.fixture
    async def store(self, versitygw_bucket: tuple[S3Server, str]) -> AsyncIterator[ObjectStore]:
        store = encryption.encrypted(s3.make_place(*versitygw_bucket).make_store())
        await store.open()
        yield store
        await store.close()


class TestS3StoreOnMoto(S3StoreContract):
    bucket = "moto_bucket"


class TestS3StoreOnVersitygw(S3StoreContract):
    bucket = "versitygw_bucket"


class TestS3StoreOnMinio(S3StoreContract):
    bucket = "minio_bucket"


class TestS3StoreWithLentCredentials(S3StoreContract):
    """In a namespace's part of a store, with what is good for that part only."""

    bucket = "minio_bucket"

    async def make_store(self, whole: s3.Place, folder: Path) -> ObjectStore:
        self.place = lending.inside(whole, OWNERS)
        return lending.make_store(self.place, await lending.borrow(whole, OWNERS, folder))


class StoreMachine(RuleBasedStateMachine):
    """A driver beside a dict, in any order of operations."""

    records = st.sampled_from(
        ["a", "A", "a/b", "a/b/c", "a-b", "e\u0301", "\u00e9", ".x", "k" * 253]
    )
    data = st.binary(max_size=8)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.make_store()
        self.run(self.store.open())
        self.model: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.bodies = 0

    def make_store(self) -> ObjectStore:
        """Return a new, empty store."""
        raise NotImplementedError

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()

    @rule(path=records, data=data)
    def put(self, path: str, data: bytes) -> None:
        self.etags[path] = self.run(self.store.put(path, data))
        self.model[path] = data

    @rule(path=records, data=data)
    def create(self, path: str, data: bytes) -> None:
        taken = self.run(is_taken(self.store.put(path, data, condition=ABSENT)))
        assert taken == (path not in self.model)
        if taken:
            self.model[path] = data
            self.read(path)

    @rule(path=records, other=records, data=data)
    def swap(self, path: str, other: str, data: bytes) -> None:
        condition = self.etags.get(other, "never")
        present = self.etags.get(path) if path in self.model else None
        taken = self.run(is_taken(self.store.put(path, data, condition=condition)))
        assert taken == (present == condition)
        if taken:
            self.model[path] = data
            self.read(path)

    @rule(path=records)
    def read(self, path: str) -> None:
        found = self.run(self.store.get(path))
        assert (found.data if found else None) == self.model.get(path)
        if found:
            self.etags[path] = found.etag

    @rule(path=records)
    def delete(self, path: str) -> None:
        self.run(self.store.delete(path))
        self.model.pop(path, None)

    @rule(chunks=st.lists(st.binary(max_size=100), max_size=5))
    def write_body(self, chunks: list[bytes]) -> None:
        self.bodies += 1
        path = f"a/bodies/{self.bodies}"
        whole = b"".join(chunks)
        assert self.run(self.store.write_body(path, stores.chunks_of(*chunks))) == len(whole)
        self.model[path] = whole
        assert self.run(stores.body_of(self.store, path)) == whole

    @precondition(lambda self: self.model)
    @rule(choice=st.randoms(use_true_random=False))
    def delete_something(self, choice: Any) -> None:
        self.delete(choice.choice(sorted(self.model)))

    @rule(prefix=st.sampled_from(["", "a", "a/", "a/b", "a/b/", "k", "x"]), after=records)
    def list_some(self, prefix: str, after: str) -> None:
        expected = sorted(path for path in self.model if path.startswith(prefix))
        assert self.run(stores.paths_in(self.store, prefix)) == expected
        later = [path for path in expected if path > after]
        assert self.run(stores.paths_in(self.store, prefix, after=after)) == later


class MemoryMachine(StoreMachine):
    def make_store(self) -> ObjectStore:
        return MemoryStore()


class EncryptedMachine(StoreMachine):
    def make_store(self) -> ObjectStore:
        return encryption.encrypted(MemoryStore())


class FileMachine(StoreMachine):
    folder: tempfile.TemporaryDirectory[str]

    def make_store(self) -> ObjectStore:
        self.folder = tempfile.TemporaryDirectory()
        return FileStore(Path(self.folder.name))

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMemoryAgainstADict = MemoryMachine.TestCase
TestMemoryAgainstADict.settings = settings(max_examples=50, stateful_step_count=30)

TestEncryptedAgainstADict = EncryptedMachine.TestCase
TestEncryptedAgainstADict.settings = settings(max_examples=25, stateful_step_count=25)

TestFileAgainstADict = FileMachine.TestCase
TestFileAgainstADict.settings = settings(max_examples=25, stateful_step_count=25)


@pytest.mark.parametrize("bucket", ["moto_bucket", "versitygw_bucket", "minio_bucket"])
def test_s3_against_a_dict(bucket: str, request: pytest.FixtureRequest) -> None:
    server, name = request.getfixturevalue(bucket)

    class S3Machine(StoreMachine):
        def make_store(self) -> ObjectStore:
            return s3.make_place(server, name).make_store()

    run_state_machine_as_test(S3Machine, settings=settings(max_examples=10, stateful_step_count=25))
