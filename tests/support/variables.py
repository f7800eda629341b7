"""Builders for tests of variables: owners, addresses, values, a clock that one can set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from varflow.variables.records import Value
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores.memory import MemoryStore

OWNERS = Owners("cluster", "namespace", "workflow", "instance")


@dataclass
class Clock:
    """Stands still until it is set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def address(key: str = "k", scope: Scope = Scope.NAMESPACE) -> Address:
    return Address(OWNERS, scope, key)


def make_value(data: bytes | None = b"value", **fields: object) -> Value:
    """Return a value; with `data` None it lies in a body."""
    base: dict[str, object] = {
        "rev": "1-00000000",
        "content_type": "text/plain",
        "size": 0 if data is None else len(data),
        "sha256": sha256(data or b"").hexdigest(),
        "created_at": 1.0,
        "updated_at": 2.0,
        "expires_at": None,
        "writer": "",
        "inline": data,
        "body": "b0" if data is None else None,
    }
    return Value(**{**base, **fields})  # type: ignore[arg-type]  # a test's own mistake shows at once


async def chunked(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def paths_of(store: MemoryStore, part: str = "") -> list[str]:
    """Return the paths of all objects whose path has `part` in it."""
    return [listed.path async for listed in store.list("") if part in listed.path]
