"""Running a coroutine on the fastest event loop there is, and interrupting it.

The first Ctrl-C cancels the coroutine, which cleans up, and the second ends the program at once.
`asyncio` alone raises `KeyboardInterrupt` for the second, wherever the loop is: cleaning up breaks
off in the middle, and what waits for the rest of it may wait for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

from varflow_cli.console import failures

_Result = TypeVar("_Result")

_SAME_SECONDS: Final = 0.25
"""What comes so soon after the first is no second Ctrl-C: `timeout` and some shells send each to
the program and to its group. People are slower."""


class _Interrupts:
    """What Ctrl-C does; `first` is what the loop has it do."""

    def __init__(self, first: Callable[[int, FrameType | None], Any]) -> None:
        self._first: Final = first
        self._came_at: float | None = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal asks for."""
        now = time.monotonic()
        if self._came_at is None:
            self._came_at = now
            self._first(number, frame)
        elif now - self._came_at > _SAME_SECONDS:
            os._exit(failures.FAILED)


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            # Called when the runner has put its own handler there, and before `work`
            runner.get_loop().call_soon(_take_interrupts)
            return runner.run(work)
    finally:
        work.close()  # for Ctrl-C before it began: Python would warn of it in the user's terminal
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


def _take_interrupts() -> None:
    first = signal.getsignal(signal.SIGINT)
    # The runner's own: what is ignored stays so, as in the background of a shell
    if callable(first) and first is not signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts(first).take)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
