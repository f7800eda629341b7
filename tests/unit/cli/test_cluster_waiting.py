"""Waiting in a cluster: progress, the wish to stop, and log lines as they come."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from varflow import logs
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores.memory import MemoryStore
from varflow_cli.cluster import tailing
from varflow_cli.cluster.reporting import Reporter
from varflow_cli.cluster.stopping import Stop, StopWanted
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console.progress import PlainWriter, Progress

OWNERS = Owners(cluster="c", namespace="n", workflow="w", instance="i")
SECOND = 1_000_000_000

# Progress


def view(*steps: int, **status: Any) -> InstanceView:
    recent = [{"step": step, "state": f"s{step}", "startTime": "t"} for step in steps]
    return InstanceView.of(
        {
            "metadata": {"name": "i", "namespace": "n", "uid": "u"},
            "status": {"phase": "Running", "recentSteps": recent, **status},
        }
    )


def report(*views: InstanceView) -> list[str]:
    stream = io.StringIO()
    reporter = Reporter(Progress(PlainWriter(stream)))
    for it in views:
        reporter.show(it)
    return [line[9:] for line in stream.getvalue().splitlines()]


def test_each_step_is_shown_once() -> None:
    assert report(view(1), view(1, 2), view(1, 2, 3), view(1, 2, 3)) == ["→ s1", "→ s2", "→ s3"]


def test_steps_that_the_list_has_lost_are_counted() -> None:
    assert report(view(1), view(5, 6)) == [
        "→ s1",
        "│ 3 steps are not shown",
        "→ s5",
        "→ s6",
    ]


def test_a_reason_is_shown_when_it_changes_and_when_it_comes_again() -> None:
    pull, other = view(reason="no image"), view(reason="no node")

    assert report(pull, pull, other, view(), pull) == [
        "│ no image",
        "│ no node",
        "│ no image",
    ]


# The wish to stop


async def test_work_that_is_done_before_the_wish_is_returned() -> None:
    assert await Stop().before(asyncio.sleep(0, "done")) == "done"


async def test_the_wish_cancels_work() -> None:
    stop = Stop()
    was_cancelled = asyncio.Event()

    async def work() -> None:
        stop.want("first")
        stop.want("second", is_late=True)
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    with pytest.raises(StopWanted):
        await stop.before(work())

    assert was_cancelled.is_set()
    assert (stop.message, stop.is_late) == ("first", False)


async def test_what_work_raises_comes_through() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Stop().before(work())


# Log lines


async def write(store: MemoryStore, at: int, *texts: str) -> None:
    body = b"".join(
        b'{"at":"2026-11-20T10:00:%02d+00:00","level":"info","source":"s","text":"%s"}\n'
        % (at, text.encode())
        for text in texts
    )

    async def chunks() -> Any:
        yield body

    await store.write_body(paths.log_chunk(OWNERS, f"{at * SECOND:020d}-aa"), chunks())


async def test_lines_come_until_the_instance_has_ended() -> None:
    store, ended = MemoryStore(), asyncio.Event()
    await store.open()
    await write(store, 20, "first")
    seen = []

    async for line in tailing.tail(store, OWNERS, ended=ended):
        seen.append(line.text)
        if line.text == "first":
            await write(store, 30, "second", "third")
            ended.set()

    assert seen == ["first", "second", "third"]


async def test_a_chunk_that_appears_late_is_shown_and_none_is_shown_twice() -> None:
    store, ended = MemoryStore(), asyncio.Event()
    await store.open()
    await write(store, 20, "new")
    seen = []

    async for line in tailing.tail(store, OWNERS, ended=ended):
        seen.append(line.text)
        if line.text == "new":
            await write(store, 15, "late")
            ended.set()

    assert seen == ["new", "late"]


@pytest.mark.parametrize(
    ("chunk", "after"),
    [
        ("", ""),
        (f"{20 * SECOND:020d}-aa", f"{10 * SECOND:020d}"),
        (f"{5 * SECOND:020d}-aa", f"{0:020d}"),
    ],
    ids=["none", "later", "early"],
)
def test_rewinding_goes_back_by_time(chunk: str, after: str) -> None:
    assert logs.rewind(chunk, seconds=10.0) == after
