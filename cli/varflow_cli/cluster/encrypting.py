"""The keys of one namespace of a cluster, for whoever may read its Secret.

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
from varflow_operator.kinds import SECRET


class SecretKeys:
    """A `KeySource` for one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._ring: KeyRing | None = None

    async def find(self, namespace: str, *, wanted: bytes | None = None) -> KeyRing | None:
        if self._ring is None or (wanted is not None and not self._ring.find(wanted)):
            self._ring = await self._read()
        return self._ring

    async def _read(self) -> KeyRing:
        shown = SECRET.shown(self._namespace, names.ENCRYPTION_SECRET)
        try:
            return reading.read(
                await self._cluster.get(SECRET, self._namespace, names.ENCRYPTION_SECRET)
            )
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
