"""Stores in memory that fail when a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from varflow.errors import StoreError, StoreUnavailable
from varflow.variables.stores.base import Condition, Listed, Versioned
from varflow.variables.stores.memory import MemoryStore


class AwayStore(MemoryStore):
    """Cannot be used while `is_away` is set."""

    is_away = False
    error: StoreError = StoreUnavailable("the store cannot be reached")

    def _check(self) -> None:
        if self.is_away:
            raise self.error

    async def get(self, path: str) -> Versioned | None:
        self._check()
        return await super().get(path)

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        self._check()
        return await super().put(path, data, condition=condition)

    async def delete(self, path: str) -> None:
        self._check()
        await super().delete(path)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        self._check()
        async for listed in super().list(prefix, after=after):
            yield listed
