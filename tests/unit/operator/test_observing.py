"""What a feed passes on: every event, and what events have missed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from varflow.errors import ClusterUnavailable
from varflow_operator.kinds import POD, Object
from varflow_operator.metrics import Metrics
from varflow_operator.observing import DELETED, Feed, Subscription


def pod(name: str, version: int = 1, **labels: str) -> Object:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"a": 1}}


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, str, str]] = []
        self.last: Object = {}

    def observe(self, event_type: str | None, obj: Object) -> None:
        self.told.append((event_type, obj["metadata"]["name"], obj["metadata"]["resourceVersion"]))
        self.last = obj


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def feed(notes: Notes) -> Feed:
    return Feed(Subscription(POD, (notes,)), Metrics())


async def listing(*steps: Object | Callable[[], None]) -> AsyncIterator[Object]:
    """Give objects, and let things happen between them."""
    for step in steps:
        if callable(step):
            step()
        else:
            yield step


async def test_list_brings_every_object_again(feed: Feed, notes: Notes) -> None:
    feed.observe("ADDED", pod("a"))

    await feed.compare(listing(pod("a"), pod("b")))

    assert notes.told == [("ADDED", "a", "1"), (None, "a", "1"), (None, "b", "1")]


async def test_deletion_that_was_missed_is_found_once(feed: Feed, notes: Notes) -> None:
    feed.observe("ADDED", pod("a", 5, k="v"))

    await feed.compare(listing())
    await feed.compare(listing())

    assert notes.told[1:] == [(DELETED, "a", "5")]
    assert notes.last == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "ns",
            "name": "a",
            "uid": "uid-a",
            "resourceVersion": "5",
            "labels": {"k": "v"},
        },
    }


async def test_object_that_comes_while_listing_is_not_taken_to_be_gone(
    feed: Feed, notes: Notes
) -> None:
    await feed.compare(listing(lambda: feed.observe("ADDED", pod("a"))))

    assert notes.told == [("ADDED", "a", "1")]


async def test_object_deleted_while_listing_does_not_come_back(feed: Feed, notes: Notes) -> None:
    feed.observe("ADDED", pod("a"))

    await feed.compare(listing(lambda: feed.observe(DELETED, pod("a")), pod("a")))

    assert notes.told == [("ADDED", "a", "1"), (DELETED, "a", "1")]


async def test_older_state_of_a_list_is_not_passed_on(feed: Feed, notes: Notes) -> None:
    feed.observe("MODIFIED", pod("a", 10))

    await feed.compare(listing(pod("a", 9)))

    assert notes.told == [("MODIFIED", "a", "10")]


async def test_list_that_breaks_off_makes_nothing_gone(feed: Feed, notes: Notes) -> None:
    feed.observe("ADDED", pod("a"))

    def fail() -> None:
        raise ClusterUnavailable("away")

    with pytest.raises(ClusterUnavailable):
        await feed.compare(listing(fail))
    await feed.compare(listing(pod("a")))

    assert notes.told == [("ADDED", "a", "1"), (None, "a", "1")]


def test_watch_that_begins_anew_is_noticed(feed: Feed) -> None:
    feed.observe(None, pod("a"))
    first = feed.began_anew.is_set()

    feed.observe(None, pod("a"))

    assert (first, feed.began_anew.is_set()) == (False, True)


async def test_object_that_the_observer_fails_on_does_not_stop_the_others(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    class Picky(Notes):
        def observe(self, event_type: str | None, obj: Any) -> None:
            if obj["metadata"]["name"] == "bad":
                raise KeyError("spec")
            super().observe(event_type, obj)

    picky = Picky()
    feed = Feed(Subscription(POD, (picky,)), Metrics())

    await feed.compare(listing(pod("bad"), pod("good")))

    assert [name for _, name, _ in picky.told] == ["good"]
    assert "Pod ns/bad could not be taken note of" in caplog.text


def test_metrics_tell_of_the_last_event(notes: Notes) -> None:
    metrics = Metrics()
    Feed(Subscription(POD, (notes,)), metrics).observe("ADDED", pod("a"))

    name = "varflow_operator_watch_last_event_timestamp_seconds"
    assert (metrics.registry.get_sample_value(name, {"kind": "Pod"}) or 0) > 1e9
