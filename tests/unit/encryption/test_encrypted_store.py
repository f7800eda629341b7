"""What the encrypted store says about keys, plain objects and objects that were tampered with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import stores
from tests.support.crashing import CountingStore
from tests.support.encryption import FIRST, RING, SECOND, encrypted
from varflow.errors import (
    CorruptObject,
    EncryptionKeyMissing,
    StoreError,
    TamperedObject,
    UnencryptedObject,
)
from varflow.variables import paths
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.encryption.sealing import SEALED_BYTES, SEGMENT_BYTES
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables

OWNERS = Owners("cluster", "ns", "flow", "run")
ADDRESS = Address(OWNERS, Scope.WORKFLOW, "counter")
OTHER = Address(OWNERS, Scope.WORKFLOW, "other")
PATH, OTHER_PATH = paths.variable(ADDRESS), paths.variable(OTHER)
LARGE = bytes(range(256)) * (3 * SEGMENT_BYTES // 256)
OTHERS_RING = KeyRing((SECOND,))


@pytest.fixture
def inner() -> MemoryStore:
    return MemoryStore()


async def raw(store: MemoryStore, path: str) -> bytes:
    found = await store.get(path)
    assert found is not None
    return found.data


async def body_path(store: MemoryStore) -> str:
    (path,) = [path for path in await stores.paths_in(store) if "/bodies/" in path]
    return path


async def test_nothing_of_a_value_lies_readable_in_the_store(inner: MemoryStore) -> None:
    variables = Variables(encrypted(inner))
    await variables.open()
    await variables.set(ADDRESS, b"small canary")
    await variables.set(OTHER, b"large canary" * SEGMENT_BYTES)
    for path in await stores.paths_in(inner):
        assert path == paths.MARKER or b"canary" not in await raw(inner, path)
    value = await variables.get(ADDRESS)
    assert value is not None
    assert await value.bytes() == b"small canary"


async def test_the_marker_notes_and_probes_stay_readable(inner: MemoryStore) -> None:
    store = encrypted(inner)
    for path in (paths.MARKER, paths.owner(OWNERS), paths.probe_record("1", "create", "a")):
        await store.put(path, b"plain")
        assert await raw(inner, path) == b"plain"
        assert await stores.data_of(store, path) == b"plain"
        assert await stores.body_of(store, path, start=1, length=2) == b"la"


@pytest.mark.parametrize("ring", [OTHERS_RING], ids=["another key"])
async def test_a_missing_key_is_named_with_the_variable(inner: MemoryStore, ring: KeyRing) -> None:
    await Variables(encrypted(inner)).set(ADDRESS, b"1")
    with pytest.raises(EncryptionKeyMissing, match="variable workflow/counter") as error:
        await Variables(encrypted(inner, ring)).get(ADDRESS)
    assert FIRST.name in str(error.value)


async def test_a_program_without_keys_says_that_the_variable_is_encrypted(
    inner: MemoryStore,
) -> None:
    await Variables(encrypted(inner)).set(ADDRESS, b"1")
    with pytest.raises(EncryptionKeyMissing, match="variable workflow/counter is encrypted"):
        await Variables(inner).get(ADDRESS)
    with pytest.raises(EncryptionKeyMissing):
        await Variables(inner).set(ADDRESS, b"2")


async def test_swapped_records_are_an_error_that_names_the_variable(inner: MemoryStore) -> None:
    variables = Variables(encrypted(inner))
    await variables.set(ADDRESS, b"1")
    await variables.set(OTHER, b"2")
    await inner.put(PATH, await raw(inner, OTHER_PATH))
    with pytest.raises(TamperedObject, match="variable workflow/counter"):
        await variables.get(ADDRESS)


async def test_swapped_bodies_are_an_error_that_names_the_variable(inner: MemoryStore) -> None:
    variables = Variables(encrypted(inner))
    await variables.set(ADDRESS, LARGE)
    first = await body_path(inner)
    await variables.set(OTHER, LARGE)
    (second,) = [p for p in await stores.paths_in(inner) if "/bodies/" in p and p != first]
    await inner.put(first, await raw(inner, second))
    value = await variables.get(ADDRESS)
    assert value is not None
    for start, length in ((0, None), (5, 10), (2 * SEGMENT_BYTES, 10)):
        with pytest.raises(TamperedObject, match="variable workflow/counter"):
            _ = [chunk async for chunk in value.read(start, length)]


@settings(max_examples=60)
@given(
    bit=st.integers(0, 8 * 3 * SEALED_BYTES),
    start=st.integers(0, len(LARGE)),
    length=st.none() | st.integers(0, 1000),
)
async def test_a_changed_bit_gives_an_error_or_the_right_bytes(
    bit: int, start: int, length: int | None
) -> None:
    inner = MemoryStore()
    store = encrypted(inner)
    await store.write_body("b", stores.chunks_of(LARGE))
    sealed = bytearray(await raw(inner, "b"))
    sealed[bit // 8] ^= 1 << bit % 8
    await inner.put("b", bytes(sealed))
    end = len(LARGE) if length is None else start + length
    try:
        assert await stores.body_of(store, "b", start=start, length=length) == LARGE[start:end]
    except StoreError:
        assert (start, length) != (0, 0) or bit < 8 * SEALED_BYTES
    with pytest.raises(StoreError):
        await stores.body_of(store, "b")


@settings(max_examples=60)
@given(size=st.integers(0, len(LARGE)) | st.sampled_from([37, 37 + SEALED_BYTES]))
async def test_a_body_that_was_cut_is_an_error(size: int) -> None:
    inner = MemoryStore()
    store = encrypted(inner)
    await store.write_body("b", stores.chunks_of(LARGE))
    await inner.put("b", (await raw(inner, "b"))[:size])
    with pytest.raises(CorruptObject):
        await stores.body_of(store, "b")


@settings(max_examples=60)
@given(
    size=st.integers(0, 100)
    | st.sampled_from([n * SEGMENT_BYTES + d for n in (1, 2) for d in (-1, 0, 1)]),
    pieces=st.integers(1, 7),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
async def test_every_range_of_every_body_comes_back(
    size: int, pieces: int, ends: tuple[float, float]
) -> None:
    data = LARGE[:size]
    step = max(1, -(-size // pieces))
    chunks = [data[at : at + step] for at in range(0, size, step)]
    store = encrypted(MemoryStore())
    assert await store.write_body("b", stores.chunks_of(*chunks)) == size
    start, end = sorted(round(it * size) for it in ends)
    assert await stores.body_of(store, "b") == data
    assert await stores.body_of(store, "b", start=start) == data[start:]
    assert await stores.body_of(store, "b", start=start, length=end - start) == data[start:end]


async def test_plain_objects_are_refused_where_all_is_encrypted(inner: MemoryStore) -> None:
    await Variables(inner).set(ADDRESS, b"forged")
    await inner.write_body("b", stores.chunks_of(b"forged"))
    store = encrypted(inner)
    with pytest.raises(UnencryptedObject, match="variable workflow/counter"):
        await Variables(store).get(ADDRESS)
    with pytest.raises(UnencryptedObject):
        await stores.body_of(store, "b")


async def test_plain_objects_are_read_while_migrating_and_written_encrypted(
    inner: MemoryStore,
) -> None:
    await Variables(inner).set(ADDRESS, b"plain")
    await inner.write_body("b", stores.chunks_of(LARGE))
    store = encrypted(inner, policy=Policy.MIGRATE)
    assert await stores.body_of(store, "b") == LARGE
    assert await stores.body_of(store, "b", start=SEGMENT_BYTES + 3, length=4) == b"\3\4\5\6"
    variables = Variables(store)
    value = await variables.get(ADDRESS)
    assert value is not None
    assert await value.bytes() == b"plain"
    await variables.set(ADDRESS, b"sealed")
    assert await stores.data_of(encrypted(inner), PATH)


async def test_what_was_encrypted_can_be_read_after_it_was_switched_off(inner: MemoryStore) -> None:
    await encrypted(inner).write_body("b", stores.chunks_of(LARGE))
    await Variables(encrypted(inner)).set(ADDRESS, b"sealed")
    store = encrypted(inner, policy=Policy.OFF)
    variables = Variables(store)
    value = await variables.get(ADDRESS)
    assert value is not None
    assert await value.bytes() == b"sealed"
    assert await stores.body_of(store, "b", start=3, length=2) == b"\3\4"
    await variables.set(ADDRESS, b"plain")
    assert b"plain" in await raw(inner, PATH)


async def test_both_keys_read_while_keys_are_changed(inner: MemoryStore) -> None:
    await Variables(encrypted(inner)).set(ADDRESS, b"old")
    rotated = Variables(encrypted(inner, RING.added(SECOND.secret).using(SECOND)))
    value = await rotated.get(ADDRESS)
    assert value is not None
    assert await value.bytes() == b"old"
    await rotated.set(ADDRESS, b"new")
    value = await Variables(encrypted(inner, OTHERS_RING)).get(ADDRESS)
    assert value is not None
    assert await value.bytes() == b"new"


async def test_a_record_that_was_read_before_is_still_checked(inner: MemoryStore) -> None:
    store = encrypted(inner)
    await store.put(PATH, b"1")
    assert await stores.data_of(store, PATH) == b"1"
    await inner.put(PATH, (await raw(inner, PATH))[:-1] + b"\0")
    with pytest.raises(TamperedObject):
        await store.get(PATH)


@pytest.mark.parametrize(
    ("start", "length", "reads"),
    [
        pytest.param(0, None, 1, id="a whole body"),
        pytest.param(3, None, 1, id="from near its beginning"),
        pytest.param(3, 4, 2, id="a range there"),
        pytest.param(SEGMENT_BYTES + 9, 4, 3, id="a range further on"),
    ],
)
async def test_reading_takes_few_requests(
    inner: MemoryStore, start: int, length: int | None, reads: int
) -> None:
    counting = CountingStore(inner)
    store = encrypted(counting)
    await store.write_body("b", stores.chunks_of(LARGE))
    counting.take()
    await stores.body_of(store, "b", start=start, length=length)
    assert counting.take() == {"read_body": reads}


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_listing_opens_every_record_and_names_one_that_was_moved(
    inner: MemoryStore, tmp_path: Path, kind: str
) -> None:
    store = inner if kind == "memory" else FileStore(tmp_path)
    variables = Variables(encrypted(store))
    await variables.open()
    for number in range(100):
        address = Address(OWNERS, Scope.WORKFLOW, f"k{number:03}")
        await variables.set(address, b"value %d" % number)
    listed = [info async for info in variables.list(OWNERS, Scope.WORKFLOW)]
    assert [info.key for info in listed] == [f"k{number:03}" for number in range(100)]
    assert [info.size for info in listed] == [len(b"value %d" % n) for n in range(100)]

    found = await store.get(paths.variable(listed[7].address))
    assert found is not None
    await store.put(paths.variable(listed[80].address), found.data)
    with pytest.raises(TamperedObject, match="variable workflow/k080"):
        assert [info async for info in variables.list(OWNERS, Scope.WORKFLOW)]
    await variables.close()
