"""Has instances stop when their namespace is being deleted.

    pods that have to go ──► is their namespace going? ──► Instances.close

Kubernetes deletes a namespace's pods before most of its other objects, and a pod that has to go
waits for the actions that run in it. Without this the deletion would take a pod's whole grace
period, for instances whose end nobody will see. Rejected: a watch on all namespaces, of which one
in a thousand events would matter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from varflow.errors import ClusterError
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import NAMESPACE, Object
from varflow_operator.observing import DELETED

_logger = logging.getLogger(__name__)


class Closings:
    """Finds namespaces that are being deleted by the pods that have to go."""

    def __init__(self, cluster: Cluster, *, close: Callable[[str], None]) -> None:
        """Take who stops the instances of a namespace."""
        self._cluster = cluster
        self._close = close
        self._suspected: set[str] = set()
        self._is_any = asyncio.Event()

    def observe(self, event_type: str | None, pod: Object) -> None:
        """Take note of a function pod."""
        metadata = pod["metadata"]
        if event_type != DELETED and metadata.get("deletionTimestamp"):
            self._suspected.add(metadata["namespace"])
            self._is_any.set()

    async def run(self) -> None:
        """Look at the namespaces of pods that go, until cancelled."""
        while True:
            await self._is_any.wait()
            self._is_any.clear()
            suspected, self._suspected = self._suspected, set()
            for name in suspected:
                await self._look(name)

    async def _look(self, name: str) -> None:
        try:
            found = await self._cluster.find(NAMESPACE, None, name)
        except ClusterError as error:
            # the pods say it again when they end, and those that do not are deleted all the same
            _logger.info("namespace %s: %s", name, error.message)
            return
        if found is not None and found["metadata"].get("deletionTimestamp"):
            _logger.info("namespace %s is being deleted; its instances stop", name)
            self._close(name)
