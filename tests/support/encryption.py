"""Keys for tests, and stores behind them."""

from __future__ import annotations

from typing import Final

from varflow.variables.encryption.keyrings import Key, KeyRing
from varflow.variables.encryption.policies import Policy, SameKeys
from varflow.variables.encryption.store import EncryptedStore
from varflow.variables.stores.base import ObjectStore

FIRST: Final = Key.of(bytes(range(32)))
SECOND: Final = Key.of(bytes(range(32, 64)))
RING: Final = KeyRing((FIRST,))


def encrypted(
    store: ObjectStore, ring: KeyRing = RING, *, policy: Policy = Policy.ON
) -> EncryptedStore:
    """Return the store behind a ring's keys."""
    return EncryptedStore(store, SameKeys(ring), policy=policy)
