"""The keys in a namespace's Secret, changed by whoever may; shown by their ids alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from varflow.variables.encryption.keyrings import KEY_BYTES, KeyRing
from varflow_cli.cluster import connecting
from varflow_cli.cluster.connecting import Access
from varflow_cli.console.failures import Mistake
from varflow_operator import names
from varflow_operator.encryption import reading
from varflow_operator.kinds import SECRET


async def find(access: Access) -> list[str]:
    """Return the ids of a namespace's keys, the one that is written with first.

    Raises:
        ObjectNotFound: the namespace has none.
        EncryptionKeyMissing: its Secret holds none.
        ClusterError: the Secret cannot be read.
    """
    async with connecting.connect(access) as connection:
        secret = await connection.cluster.get(SECRET, connection.namespace, names.ENCRYPTION_SECRET)
    return _ids(reading.read(secret))


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

    def choose(ring: KeyRing) -> KeyRing:
        chosen = next((key for key in ring.keys if key.name == key_id), None)
        if chosen is None:
            raise Mistake(f"there is no key {key_id[:64]!a}; there are {', '.join(_ids(ring))}")
        return ring.using(chosen)

    return await _change(access, choose)


async def _change(access: Access, change: Callable[[KeyRing], KeyRing]) -> list[str]:
    async with connecting.connect(access) as connection:
        place = (connection.namespace, names.ENCRYPTION_SECRET)
        found = await connection.cluster.get(SECRET, *place)
        ring = change(reading.read(found))
        body = {
            # so that no key is lost that somebody else adds meanwhile
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "stringData": {names.KEYS_KEY: ring.encode()},
        }
        await connection.cluster.patch(SECRET, *place, body)
    return _ids(ring)


def _ids(ring: KeyRing) -> list[str]:
    return [key.name for key in ring.keys]
