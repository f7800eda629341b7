"""The keys in a namespace's Secret, changed by whoever may; shown by their ids alone."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from varflow.variables import paths
from varflow.variables.encryption.keyrings import KEY_BYTES, Key, KeyRing
from varflow.variables.encryption.store import EncryptedStore
from varflow_cli.cluster import connecting, stores
from varflow_cli.cluster.connecting import Access, Connection
from varflow_cli.console.failures import Failure, Mistake
from varflow_cli.stores import renewals, renewing
from varflow_operator import names
from varflow_operator.encryption import reading
from varflow_operator.kinds import SECRET, Object

_SETTLED_SECONDS: Final = 180.0
"""Thrice what the operator takes to look again; clocks may differ by the rest."""


async def find(access: Access) -> list[str]:
    """Return the ids of a namespace's keys, the one that is written with first.

    Raises:
        ObjectNotFound: the namespace has none.
        EncryptionKeyMissing: its Secret holds none.
        ClusterError: the Secret cannot be read.
    """
    async with connecting.connect(access) as connection:
        return _ids(reading.read(await _get(connection)))


async def add(access: Access) -> list[str]:
    """Add a new key behind the others, and return all ids.

    Raises:
        ObjectConflict: somebody else changes the keys at this moment.
        ObjectNotFound, EncryptionKeyMissing, ClusterError: as `find`.
    """
    return await _change(access, lambda ring: ring.added(secrets.token_bytes(KEY_BYTES)))


async def use(access: Access, key_id: str) -> list[str]:
    """Have a key written with, and return all ids.

    Raises:
        Mistake: there is no key of that id.
        ObjectConflict, ObjectNotFound, EncryptionKeyMissing, ClusterError: as `add`.
    """
    return await _change(access, lambda ring: ring.using(_choose(ring, key_id)))


async def remove(
    access: Access, key_id: str, *, clock: Callable[[], float] = time.time
) -> list[str]:
    """Remove a key that nothing in the store is encrypted with, and return the other ids.

    Raises:
        Mistake: there is no key of that id, or it is the one that is written with.
        Failure: something is encrypted with it, or may be at this moment; says what.
        StoreError: the store cannot be looked through.
        ObjectConflict: the keys were changed meanwhile.
        ObjectNotFound, EncryptionKeyMissing, ClusterError: as `add`.
    """
    async with connecting.connect(access) as connection:
        found = await _get(connection)
        ring = reading.read(found)
        key = _choose(ring, key_id)
        if key == ring.current:
            raise Mistake(f"key {key_id} is the one that is written with; `use` another one first")
        check_settled(found, now=clock())
        await _check_unused(connection, key)
        # under the version from before: whoever has it written with meanwhile is not overlooked
        return await _write(connection, found, ring.without(key))


def check_settled(secret: Object, *, now: float) -> None:
    """See to it that whoever looks at the Secret once a minute has seen it as it is. PURE.

    The operator is one of those: it may still write with the key that was written with before.

    Raises:
        Failure: it was changed a moment ago.
    """
    metadata = secret["metadata"]
    changes = [metadata["creationTimestamp"]]
    changes += [it["time"] for it in metadata.get("managedFields", []) if it.get("time")]
    last = max(datetime.fromisoformat(change).timestamp() for change in changes)
    wait = math.ceil(last + _SETTLED_SECONDS - now)
    if wait > 0:
        raise Failure(
            "the keys were changed a moment ago, and older ones may still be written with; try "
            f"again in {wait} s, and once all function pods are new ones"
        )


async def _check_unused(connection: Connection, key: Key) -> None:
    owners = await stores.find_owners(connection)
    async with stores.open_variables(connection) as variables:
        if not isinstance(variables.store, EncryptedStore):
            raise TypeError(f"{variables.store} has no keys")
        tally = await renewing.count(variables.store, paths.namespace_prefix(owners))
    if tally.objects(key.name):
        raise Failure(
            f"key {key.name} is needed: {renewals.describe(tally, key.name)}; `varflow store "
            "encrypt -k --write` encrypts with the current key what can be"
        )


def _choose(ring: KeyRing, key_id: str) -> Key:
    chosen = next((key for key in ring.keys if key.name == key_id), None)
    if chosen is None:
        raise Mistake(f"there is no key {key_id[:64]!a}; there are {', '.join(_ids(ring))}")
    return chosen


async def _change(access: Access, change: Callable[[KeyRing], KeyRing]) -> list[str]:
    async with connecting.connect(access) as connection:
        found = await _get(connection)
        return await _write(connection, found, change(reading.read(found)))


async def _get(connection: Connection) -> Object:
    return await connection.cluster.get(SECRET, connection.namespace, names.ENCRYPTION_SECRET)


async def _write(connection: Connection, found: Object, ring: KeyRing) -> list[str]:
    """Put keys into the Secret unless it has changed since it was found."""
    body = {
        # so that no key is lost that somebody else adds meanwhile
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "stringData": {names.KEYS_KEY: ring.encode()},
    }
    await connection.cluster.patch(SECRET, connection.namespace, names.ENCRYPTION_SECRET, body)
    return _ids(ring)


def _ids(ring: KeyRing) -> list[str]:
    return [key.name for key in ring.keys]
