"""Watches through kopf, and what is left of them when the API server is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import sidecars
from tests.support.api_proxy import ApiProxy
from tests.support.cluster.control_plane import ApiServer
from varflow.errors import ClusterUnavailable
from varflow_operator import handlers, observing
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONFIG_MAP, INSTANCE, Object
from varflow_operator.metrics import Metrics
from varflow_operator.observing import Feed, Subscription

LABEL = "test.varflow.dev/seen"
SECONDS = 60.0


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, str]] = []

    def observe(self, event_type: str | None, obj: Object) -> None:
        self.told.append((event_type, obj["metadata"]["name"]))

    async def until_seen(self, name: str) -> None:
        await sidecars.eventually(lambda: name in {one for _, one in self.told}, seconds=SECONDS)

    async def until(self, event_type: str | None, name: str) -> None:
        await sidecars.eventually(lambda: (event_type, name) in self.told, seconds=SECONDS)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def proxy(api_server: ApiServer) -> AsyncIterator[ApiProxy]:
    async with ApiProxy(api_server).serving() as proxy:
        yield proxy


@pytest_asyncio.fixture
async def watching(
    proxy: ApiProxy, cluster: Cluster, namespace: str, notes: Notes, tmp_path: Path
) -> AsyncIterator[asyncio.Task[None]]:
    """Watches through the proxy, which have begun, with lists now and then."""
    metrics = Metrics()
    feeds = [
        Feed(Subscription(CONFIG_MAP, (notes,), labels=f"{LABEL}=yes"), metrics),
        Feed(Subscription(INSTANCE, (notes,)), metrics),
    ]
    kubeconfig = str(proxy.write_kubeconfig(tmp_path))
    async with Cluster.connect(kubeconfig=kubeconfig) as behind:
        watching = asyncio.create_task(
            handlers.watch(behind, feeds, (namespace,), started=lambda: None)
        )
        resyncing = asyncio.create_task(observing.resync_forever(feeds, behind, (namespace,)))
        await make(cluster, namespace, "first")
        await notes.until_seen("first")
        yield watching
        for task in (watching, resyncing):
            task.cancel()
        await asyncio.gather(watching, resyncing, return_exceptions=True)


async def make(cluster: Cluster, namespace: str, name: str, **labels: str) -> None:
    metadata = {"namespace": namespace, "name": name, "labels": {LABEL: "yes", **labels}}
    await cluster.create(CONFIG_MAP, {"metadata": metadata})


async def test_objects_come_as_they_are_and_as_they_change(
    watching: asyncio.Task[None], cluster: Cluster, namespace: str, notes: Notes
) -> None:
    await make(cluster, namespace, "a")
    await notes.until("ADDED", "a")
    await cluster.patch(CONFIG_MAP, namespace, "a", {"data": {"k": "v"}})
    await notes.until("MODIFIED", "a")
    await cluster.delete(CONFIG_MAP, namespace, "a")
    await notes.until("DELETED", "a")
    body = {"metadata": {"namespace": namespace, "name": "i"}, "spec": {"workflow": "w"}}
    await cluster.create(INSTANCE, body)
    await notes.until_seen("i")


async def test_what_is_there_already_has_no_event_type(
    cluster: Cluster, namespace: str, notes: Notes
) -> None:
    await make(cluster, namespace, "a")
    feed = Feed(Subscription(CONFIG_MAP, (notes,)), Metrics())

    watching = asyncio.create_task(
        handlers.watch(cluster, [feed], (namespace,), started=lambda: None)
    )
    await notes.until(None, "a")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_only_what_the_selector_fits_comes(
    watching: asyncio.Task[None], cluster: Cluster, namespace: str, notes: Notes
) -> None:
    await make(cluster, namespace, "other", **{LABEL: "no"})
    await make(cluster, namespace, "a")

    await notes.until("ADDED", "a")
    assert ("ADDED", "other") not in notes.told


async def test_objects_are_left_as_they_are(
    watching: asyncio.Task[None], cluster: Cluster, namespace: str, notes: Notes
) -> None:
    body = {"metadata": {"namespace": namespace, "name": "i"}, "spec": {"workflow": "w"}}
    made = await cluster.create(INSTANCE, body)
    await notes.until_seen("i")
    await make(cluster, namespace, "later")
    await notes.until("ADDED", "later")

    assert await cluster.get(INSTANCE, namespace, "i") == made


async def test_deletion_that_falls_into_a_gap_is_found(
    watching: asyncio.Task[None],
    proxy: ApiProxy,
    cluster: Cluster,
    namespace: str,
    notes: Notes,
) -> None:
    for name in ("stays", "goes"):
        await make(cluster, namespace, name)
        await notes.until("ADDED", name)

    proxy.hold()
    await proxy.end_watches(410)
    await cluster.delete(CONFIG_MAP, namespace, "goes")
    await make(cluster, namespace, "comes")
    proxy.release()

    await notes.until("DELETED", "goes")
    await notes.until(None, "comes")
    assert ("DELETED", "stays") not in notes.told


async def test_events_come_again_after_an_api_server_was_away(
    watching: asyncio.Task[None],
    proxy: ApiProxy,
    cluster: Cluster,
    namespace: str,
    notes: Notes,
) -> None:
    await make(cluster, namespace, "a")
    await notes.until("ADDED", "a")

    await proxy.refuse()
    await make(cluster, namespace, "b")
    await cluster.delete(CONFIG_MAP, namespace, "a")
    await proxy.listen()

    await notes.until("ADDED", "b")
    await notes.until("DELETED", "a")


async def test_watch_that_ends_for_good_is_an_error(
    watching: asyncio.Task[None], proxy: ApiProxy
) -> None:
    await proxy.end_watches(500)

    with pytest.raises(ClusterUnavailable, match="watching has ended"):
        await watching
    assert not [task for task in asyncio.all_tasks() if handlers._is_guarded(task)]


async def test_tasks_of_others_outlive_the_watches(
    watching: asyncio.Task[None],
) -> None:
    other = asyncio.create_task(asyncio.Event().wait())

    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert not other.done()
    other.cancel()
