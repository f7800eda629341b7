"""Whether a namespace has values whose key is gone, beside others who remove objects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.variables import OWNERS
from varflow.errors import EncryptionKeyMissing
from varflow.variables import paths
from varflow.variables.encryption.headers import HEADER_BYTES, MAGIC
from varflow.variables.stores.base import Listed
from varflow.variables.stores.memory import MemoryStore
from varflow_operator.encryption import lost

SEALED = MAGIC + bytes(HEADER_BYTES)


class FleetingStore(MemoryStore):
    """Lists an object that is removed before anybody can read it."""

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Listed]:
        yield Listed(f"{prefix}a", HEADER_BYTES, 0.0)
        async for listed in super().list(prefix, after=after):
            yield listed


async def check(store: MemoryStore) -> None:
    await lost.check(store, OWNERS.cluster, OWNERS.namespace, name="shop")


async def test_an_object_that_is_removed_meanwhile_needs_no_key() -> None:
    await check(FleetingStore())


async def test_what_is_encrypted_needs_its_key_also_beside_one_that_is_removed() -> None:
    store = FleetingStore()
    await store.put(f"{paths.namespace_prefix(OWNERS)}n/k", SEALED)
    with pytest.raises(EncryptionKeyMissing, match="namespace/k"):
        await check(store)
