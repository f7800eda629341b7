"""The `memory` driver: a dict, for tests and for runs whose variables need not outlive them.

Everything happens between two awaits, so every operation is atomic. The paths are kept sorted as
well, so that a listing needs no copy of them and may go on while objects come and go. The ETag is
a hash of the bytes as in other drivers, so that tests over this one meet A-B-A as well.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final

from varflow.errors import CorruptObject
from varflow.variables.stores import etags
from varflow.variables.stores.base import (
    ABSENT,
    CHUNK_BYTES,
    Condition,
    Conflict,
    Listed,
    Versioned,
)
from varflow.variables.stores.upkeep import Unfinished


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    etag: str
    modified: float


class MemoryStore:
    """Objects in this process' memory, gone with it; closing it keeps them."""

    url = "memory:"
    is_durable = False
    needs_probe = False  # a dict of this process: there is nobody to lie

    def __init__(self) -> None:
        self._objects: Final[dict[str, _Object]] = {}
        self._paths: Final[list[str]] = []

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, path: str) -> Versioned | None:
        found = self._objects.get(path)
        return Versioned(found.data, found.etag) if found else None

    async def put(self, path: str, data: bytes, *, condition: Condition = None) -> str:
        present = self._objects.get(path)
        if condition is not None and condition != (present.etag if present else ABSENT):
            raise Conflict
        return self._keep(path, bytes(data))

    async def delete(self, path: str) -> None:
        if self._objects.pop(path, None):
            del self._paths[bisect.bisect_left(self._paths, path)]

    async def write_body(self, path: str, chunks: AsyncIterable[bytes]) -> int:
        body = bytearray()
        async for chunk in chunks:
            body += chunk
        self._keep(path, bytes(body))
        return len(body)

    async def read_body(
        self, path: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        found = self._objects.get(path)
        if not found:
            raise CorruptObject(f"there is no body at {path}")
        end = len(found.data) if length is None else start + length
        if not start <= end <= len(found.data):
            raise CorruptObject(f"the body at {path} is shorter than {max(start, end)} bytes")
        for position in range(start, end, CHUNK_BYTES):
            yield found.data[position : min(position + CHUNK_BYTES, end)]

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        while path := self._find_next(prefix, after):
            found = self._objects[path]
            yield Listed(path, len(found.data), found.modified)
            after = path

    async def remove_unchanged(self, path: str, etag: str) -> bool:
        present = self._objects.get(path)
        if present is None or present.etag != etag:
            return False
        await self.delete(path)
        return True

    async def list_unfinished(self, prefix: str) -> AsyncIterator[Unfinished]:
        for unfinished in list[Unfinished]():
            yield unfinished

    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        pass

    def _find_next(self, prefix: str, after: str) -> str | None:
        """Return the first path that starts with `prefix` and is greater than `after`."""
        position = max(
            bisect.bisect_left(self._paths, prefix), bisect.bisect_right(self._paths, after)
        )
        path = self._paths[position] if position < len(self._paths) else ""
        return path if path and path.startswith(prefix) else None

    def _keep(self, path: str, data: bytes) -> str:
        if path not in self._objects:
            bisect.insort(self._paths, path)
        etag = etags.of(data)
        self._objects[path] = _Object(data, etag, time.time())
        return etag
