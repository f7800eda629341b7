"""Stores that count, and stores that kill their process: wrappers around any driver.

A store call is the only thing a commit does that others can see, so "before and after every store
call" is every point at which dying can matter.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from varflow.variables.stores.base import Condition, Listed, ObjectStore, Versioned

When = Literal["before", "after"]


class WrappedStore:
    """Passes every call on, between `_begin` and `_end`."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.url = inner.url
        self.is_durable = inner.is_durable
        self.needs_probe = inner.needs_probe

    async def _begin(self, call: str, path: str) -> int:
        """Note a call and return its number."""
        raise NotImplementedError

    async def _end(self, number: int) -> None:
        """Note that the call of that number has ended, well or not."""

    @asynccontextmanager
    async def _noted(self, call: str, path: str) -> AsyncIterator[None]:
        number = await self._begin(call, path)
        try:
            yield
        finally:
            await self._end(number)

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def get(self, path: str) -> Versioned | None:
        async with self._noted("get", path):
            return await self.inner.get(path)

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        async with self._noted("put", path):
            return await self.inner.put(path, data, condition=condition)

    async def delete(self, path: str) -> None:
        async with self._noted("delete", path):
            await self.inner.delete(path)

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        async with self._noted("write_body", path):
            return await self.inner.write_body(path, chunks)

    async def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        async with self._noted("read_body", path):
            async for chunk in self.inner.read_body(path, start=start, length=length):
                yield chunk

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        async with self._noted("list", prefix):
            async for listed in self.inner.list(prefix, after=after):
                yield listed


class CountingStore(WrappedStore):
    """Counts the calls by name, failed ones too."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.calls: Counter[str] = Counter()

    async def _begin(self, call: str, path: str) -> int:
        self.calls[call] += 1
        return self.calls.total()

    def take(self) -> dict[str, int]:
        """Return the calls since the last time."""
        taken = dict(self.calls)
        self.calls.clear()
        return taken


class CrashingStore(WrappedStore):
    """Kills or stops its own process before or after the `at`-th call, counted from 1.

    0 never does; `calls` then says how many there are to die at. Calls that overlap are numbered in
    the order in which they begin.
    """

    def __init__(
        self,
        inner: ObjectStore,
        at: int,
        when: When = "before",
        *,
        by: signal.Signals = signal.SIGKILL,
    ) -> None:
        super().__init__(inner)
        self.calls = 0
        self._at = at
        self._when = when
        self._by = by

    async def _begin(self, call: str, path: str) -> int:
        self.calls += 1
        self._die_if(self.calls, "before")
        return self.calls

    async def _end(self, number: int) -> None:
        self._die_if(number, "after")

    def _die_if(self, number: int, when: When) -> None:
        if number == self._at and when == self._when:
            os.kill(os.getpid(), self._by)
