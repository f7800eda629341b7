"""What the engine puts aside for an instance and brings back: JSON, among the instance's data.

    StoreData ──► a body under its name ─► DataStored
    LoadData ───► all of them at one time ─► DataLoaded

A name always stands for the same value, so that writing it twice, as after a restart, does no harm.
A store that is away is waited out, as for variables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson

from varflow.engine.messages import DataLoaded, DataStored, Json, LoadData, StoreData
from varflow.errors import CorruptObject
from varflow.shells.variables import PATIENCE_SECONDS, Clock
from varflow.variables import paths, retrying
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow.variables.writes import contents

_T = TypeVar("_T")


class DataEffects:
    """The data objects of one instance."""

    def __init__(self, *, owners: Owners, store: ObjectStore, clock: Clock) -> None:
        self._owners = owners
        self._store = store
        self._clock = clock

    async def carry_out(self, command: StoreData | LoadData) -> DataStored | DataLoaded:
        """Do what a command says; see `store` and `load`."""
        if isinstance(command, StoreData):
            return await self.store(command)
        return await self.load(command)

    async def store(self, command: StoreData) -> DataStored:
        """Put a value aside.

        Raises:
            StoreError: it cannot be stored.
        """
        path, data = paths.data(self._owners, command.name), orjson.dumps(command.value)
        await self._patiently(lambda: self._store.write_body(path, contents.slices(data)))
        return DataStored(at=self._clock(), request=command.request)

    async def load(self, command: LoadData) -> DataLoaded:
        """Bring values back.

        Raises:
            StoreError: one of them cannot be read, or is not what was written.
        """
        values = await asyncio.gather(*map(self._load, command.names))
        return DataLoaded(at=self._clock(), request=command.request, values=tuple(values))

    async def _load(self, name: str) -> Json:
        path = paths.data(self._owners, name)
        data = await self._patiently(lambda: self._read(path))
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise CorruptObject(f"{path} is not the JSON that was written: {error}") from error

    async def _read(self, path: str) -> bytes:
        return b"".join([chunk async for chunk in self._store.read_body(path)])

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying.until(self._clock() + PATIENCE_SECONDS, call)
