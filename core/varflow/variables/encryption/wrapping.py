"""Puts encryption before a store, where there is any."""

from __future__ import annotations

from varflow.variables.encryption import policies
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import KeySource, Policy, SameKeys
from varflow.variables.stores.base import ObjectStore


def wrap(store: ObjectStore, keys: KeySource, policy: Policy) -> ObjectStore:
    """Return the store as those see it who have the keys."""
    # Loads the ciphers: memory that a sidecar without keys does not need.
    from varflow.variables.encryption.store import EncryptedStore

    return EncryptedStore(store, keys, policy=policy)


def wrap_as_told(store: ObjectStore, *, policy: str, keys: str, source: str) -> ObjectStore:
    """Return the store as a program's settings say: itself, without keys.

    Args:
        store: The driver.
        policy: Name of a `Policy`, or nothing.
        keys: As `KeyRing.encode` writes them, or nothing.
        source: Where the keys were found, for messages.

    Raises:
        InvalidInput: the settings cannot be.
    """
    said = policies.parse(policy, has_keys=bool(keys.strip()))
    if not keys.strip():
        return store
    return wrap(store, SameKeys(KeyRing.decode(keys, source=source)), said)
