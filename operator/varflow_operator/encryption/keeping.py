"""Keeps the keys of all namespaces: in each a Secret, which the operator makes and people keep.

    store, workflows ──► find(namespace) ──► remembered ──► Secret ──► none? ──► made, if nothing
                                                                                needs a lost one

A key is made where nothing was ever encrypted. Where something was and the Secret is gone, the
answer is an error until somebody puts the Secret back: another key would make of a deleted Secret
a namespace whose values are there and never readable again.

Each namespace's Secret is looked at once a minute, so that a changed key comes to be used without a
restart, also in the pods (`changed`). While the API server is away the keys are those last seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from varflow.errors import (
    ClusterError,
    EncryptionKeyMissing,
    ObjectExists,
    StoreError,
    StoreUnavailable,
)
from varflow.variables.encryption.keyrings import KEY_BYTES, Key, KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.stores.base import ObjectStore
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.encryption import lost, reading
from varflow_operator.kinds import SECRET, Object
from varflow_operator.ownership import Ownership

LOOK_SECONDS: Final = 60.0

_AGAIN_SECONDS: Final = 2.0
"""How soon the Secret is read again for a key that was not in it."""
_LABELS: Final = names.labels(names.Component.ENCRYPTION)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a namespace's Secret said."""

    ring: KeyRing | None
    at: float


def _ignore(_namespace: str) -> None:
    """Tell nobody."""


class NamespaceKeys:
    """A `KeySource` for the whole cluster."""

    def __init__(
        self,
        cluster: Cluster,
        store: ObjectStore,
        ownership: Ownership,
        *,
        policy: Policy,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what keys are kept with.

        Args:
            cluster: where the Secrets are.
            store: as it is without keys: whether one is lost is seen there.
            ownership: finds an object's namespace.
            policy: with `off` no key is made.
            namespaces: that are served; none for all.
            clock: seconds.
        """
        self._cluster = cluster
        self._store = store
        self._policy = policy
        self._namespaces = namespaces
        self._clock = clock
        self._ownership = ownership
        self._names: dict[str, str] = {}
        self._known: dict[str, _Known] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._changed: Callable[[str], None] = _ignore

    def tell(self, *, changed: Callable[[str], None]) -> None:
        """Have `changed` called with the name of each namespace whose keys have changed."""
        self._changed = changed

    async def of(self, obj: Object) -> KeyRing | None:
        """Return the keys of an object's namespace.

        Raises:
            EncryptionKeyMissing, StoreUnavailable: as `find`.
            ClusterError: the cluster could not say which namespace that is.
        """
        owners = await self._ownership.of(obj)
        self._names[owners.namespace] = obj["metadata"]["namespace"]
        return await self.find(owners.namespace)

    async def find(self, namespace: str, *, wanted: bytes | None = None) -> KeyRing | None:
        known = self._known.get(namespace)
        if known is not None and not self._is_old(known, wanted):
            return known.ring
        async with self._locks.setdefault(namespace, asyncio.Lock()):
            known = self._known.get(namespace)
            if known is None or self._is_old(known, wanted):
                known = await self._look(namespace, known)
            return known.ring

    async def run(self) -> None:
        """Look at all Secrets again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for namespace in list(self._known):
                try:
                    await self.find(namespace)
                except StoreError as error:
                    _logger.warning("%s", error.message)

    def _is_old(self, known: _Known, wanted: bytes | None) -> bool:
        is_missed = wanted is not None and (known.ring is None or not known.ring.find(wanted))
        return self._clock() - known.at >= (_AGAIN_SECONDS if is_missed else LOOK_SECONDS)

    async def _look(self, namespace: str, before: _Known | None) -> _Known:
        """Read the Secret, and remember and tell what it says."""
        try:
            name = await self._find_name(namespace)
            ring = await self._load(name, namespace)
        except ClusterError as error:
            if before is not None:
                return before
            raise StoreUnavailable(
                f"the encryption keys of namespace {self._names.get(namespace, namespace)} cannot "
                f"be had: {error.message}"
            ) from error
        except EncryptionKeyMissing:
            self._known.pop(namespace, None)
            raise
        known = self._known[namespace] = _Known(ring, self._clock())
        if before is not None and before.ring != ring:
            _logger.info("the encryption keys of namespace %s have changed", name)
            self._changed(name)
        return known

    async def _find_name(self, namespace: str) -> str:
        if namespace not in self._names:
            self._names.update(await self._ownership.list_names(self._namespaces))
        if namespace not in self._names:
            raise EncryptionKeyMissing(
                f"namespace {namespace} is gone, and with it the keys of its values"
            )
        return self._names[namespace]

    async def _load(self, name: str, namespace: str) -> KeyRing | None:
        found = await self._cluster.find(SECRET, name, names.ENCRYPTION_SECRET)
        if found is None and self._policy.writes_sealed:
            await lost.check(self._store, await self._ownership.cluster_uid(), namespace, name=name)
            with contextlib.suppress(ObjectExists):
                return reading.read(await self._make(name))
            found = await self._cluster.find(SECRET, name, names.ENCRYPTION_SECRET)
        return reading.read(found) if found is not None else None

    async def _make(self, name: str) -> Object:
        _logger.info("namespace %s gets an encryption key", name)
        ring = KeyRing((Key.of(secrets.token_bytes(KEY_BYTES)),))
        metadata = {"namespace": name, "name": names.ENCRYPTION_SECRET, "labels": _LABELS}
        data = {names.KEYS_KEY: ring.encode()}
        return await self._cluster.create(SECRET, {"metadata": metadata, "stringData": data})
