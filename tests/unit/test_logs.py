"""The instance's log: what is written is read back, in order of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

import orjson
import pytest

from tests.support.stores import chunks_of
from tests.support.variables import OWNERS
from varflow import logs
from varflow.errors import CorruptObject, StoreUnavailable
from varflow.logs import FUNCTION, Level, LogLine, StoreLog
from varflow.variables import paths
from varflow.variables.stores.memory import MemoryStore


async def read(store: MemoryStore, *, after: str = "") -> list[LogLine]:
    return [line async for line in logs.read_log(store, OWNERS, after=after)]


async def write_chunk(store: MemoryStore, at: int, *lines: tuple[int, str]) -> None:
    """Write a chunk of a second, with lines of other ones."""
    texts = (
        {"at": f"2026-01-01T00:00:{second:02}.5+00:00", "level": "info", "text": text}
        for second, text in lines
    )
    base = 1_767_225_600  # 2026-01-01
    path = paths.log_chunk(OWNERS, f"{(base + at) * 10**9:020d}-aa")
    await store.write_body(path, chunks_of(*(orjson.dumps(it) + b"\n" for it in texts)))


async def test_lines_are_read_back() -> None:
    store = MemoryStore()
    log = StoreLog(store, note_dropped=lambda: None)
    log.write(OWNERS, "two\nlines", source="a")
    log.write(OWNERS, "said", source=FUNCTION, level=Level.ERROR)
    await log.flush(OWNERS)

    found = await read(store)

    assert [(line.text, line.source, line.level) for line in found] == [
        ("two\nlines", "a", Level.INFO),
        ("said", "function", Level.ERROR),
    ]
    assert await read(store, after=found[-1].chunk) == []


class AwayStore(MemoryStore):
    """Takes no chunks before a test says so."""

    is_away = True

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().write_body(path, chunks)


class SlowStore(MemoryStore):
    """Has not taken its first chunk when the test goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = asyncio.Event()

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        if not self.has_begun.is_set():
            self.has_begun.set()
            await asyncio.Event().wait()
        return await super().write_body(path, chunks)


async def test_lines_whose_writing_was_cancelled_are_written_with_the_next() -> None:
    store = SlowStore()
    log = StoreLog(store, note_dropped=lambda: None)
    log.write(OWNERS, "one", source="a")
    flushing = asyncio.create_task(log.flush(OWNERS))
    await store.has_begun.wait()
    flushing.cancel()
    await asyncio.wait([flushing])
    log.write(OWNERS, "two", source="a")
    await log.close()

    assert [line.text for line in await read(store)] == ["one", "two"]


async def test_how_many_lines_are_missing_is_said_once_however_often_it_was_tried() -> None:
    store = AwayStore()
    log = StoreLog(store, note_dropped=lambda: None)
    for letter in "abc":
        log.write(OWNERS, letter * 9 * 1024 * 1024, source="a")
    for _ in range(3):
        await log.flush(OWNERS)
    store.is_away = False
    await log.close()

    assert sorted(line.text[:8] for line in await read(store)) == ["2 lines ", "c" * 8]


async def test_lines_of_several_writers_come_in_order_of_time() -> None:
    store = MemoryStore()
    await write_chunk(store, 3, (1, "a"), (2, "c"))
    await write_chunk(store, 4, (1, "b"), (3, "d"))
    await write_chunk(store, 20, (19, "e"))

    assert [line.text for line in await read(store)] == ["a", "b", "c", "d", "e"]


async def test_a_chunk_that_is_none_is_told() -> None:
    store = MemoryStore()
    path = paths.log_chunk(OWNERS, "00000000000000000001-aa")
    await store.write_body(path, chunks_of(b"{}\n"))

    with pytest.raises(CorruptObject, match="is no chunk of a log"):
        await read(store)
