"""Calls that block for as long as somebody likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading

import pytest

from varflow_cli.console import blocking, loops

RELEASE_SECONDS = 30.0
"""After which a read that somebody waits for ends, so that the test fails instead of hanging."""


def fail() -> None:
    raise ValueError("of the call")


def test_what_a_call_returns_or_raises_is_its_caller_s() -> None:
    assert loops.run(blocking.run(int, "7")) == 7
    with pytest.raises(ValueError, match="of the call"):
        loops.run(blocking.run(fail))


def test_a_call_that_never_returns_holds_nobody_up_who_was_cancelled() -> None:
    source, sink = os.pipe()
    begun = threading.Event()
    release = threading.Timer(RELEASE_SECONDS, os.write, (sink, b"late"))
    ended = threading.Event()

    def read() -> None:
        begun.set()
        os.read(source, 1)
        ended.set()

    async def give_up() -> None:
        waiting = asyncio.create_task(blocking.run(read))
        await asyncio.to_thread(begun.wait, RELEASE_SECONDS)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    release.start()
    loops.run(give_up())
    held_up = ended.is_set()

    release.cancel()
    os.write(sink, b"at last")
    assert ended.wait(RELEASE_SECONDS)
    os.close(source)
    os.close(sink)
    assert not held_up
