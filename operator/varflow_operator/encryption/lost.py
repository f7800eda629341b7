"""Whether a namespace has values whose key is gone: then it must not get another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from varflow.errors import CorruptObject, EncryptionKeyMissing
from varflow.variables import paths
from varflow.variables.background import all_of
from varflow.variables.encryption.headers import HEADER_BYTES, is_sealed
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow_operator import names
from varflow_operator.kinds import SECRET

_AT_ONE_TIME: Final = 32


async def check(store: ObjectStore, cluster: str, namespace: str, *, name: str) -> None:
    """Return if nothing of a namespace is encrypted.

    It reads the beginning of every object there is: none in a new namespace, and all of them once
    when encryption is switched on.

    Args:
        store: as it is without keys.
        cluster: the cluster's UID.
        namespace: the namespace's UID.
        name: the namespace's name.

    Raises:
        EncryptionKeyMissing: something is; says what to do.
        StoreError: the store could not say.
    """
    prefix = paths.namespace_prefix(Owners(cluster, namespace, "", ""))
    async for batch in _batches(store, prefix):
        found = await all_of(*(_is_sealed(store, path) for path in batch))
        for path, is_lost in zip(batch, found, strict=True):
            if is_lost:
                raise EncryptionKeyMissing(
                    f"{SECRET.shown(name, names.ENCRYPTION_SECRET)} is gone, and values are "
                    f"encrypted with keys that were in it, such as {paths.describe(path)}; restore "
                    f"the Secret from your backup of it, or give the values up by removing {prefix}"
                    " from the store"
                )


async def _batches(store: ObjectStore, prefix: str) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for listed in store.list(prefix):
        if listed.size >= HEADER_BYTES and not paths.is_public(listed.path):
            batch.append(listed.path)
        if len(batch) == _AT_ONE_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


async def _is_sealed(store: ObjectStore, path: str) -> bool:
    stream = store.read_body(path, length=HEADER_BYTES)
    try:
        return is_sealed(b"".join([chunk async for chunk in stream]))
    except CorruptObject:
        return False  # removed since it was listed
