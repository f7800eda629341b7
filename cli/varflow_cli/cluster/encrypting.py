"""The keys of a cluster's namespaces, for whoever may read their Secrets.

Read when the first value needs them: whoever only lists or removes needs no such right.
"""

from __future__ import annotations

from varflow.errors import (
    ClusterError,
    EncryptionKeyMissing,
    ObjectNotFound,
    ObjectRefused,
    StoreUnavailable,
)
from varflow.variables.encryption.keyrings import KeyRing
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.encryption import reading
from varflow_operator.kinds import NAMESPACE, SECRET, Object


class SecretKeys:
    """A `KeySource` for a cluster: of the caller's namespace, and of others where all is read."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        """Use a connection; `namespace` is looked at first."""
        self._cluster = cluster
        self._namespace = namespace
        self._names: dict[str, str] = {}
        self._rings: dict[str, KeyRing] = {}

    async def find(self, namespace: str, *, wanted: bytes | None = None) -> KeyRing | None:
        ring = self._rings.get(namespace)
        if ring is None or (wanted is not None and not ring.find(wanted)):
            ring = self._rings[namespace] = await self._read(await self._find_name(namespace))
        return ring

    async def _find_name(self, uid: str) -> str:
        try:
            if not self._names:
                self._note(await self._cluster.get(NAMESPACE, None, self._namespace))
            if uid not in self._names:
                async for found in self._cluster.list(NAMESPACE):
                    self._note(found)
        except ClusterError as error:
            raise StoreUnavailable(
                f"whose keys are needed is not known: {error.message}"
            ) from error
        if uid not in self._names:
            raise EncryptionKeyMissing(
                f"namespace {uid} is gone, and with it the keys of its values"
            )
        return self._names[uid]

    def _note(self, namespace: Object) -> None:
        self._names[namespace["metadata"]["uid"]] = namespace["metadata"]["name"]

    async def _read(self, name: str) -> KeyRing:
        shown = SECRET.shown(name, names.ENCRYPTION_SECRET)
        try:
            return reading.read(await self._cluster.get(SECRET, name, names.ENCRYPTION_SECRET))
        except ObjectNotFound as error:
            raise EncryptionKeyMissing(
                f"there is no {shown} with the keys of this namespace's values; the operator makes "
                "it with the first Workflow or Variable, and once it was lost a backup brings it"
            ) from error
        except ObjectRefused as error:
            raise EncryptionKeyMissing(
                f"values are encrypted with the keys in {shown}, which needs the right to get that "
                f"Secret: {error.message}"
            ) from error
        except ClusterError as error:
            raise StoreUnavailable(f"{shown} cannot be had: {error.message}") from error
