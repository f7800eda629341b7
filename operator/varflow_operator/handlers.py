"""kopf: watches of the cluster's objects, whose events go to the feeds and nowhere else.

Only `on.event` is used. Whatever kopf keeps about objects for its other handlers (finalizers,
annotations with progress and with the last state) stays off, as do its events, its peering and
its search for kinds and namespaces that come later: which kinds there are is known, and a kind that
is not installed ends the process with a message.

kopf ends when a watch breaks off in a way that it does not know. It is not begun again here: the
process ends, and the kubelet starts it anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, cast

import kopf

from varflow.errors import ClusterUnavailable
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import Object
from varflow_operator.observing import Feed

_REQUEST_SECONDS: Final = 30.0
_BACKOFFS: Final = (0.1, 0.5, 1, 2)
"""kopf begins again after the last, so an API server that comes back is noticed within 2 s."""
_PAGE: Final = 500
_QUEUE_SECONDS: Final = 0.5
"""How long kopf keeps an object's queue after an event, and with it the whole event: by default ten
times longer, which for a thousand objects that have just changed is 25 MiB."""
_STOP_SECONDS: Final = 2.0
_STOP_ATTEMPTS: Final = 2
_KOPF: Final = os.path.dirname(kopf.__file__)

_logger = logging.getLogger(__name__)


class NothingKept(kopf.DiffBaseStorage):
    """Keeps no last state of objects, and spares kopf two copies of each for every event."""

    def build(
        self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None
    ) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return cast(kopf.BodyEssence, {})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return nothing to compare with."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


async def watch(
    cluster: Cluster,
    feeds: Sequence[Feed],
    namespaces: Collection[str],
    *,
    started: Callable[[], None],
) -> None:
    """Watch until cancelled.

    Args:
        cluster: whose login is used.
        feeds: who is told.
        namespaces: which to watch; none means all.
        started: called when kopf has begun; it has taken the process's signals by then.

    Raises:
        ClusterUnavailable: a watch cannot be held.
    """
    tasks = await kopf.spawn_tasks(
        registry=_create_registry(cluster, feeds),
        settings=_create_settings(feeds),
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        standalone=True,
    )
    started()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _stop(tasks)
    ended = next(iter(done))
    error = ended.exception()
    raise ClusterUnavailable(f"watching has ended: {error or ended.get_name()}") from error


async def _stop(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel kopf's tasks, and no others, as its own end would do.

    When one watcher has failed, kopf forgets the others, which then go on for ever. Only guarded
    tasks are cancelled: a watcher whose helper is cancelled at the same time takes that for the
    end of a pause, and goes on too.
    """
    for _ in range(_STOP_ATTEMPTS):
        if not (left := _find_left(tasks)):
            return
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_STOP_SECONDS)
    names = ", ".join(task.get_name() for task in _find_left(tasks))
    _logger.error("kopf does not stop: %s", names)


def _find_left(tasks: Collection[asyncio.Task[None]]) -> set[asyncio.Task[Any]]:
    lost = {task for task in asyncio.all_tasks() if _is_guarded(task)}
    return {task for task in (*tasks, *lost) if not task.done()}


def _is_guarded(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_name == "guard" and _KOPF in code.co_filename


def _create_registry(cluster: Cluster, feeds: Sequence[Feed]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=cluster.host, aiohttp_session=cluster.open_session())

    for number, feed in enumerate(feeds):
        _register(registry, feed, f"feed{number}")
    return registry


def _register(registry: kopf.OperatorRegistry, feed: Feed, name: str) -> None:
    @kopf.on.event(feed.kind.group, feed.kind.version, feed.kind.plural, id=name, registry=registry)
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        feed.observe(event["type"], cast(Object, event["object"]))


def _create_settings(feeds: Sequence[Feed]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None  # how the process ends is not kopf's
    settings.persistence.diffbase_storage = NothingKept()
    settings.networking.request_timeout = _REQUEST_SECONDS
    settings.networking.error_backoffs = _BACKOFFS
    settings.watching.chunk_size = _PAGE
    settings.queueing.idle_timeout = _QUEUE_SECONDS
    for feed in feeds:
        if feed.labels:
            kind = feed.kind
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = feed.labels
    return settings
