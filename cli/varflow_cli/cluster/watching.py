"""One object as it changes, whatever happens to the connection meanwhile.

A watch ends now and then, and the API server may be away for a while; then the object is read anew
and watched from there, so that its last version is always seen. Versions in between may be missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from varflow.errors import ClusterUnavailable, ObjectNotFound
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import Kind, Object

PATIENCE_SECONDS: Final = 60.0
"""How long a cluster may be away before waiting for it is given up."""
_PAUSE_SECONDS: Final = 1.0


async def watch(
    cluster: Cluster, kind: Kind, namespace: str, name: str
) -> AsyncGenerator[Object, None]:
    """Yield an object as it is now, and each time it has changed; close the generator when done.

    Raises:
        ObjectNotFound: it is not there, or not any more.
        ClusterUnavailable: the cluster cannot be reached at first, or was away for too long.
        ClusterError: it may not be read.
    """
    uid = ""
    deadline = 0.0
    while True:
        try:
            found = await cluster.get(kind, namespace, name)
            uid = uid or found["metadata"]["uid"]
            deadline = time.monotonic() + PATIENCE_SECONDS
            async with contextlib.aclosing(_changes(cluster, kind, found)) as changes:
                async for changed in changes:
                    if changed["metadata"]["uid"] != uid:
                        raise _deleted(kind, namespace, name)
                    yield changed
        except ClusterUnavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


async def wait_until(
    cluster: Cluster, kind: Kind, address: tuple[str, str], is_so: Callable[[Object], bool]
) -> Object:
    """Return the first version of an object of which it is so; each that is seen is asked.

    Args:
        cluster: where it is.
        kind: what it is.
        address: its namespace and name.
        is_so: may raise, and show what it sees.

    Raises:
        ObjectNotFound, ClusterError: as `watch`.
    """
    async with contextlib.aclosing(watch(cluster, kind, *address)) as versions:
        async for version in versions:
            if is_so(version):
                return version
    raise AssertionError("a watch goes on until it raises")


async def _changes(cluster: Cluster, kind: Kind, found: Object) -> AsyncGenerator[Object, None]:
    yield found
    metadata = found["metadata"]
    events = cluster.watch(
        kind,
        metadata["namespace"],
        fields=f"metadata.name={metadata['name']}",
        resource_version=metadata["resourceVersion"],
    )
    async for event, changed in events:
        if event == "DELETED":
            raise _deleted(kind, metadata["namespace"], metadata["name"])
        yield changed


def _deleted(kind: Kind, namespace: str, name: str) -> ObjectNotFound:
    return ObjectNotFound(f"{kind.shown(namespace, name)} was deleted meanwhile")
