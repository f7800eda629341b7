"""A pod with a memory store, for each test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import sidecars
from tests.support.sidecars import Call, Pod


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    async with sidecars.running(tmp_path / "shared") as running:
        yield running


@pytest.fixture
async def aid(pod: Pod) -> AsyncIterator[str]:
    """The id of an action whose function is at work."""
    done = asyncio.Event()

    async def wait(call: Call) -> object:
        await done.wait()
        return {}

    dispatch = sidecars.make_dispatch()
    pod.function.handler = wait
    task = asyncio.ensure_future(pod.sidecar.actions.run(dispatch))
    await sidecars.eventually(lambda: bool(pod.function.calls))
    try:
        yield dispatch.action_id
    finally:
        done.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task
