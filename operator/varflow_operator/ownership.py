"""Whose prefix in the store an object's data lies under: UIDs, as `paths` wants them.

An object's namespace has the same UID as long as the object lives, so what was found out for one
object is remembered by that object's UID. A cache by the namespace's name would, after it was
deleted and created anew, send data to the predecessor's prefix, which sweepers remove.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from varflow.variables.scopes import Owners
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import NAMESPACE, Object

_CLUSTER_NAMESPACE: Final = "kube-system"
"""Its UID stands for the cluster's: it is never deleted."""
_REMEMBERED: Final = 20_000


class Ownership:
    """Finds the owners of objects."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._cluster_uid = ""
        self._namespaces: OrderedDict[str, str] = OrderedDict()

    async def of(self, obj: Object, *, workflow: str = "", instance: str = "") -> Owners:
        """Return the owners of what belongs to an object; other UIDs as given.

        Raises:
            ObjectNotFound: its namespace is gone.
            ClusterError: the cluster could not say.
        """
        return Owners(
            cluster=await self.cluster_uid(),
            namespace=await self._namespace_uid(obj),
            workflow=workflow,
            instance=instance,
        )

    async def cluster_uid(self) -> str:
        """Return what names this cluster in the store."""
        if not self._cluster_uid:
            found = await self._cluster.get(NAMESPACE, None, _CLUSTER_NAMESPACE)
            self._cluster_uid = found["metadata"]["uid"]
        return self._cluster_uid

    async def list_names(self, served: Sequence[str]) -> dict[str, str]:
        """Return the names of the namespaces that are there, by UID.

        Args:
            served: which to look at; none for all.

        Raises:
            ClusterError: the cluster could not say.
        """
        if served:
            found = [await self._cluster.find(NAMESPACE, None, name) for name in served]
            there = [obj for obj in found if obj is not None]
        else:
            there = [obj async for obj in self._cluster.list(NAMESPACE)]
        return {obj["metadata"]["uid"]: obj["metadata"]["name"] for obj in there}

    async def _namespace_uid(self, obj: Object) -> str:
        uid, namespace = obj["metadata"]["uid"], obj["metadata"]["namespace"]
        if uid not in self._namespaces:
            found = await self._cluster.get(NAMESPACE, None, namespace)
            self._namespaces[uid] = found["metadata"]["uid"]
            if len(self._namespaces) > _REMEMBERED:
                self._namespaces.popitem(last=False)
        return self._namespaces[uid]
