"""Between the watches and those who act: whoever wants to know about a kind is told here.

    kopf's watch ──observe──► Feed ──observe──► Workflows, Instances, Pods …
    a list, now and then ──────┘

Watches alone lose deletions: after an interruption that was too long kopf lists anew and says
nothing about what has gone meanwhile. So each `Feed` remembers which objects are there, and
compares with a list from time to time. The list also brings every object to its observer again,
which mends whatever was missed in another way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from varflow.errors import ClusterError
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import Kind, Object
from varflow_operator.metrics import Metrics

RESYNC_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 1.0
"""From the first object that a watch lists again until the others are there too."""

DELETED: Final = "DELETED"

_logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Who is told; must be quick."""

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of an object.

        Args:
            event_type: ADDED, MODIFIED, DELETED, or None for one that is simply there.
            obj: as the API server has it. Of one whose deletion was missed only its kind,
                name, namespace, UID and labels.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to know about which objects."""

    kind: Kind
    observers: Sequence[Observer]
    labels: str = ""
    """Only those that this selector fits."""


class Feed:
    """All that is known about the objects of one subscription, and how it is passed on."""

    def __init__(self, subscription: Subscription, metrics: Metrics) -> None:
        self.kind = subscription.kind
        self.labels = subscription.labels
        self.began_anew = asyncio.Event()
        """Set when a watch lists objects again that were known: deletions may have been missed."""
        self._observers = subscription.observers
        self._metrics = metrics
        self._known: dict[str, _Known] = {}
        self._gone: set[str] = set()
        """UIDs that were deleted since the last list began."""

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Pass on what a watch says."""
        self._metrics.saw_event(self.kind)
        uid = obj["metadata"]["uid"]
        if event_type == DELETED:
            self._known.pop(uid, None)
            self._gone.add(uid)
        else:
            if event_type is None and uid in self._known:
                self.began_anew.set()
            self._known[uid] = _Known.of(obj)
        self._tell(event_type, obj)

    async def compare(self, listed: AsyncIterable[Object]) -> None:
        """Pass on all objects of a list that begins now, and which of the known are gone.

        A list that breaks off says nothing about what it has not come to.
        """
        self.began_anew.clear()
        self._gone.clear()
        unlisted = set(self._known)
        async for obj in listed:
            unlisted.discard(obj["metadata"]["uid"])
            self._take(obj)
        for uid in unlisted & self._known.keys():
            self._lose(uid)

    def _take(self, obj: Object) -> None:
        """Pass on a listed object, unless the watch knows better by now."""
        uid = obj["metadata"]["uid"]
        known = self._known.get(uid)
        if uid in self._gone or (known is not None and known.is_newer_than(obj)):
            return
        self._known[uid] = _Known.of(obj)
        self._tell(None, obj)

    def _lose(self, uid: str) -> None:
        obj = self._known.pop(uid).shown(self.kind, uid)
        self._metrics.missed_deletion(self.kind)
        _logger.info("a watch has missed that %s is gone", _name_of(self.kind, obj))
        self._tell(DELETED, obj)

    def _tell(self, event_type: str | None, obj: Object) -> None:
        for observer in self._observers:
            try:
                observer.observe(event_type, obj)
            except Exception:  # of this object: the others go on, and it comes again
                _logger.exception("%s could not be taken note of", _name_of(self.kind, obj))


async def resync_forever(
    feeds: Sequence[Feed],
    cluster: Cluster,
    namespaces: Sequence[str | None],
    *,
    every: float = RESYNC_SECONDS,
) -> None:
    """Compare all feeds with lists, now and then, and soon after a watch began anew."""
    while True:
        await _wait_for_any([feed.began_anew for feed in feeds], seconds=every)
        for feed in feeds:
            try:
                await feed.compare(_list(cluster, feed, namespaces))
            except ClusterError as error:
                _logger.warning("%s cannot be listed: %s", feed.kind.plural, error)


async def _list(
    cluster: Cluster, feed: Feed, namespaces: Sequence[str | None]
) -> AsyncIterator[Object]:
    for namespace in namespaces:
        async for obj in cluster.list(feed.kind, namespace, labels=feed.labels):
            yield obj


async def _wait_for_any(events: Sequence[asyncio.Event], *, seconds: float) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if done:
            await asyncio.sleep(_SETTLE_SECONDS)
    finally:
        for task in waiting:
            task.cancel()


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of an object: enough to say later that it is gone."""

    namespace: str | None
    name: str
    version: str
    labels: Mapping[str, str]

    @classmethod
    def of(cls, obj: Object) -> _Known:
        metadata = obj["metadata"]
        return cls(
            metadata.get("namespace"),
            metadata["name"],
            metadata["resourceVersion"],
            metadata.get("labels") or {},
        )

    def is_newer_than(self, obj: Object) -> bool:
        """Compare versions, where they are numbers, as they are in every API server so far."""
        version = obj["metadata"]["resourceVersion"]
        return self.version.isdigit() and version.isdigit() and int(self.version) > int(version)

    def shown(self, kind: Kind, uid: str) -> Object:
        """Return the remains as an object."""
        return {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {
                "namespace": self.namespace,
                "name": self.name,
                "uid": uid,
                "resourceVersion": self.version,
                "labels": dict(self.labels),
            },
        }


def _name_of(kind: Kind, obj: Object) -> str:
    return kind.shown(obj["metadata"].get("namespace"), obj["metadata"]["name"])
